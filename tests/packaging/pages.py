"""The commands that a page tells an admin to type, and the checkout in which they are typed."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.peers.clean_root import CleanRoot

ROOT = Path(__file__).resolve().parents[2]


def section(page: str, heading: str) -> str:
    """The text below a heading of a page, up to the next one of the same or a higher level."""
    text = (ROOT / page).read_text("utf-8")
    level = re.match("#+", heading)
    assert level
    found = re.search(
        rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{len(level[0])}}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"{page} has no {heading!r}"
    return found[1]


def commands(text: str) -> list[str]:
    """What stands in the blocks of shell commands of a text, a command each."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    return [line for block in blocks for line in block.splitlines() if line]


def bring_sources(root: CleanRoot, folder: str = "/src") -> None:
    """Copy the checkout as a clone would have it, with what is changed in it."""
    shown = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, shown.split("\0")):
        target = root.path(folder) / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)


def type_in(root: CleanRoot, lines: list[str], answers: Mapping[str, str] | None = None) -> str:
    """Type commands one after the other, as root in the checkout; each has to succeed. What they printed.

    There is no systemd that runs, so its commands do what they do in an image: they only set links.

    Args:
        answers: what is typed at a command's prompts, by the command.
    """
    printed = []
    for line in lines:
        done = root.run(
            "sh", "-ec", line, folder="/src", environment={"SYSTEMD_OFFLINE": "1"},
            input_text=(answers or {}).get(line.partition(" #")[0].strip(), ""),
        )  # fmt: skip
        printed.append(f"$ {line}\n{done.stdout}{done.stderr}")
    return "".join(printed)
