"""The readers, and every sample as it was and with its footer."""

import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli.rewriting.mail import SAMPLE_TOKEN, Rewriter, Rewritten, make_rewriter
from gateway.token import encode_token
from tests import conftest
from tests.programs import find
from tests.readers.agreement import Footer
from tests.readers.reading import HERE, NODE, Reader, by_program, by_python
from tests.readers.samples import samples

OLDEST_NODE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A sample that got a footer: both forms as files, and what we say about it."""

    name: str
    before: Path
    after: Path
    result: Rewritten


@pytest.fixture(scope="session")
def rewriter() -> Rewriter:
    """What ``careerrelay rewrite --always`` works with."""
    found, _ = make_rewriter(None, always=True)
    return found


@pytest.fixture(scope="session")
def footers(rewriter: Rewriter) -> Mapping[str, Footer]:
    """The footers with the sample token, by name."""
    values = rewriter.policy.link.values(encode_token(SAMPLE_TOKEN))
    return {name: Footer.of(footer, values) for name, footer in rewriter.policy.footers.items()}


@pytest.fixture(scope="session")
def changed(rewriter: Rewriter, tmp_path_factory: pytest.TempPathFactory) -> list[Changed]:
    """All samples that get a footer with ``--always``."""
    folder = tmp_path_factory.mktemp("readers")
    found = []
    for number, (name, data) in enumerate(samples().items()):
        result = rewriter.rewrite(data, sender=None, recipients=None)
        if result.changed:
            before, after = folder / f"{number}-before", folder / f"{number}-after"
            before.write_bytes(result.original)
            after.write_bytes(result.content)
            found.append(Changed(name=name, before=before, after=after, result=result))
    return found


def _system_python() -> str:
    """The Python that Debian's bindings are made for; not the one that runs the tests."""
    return "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


def _node(reader: str) -> Callable[[], Reader]:
    def make() -> Reader:
        node = str(find("node"))
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
            _lacking(f"Node {OLDEST_NODE} or later, found {version.strip()}")
        if not (NODE / "node_modules" / reader).is_dir():
            _lacking("the readers from npm: make readers")
        return by_program(node, str(NODE / "read.mjs"), reader)

    return make


def _lacking(what: str) -> None:
    if conftest.CI:
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")


READERS: Mapping[str, Callable[[], Reader]] = {
    "python": lambda: by_python,
    "mailparser": _node("mailparser"),
    "postal-mime": _node("postal-mime"),
    "gmime": lambda: by_program(_system_python(), str(HERE / "read_gmime.py")),
    "mime-tools": lambda: by_program(str(find("perl")), str(HERE / "read_mimetools.pl")),
}

# What a reader misreads in the original, by the charset's name: no footer can mend that. Node's own
# TextDecoder takes Windows-1252 for ISO-8859-1, and the web knows UTF-7, HZ and ISO-2022-KR no more.
LACKS: Mapping[str, Collection[str]] = {
    "mailparser": {"utf-7", "hz-gb-2312", "iso-2022-kr"},
    "postal-mime": {"utf-7", "hz-gb-2312", "iso-2022-kr", "ks_c_5601-1987", "windows-1252", "cp1252"},
    "gmime": {"hz-gb-2312", "ks_c_5601-1987"},
    "mime-tools": {"hz-gb-2312"},
}
