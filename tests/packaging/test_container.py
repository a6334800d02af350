"""The container file, its steps run one by one in a clean root, since no container engine runs here."""

import asyncio
import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY
from tests.packaging.pages import ROOT, bring_sources
from tests.packaging.service import Service
from tests.peers.clean_root import CleanRoot
from tests.peers.client import send_mail
from tests.peers.folder import free_port
from tests.peers.scripted import ScriptedHop


@dataclass(slots=True, kw_only=True)
class Stage:
    """One stage of the file: a FROM and what follows it."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def said(self, word: str) -> list[str]:
        """The arguments of all instructions of that name."""
        return [rest for name, rest in self.steps if name == word]


def stages() -> list[Stage]:
    """The file, read."""
    text = (ROOT / "Containerfile").read_text("utf-8")
    text = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    found: list[Stage] = []
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base=base, name=name))
        else:
            found[-1].steps.append((word, rest.strip()))
    return found


def test_what_the_image_is() -> None:
    """The last stage runs as nobody special, has a check, and is stopped gently."""
    *builders, image = stages()
    assert [stage.name for stage in builders] == ["build"]
    assert image.said("USER") == ["careerrelay"]
    assert image.said("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(image.said("ENTRYPOINT")[0]) == ["careerrelay"]
    (check,) = image.said("HEALTHCHECK")
    assert "status" in check
    known = {
        "ENV",
        "RUN",
        "COPY",
        "WORKDIR",
        "USER",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert {word for stage in (*builders, image) for word, _ in stage.steps} <= known
    registries = [stage.base for stage in (*builders, image) if "/" in stage.base]
    assert registries == [], "whose registry it comes from is the engine's business"


def build(stage: Stage, root: CleanRoot, built: dict[str, CleanRoot]) -> dict[str, str]:
    """Do what a stage says in `root`; its environment at the end. Volumes and the like are for the engine."""
    environment: dict[str, str] = {}
    folder = "/"
    for word, rest in stage.steps:
        if word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "WORKDIR":
            folder = rest
            root.path(folder).mkdir(parents=True, exist_ok=True)
        elif word == "RUN":
            root.run("sh", "-c", rest, folder=folder, environment=environment)
        elif word == "COPY" and rest.startswith("--from="):
            name, source, target = rest.removeprefix("--from=").split()
            shutil.copytree(built[name].path(source), root.path(target), dirs_exist_ok=True)
        elif word == "COPY":
            source, target = rest.split()
            assert source == "."
            bring_sources(root, target)
    return environment


@pytest.mark.long
@pytest.mark.peer("debootstrap")
@pytest.mark.timeout(1_800)
async def test_steps(pristine: CleanRoot, tmp_path: Path) -> None:
    """Built, it makes a config, takes mail with only its volume writable, is healthy, and ends on SIGTERM."""
    built: dict[str, CleanRoot] = {}
    *builders, image = stages()
    for stage in builders:
        built[stage.name] = await asyncio.to_thread(pristine.copy, tmp_path / stage.name)
        await asyncio.to_thread(build, stage, built[stage.name], built)
    root = await asyncio.to_thread(pristine.copy, tmp_path / "image")
    await asyncio.to_thread(build, image, root, built)
    assert not root.path("tmp/dist").exists()
    entry = json.loads(image.said("ENTRYPOINT")[0])
    command = [*entry, *json.loads(image.said("CMD")[0])]
    user = image.said("USER")[0]
    (check,) = (json.loads(rest.partition("CMD ")[2]) for rest in image.said("HEALTHCHECK"))
    port = free_port()
    async with ScriptedHop() as hop:
        root.run(
            *entry, "init", "--yes", "--hostname", "gw.example.co.jp", "--own-domain", "example.co.jp",
            "--listen", f"127.0.0.1:{port}", "--next-hop", f"127.0.0.1:{hop.port}", "--tls", "none",
            "--web", f"127.0.0.1:{free_port()}", "--link-url", "https://careerrelay.example/r/{token}",
            "--opt-out", "mailto:no-more@example.co.jp",
        )  # fmt: skip
        writable = ["/var/lib/careerrelay", "var/tmp"]
        with Service(root, command=command, user=user, read_only=writable) as service:
            await asyncio.to_thread(service.ready)
            assert (await send_mail(port, ORDINARY))[-1].code == 250
            assert root.run(*check, user=user).returncode == 0
            assert await asyncio.to_thread(service.stop) == 0
        assert hop.taken[0].content.endswith(ORDINARY)
    assert root.run(*check, user=user, check=False).returncode == 1, (
        "a container that takes no mail is not healthy"
    )
