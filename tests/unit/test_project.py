"""What the project promises about itself: layout, set-up, documentation, the package that is shipped."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distributions, packages_distributions
from pathlib import Path
from typing import Any

import click
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from gateway.config import Config, load_config
from tests.programs import ONLY_UNPACKED, PEERS

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.ja.md")
DOCUMENTS = (*READMES, "CHANGELOG.md", "docs/design.md", "docs/standards.md")
PAGES = (
    *READMES,
    "CHANGELOG.md",
    "SECURITY.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def text(name: str) -> str:
    """Return a file of the project as text."""
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, language: str = "[a-z]*") -> list[str]:
    """Return the fenced code blocks of a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(name), re.DOTALL | re.MULTILINE)


def without_comments(block: str) -> list[str]:
    """Return a block's lines without comments: what a translation leaves alone."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).rstrip() for line in block.splitlines())
    return [line for line in lines if line]


def modules() -> Iterator[Path]:
    """Every module of the package."""
    return (ROOT / "gateway").rglob("*.py")


def make_targets() -> dict[str, bool]:
    """Return the targets of the Makefile; the value says whether `make help` shows it."""
    return {
        name: bool(shown)
        for name, shown in re.findall(r"^([a-z][a-z-]*):(?!=)[^#\n]*(##)?", text("Makefile"), re.MULTILINE)
    }


# --- layout ---


def test_layout() -> None:
    """The files that people and scripts look for are where the design says."""
    wanted = [
        *DOCUMENTS,
        ".ci/run",
        "Makefile",
        "config.example.toml",
        "constraints.txt",
        "rules/footers",
        "systemd/careerrelay.service",
        "bench/__main__.py",
    ]
    assert [name for name in wanted if not (ROOT / name).exists()] == []


def test_module_names_say_what_is_inside() -> None:
    """No module is a drawer for whatever fits nowhere else."""
    drawers = {"utils", "util", "helpers", "helper", "misc", "manager", "data", "common"}
    assert [str(path.relative_to(ROOT)) for path in modules() if path.stem in drawers] == []


#: Modules that were longer when the bound came, and the bound that they keep until they are split.
LONG_MODULES: dict[str, int] = {}


def test_modules_are_short() -> None:
    """A module that passes 400 lines does two things: it is split along what they are."""
    lines = {
        str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n")
        for path in [*modules(), *(ROOT / "scripts").glob("*.py")]
    }
    assert {name: count for name, count in lines.items() if count > LONG_MODULES.get(name, 400)} == {}
    assert [name for name in LONG_MODULES if lines.get(name, 0) <= 400] == [], "it is short now: take it out"


def test_every_lint_exception_says_why() -> None:
    """Each code that ruff is told to ignore has its reason on the same line."""
    lines = [line for line in text("pyproject.toml").splitlines() if re.match(r'\s+"[A-Z]+\d+",?', line)]
    assert lines
    assert [line for line in lines if not re.search(r"# \w", line)] == []


def test_noqa_names_its_rule() -> None:
    """No line switches all rules off at once."""
    blanket = re.compile(r"#\s*noqa(?!: [A-Z]+\d)|#\s*type:\s*ignore(?!\[)")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in modules()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if blanket.search(line)
    ]
    assert found == []


# --- dependencies ---


def test_pins() -> None:
    """The two libraries whose private parts we lean on are pinned to the version that was examined."""
    requirements = {r.name: str(r.specifier) for r in map(Requirement, PROJECT["project"]["dependencies"])}
    assert {name: requirements[name] for name in ("aiosmtpd", "aiosmtplib")} == {
        "aiosmtpd": "==1.4.6",
        "aiosmtplib": "==5.1.3",
    }


def test_constraints_lock_every_dependency() -> None:
    """Each requirement has one locked version that it allows; the file names no place to fetch it from."""
    lines = [line for line in text("constraints.txt").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    locked = {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)
    }
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = map(Requirement, [*PROJECT["project"]["dependencies"], *extras["postgresql"], *extras["dev"]])
    names = {canonicalize_name(PROJECT["project"]["name"])}
    assert [
        str(r)
        for r in wanted
        if r.name not in names and not r.specifier.contains(locked.get(canonicalize_name(r.name), "0"))
    ] == []


def test_locked_versions_run_on_the_oldest_python() -> None:
    """A release that wants a later patch of 3.11 keeps Debian 12 (3.11.2) out of `make demo`."""
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=") + ".0"
    too_new = [
        f"{one.name} {one.version} wants {asked}"
        for one in distributions()
        if (asked := one.metadata["Requires-Python"]) and not SpecifierSet(asked).contains(oldest)
    ]
    assert not too_new


def test_imports_are_declared() -> None:
    """Every library that the package imports is among its dependencies, so that an installation has it."""
    extras = PROJECT["project"]["optional-dependencies"]
    declared = {
        canonicalize_name(Requirement(line).name)
        for line in [*PROJECT["project"]["dependencies"], *extras["postgresql"]]
    }
    providers = packages_distributions()
    undeclared = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"gateway"}:
                if not declared & {canonicalize_name(name) for name in providers.get(top, [])}:
                    undeclared.add(f"{path.relative_to(ROOT)}: {top}")
    assert sorted(undeclared) == []


# --- set-up ---


def test_old_python_gets_a_clear_message(tmp_path: Path) -> None:
    """An interpreter that is too old is named together with what to do, before anything is made."""
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "scripts/venv.sh"), "run"],
        env={"PATH": os.environ["PATH"], "PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; found: Python 3.9.2" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_ci_installs_every_peer() -> None:
    """`.ci/run` brings each package that a test may ask for, and nothing is started as a service by it."""
    listed = re.search(r"^packages=\((.*?)^\)", text(".ci/run"), re.DOTALL | re.MULTILINE)
    assert listed
    assert {package for package, _ in PEERS.values()} - set(listed[1].split()) == ONLY_UNPACKED
    unpacked = re.search(r'^packages="(.*?)^"', text("scripts/peers.sh"), re.DOTALL | re.MULTILINE)
    assert unpacked
    assert set(unpacked[1].split()) >= ONLY_UNPACKED
    assert "sh scripts/peers.sh" in text(".ci/run")
    assert "policy-rc.d" in text(".ci/run")
    assert os.access(ROOT / ".ci/run", os.X_OK)


@pytest.mark.parametrize(
    "script",
    [
        ".ci/run",
        "scripts/venv.sh",
        "scripts/constraints.sh",
        "scripts/peers.sh",
        "packaging/debian/postinst",
        "packaging/debian/prerm",
        "packaging/debian/postrm",
    ],
)
def test_shell_scripts_parse(script: str) -> None:
    """A slip in a script is found here and not on a fresh machine."""
    shell = text(script).partition("\n")[0].rpartition("/")[2].removeprefix("env ")
    assert subprocess.run([shell, "-n", str(ROOT / script)], check=False).returncode == 0


# --- documentation ---


def test_changelog_has_this_version_first() -> None:
    """The newest entry of the changelog is the version of the package."""
    first = re.search(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)
    assert first
    assert first[1] == PROJECT["project"]["version"]


@pytest.mark.parametrize("name", READMES)
def test_make_targets_are_documented(name: str) -> None:
    """Each README names every target that `make help` shows, and no other."""
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", re.sub(r"(?m)^apt-get.*$", "", text(name))))
    named &= {*make_targets(), *re.findall(r"`make ([a-z-]+)", text(name))}
    assert named == {target for target, shown in make_targets().items() if shown} - {"help"}


def test_readmes_give_the_same_instructions() -> None:
    """The Japanese README has the commands and configs of the English one; only comments are translated."""
    english, japanese = ([without_comments(block) for block in blocks(name)] for name in READMES)
    assert english == japanese


def outline(name: str) -> list[tuple[int, list[int]]]:
    """The headings of a page by level, each with the number of rows of the tables below it."""
    parts = re.split(r"^(#+) .*$", re.sub(r"(?ms)^```.*?^```$", "", text(name)), flags=re.MULTILINE)
    tables = [re.findall(r"(?m)(?:^\|.*\n)+", part) for part in parts[2::2]]
    return [
        (len(level), [table.count("\n") for table in found])
        for level, found in zip(parts[1::2], tables, strict=True)
    ]


def test_admin_guides_are_equal() -> None:
    """The Japanese guide has the sections, rows and commands of the English one."""
    english, japanese = "docs/admin.md", "docs/admin.ja.md"
    assert outline(english) == outline(japanese)
    for language in ("sh", "console"):
        assert list(map(without_comments, blocks(english, language))) == list(
            map(without_comments, blocks(japanese, language))
        )


@pytest.mark.parametrize("name", ["docs/admin.md", "docs/admin.ja.md"])
def test_admin_guide_shows_each_topology_and_trouble(name: str, commands: set[str]) -> None:
    """Every place where it may stand has a drawing; whatever `status` can name has a remedy."""
    drawings = [block for block in blocks(name, "") if "──►" in block]
    assert len(drawings) == 5
    troubles = set(re.findall(r'what="([a-z-]+)"', text("gateway/service/eyes/readiness.py"))) - {"draining"}
    assert {trouble for trouble in troubles if f"`{trouble}`" not in text(name)} == set()
    typed = re.findall(r"`careerrelay ([a-z][a-z -]*[a-z])", text(name))
    assert {
        line for line in typed if not re.match("connector |(?:" + "|".join(commands) + r")(?: --|$)", line)
    } == set()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The config that the README tells an admin to write, as it stands."""
    (block,) = blocks("README.md", "toml")
    path = tmp_path / "config.toml"
    path.write_text(block, "utf-8")
    return load_config(path)


def test_config_of_the_readme_is_valid(config: Config) -> None:
    """What the README tells an admin to write is accepted and means what the text around it says."""
    assert config.gateway.own_domains == ("example.co.jp",)
    assert [listener.protocol for listener in config.listen] == ["lmtp"]


@pytest.fixture
def commands() -> set[str]:
    """Every command of the program, with its group: ``sends list``."""

    def walk(group: click.Group, above: tuple[str, ...]) -> Iterator[str]:
        context = click.Context(group)
        for name in group.list_commands(context):
            path, command = (*above, name), group.get_command(context, name)
            yield from walk(command, path) if isinstance(command, click.Group) else (" ".join(path),)

    # Here and not above: a fault in the program must not hide all else that this file tests.
    main = import_module("gateway.cli.main").main
    assert isinstance(main, click.Group)
    return set(walk(main, ()))


def test_help_keeps_its_tables(commands: set[str]) -> None:
    """No command shows click's mark for a table as text: a raw docstring would."""
    main = import_module("gateway.cli.main").main
    for path in commands:
        command, context = main, click.Context(main)
        for name in path.split():
            command = command.get_command(context, name)
            context = click.Context(command, info_name=name)
        assert "\\b" not in command.get_help(context), path


#: Commands without --json: they write something else, or have --format, or talk with somebody.
NO_JSON = {
    *("credits export", "export", "registrations export", "sends export", "statement"),
    *("connector", "demo", "footer preview", "init", "serve", "top", "user remove"),
}


def test_scripts_can_read_every_answer(commands: set[str]) -> None:
    """Every command that answers has --json."""
    main = import_module("gateway.cli.main").main
    lacking = set()
    for path in commands:
        command = main
        for name in path.split():
            command = command.get_command(click.Context(command), name)
        if not any("--json" in parameter.opts for parameter in command.params):
            lacking.add(path)
    assert lacking == NO_JSON


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_documented(name: str, commands: set[str]) -> None:
    """Each README says what every command is for."""
    assert {command for command in commands if f"`careerrelay {command}" not in text(name)} == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_commands_exist(name: str, commands: set[str]) -> None:
    """What a document tells people to type is a command of the program."""
    typed = re.findall(r"(?:`|bin/|^)careerrelay ([a-z][a-z -]*[a-z])", text(name), re.MULTILINE)
    named = {line.partition(" --")[0] for line in typed}
    assert {line for line in named if line not in commands} == set()


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Every relative link of a page names a file of the project, every anchor a heading of its page."""
    dead = []
    for target in re.findall(r"\]\(([^)]+)\)", text(name)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        if not page.exists() or (anchor and anchor not in anchors(page)):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_modules_exist(name: str) -> None:
    """A module or script that a document names by its path is there."""
    named = re.findall(r"`((?:gateway|scripts|systemd|tests|docs)/[\w/.-]+)`", text(name))
    assert [path for path in named if path != "gateway/packs" and not (ROOT / path).exists()] == []


def test_layers_of_the_design_are_those_that_are_checked() -> None:
    """The table in docs/design.md and the contract of import-linter show the same layers, in order."""
    contract = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "layers")
    checked = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    section = text("docs/design.md").partition("## Parts and layers")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == checked


def test_every_pure_module_is_checked_for_io() -> None:
    """Each layer that the design calls pure stands in the contract that forbids I/O, once it is there."""
    contract = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "pure")
    pure = {"dkim", "errors", "footer", "keyed", "ledger", "message", "reason", "ruleset", "smtp", "token"}
    there = {path.relative_to(ROOT / "gateway").parts[0].removesuffix(".py") for path in modules()}
    assert set(contract["source_modules"]) == {f"gateway.{name}" for name in pure & there}


# --- what is shipped ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as `make wheel` builds it, opened."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = folder.iterdir()
    return zipfile.ZipFile(path)


def files_below(folder: str) -> set[str]:
    """Files of the project below a folder, relative to it, without what Python and editors leave behind."""
    base = ROOT / folder
    found = {path.relative_to(base) for path in base.rglob("*") if path.is_file()}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def test_wheel_carries_rules_and_footers(wheel: zipfile.ZipFile) -> None:
    """An installation without a `rules/` folder has the shipped packs and footers, byte for byte."""
    packed = {name: wheel.read(name) for name in wheel.namelist() if name.startswith("gateway/packs/")}
    assert packed == {
        f"gateway/packs/{name}": (ROOT / "rules" / name).read_bytes() for name in files_below("rules")
    }
    assert "gateway/packs/footers/default-ja.txt" in packed


def test_wheel_carries_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every file of the package is in (migrations too); tests, benchmarks and scripts are not."""
    beside = (".dist-info/", "/packs/", "/units/")
    names = {name for name in wheel.namelist() if not any(part in name for part in beside)}
    assert names == {f"gateway/{name}" for name in files_below("gateway")}


def test_wheel_carries_units(wheel: zipfile.ZipFile) -> None:
    """`careerrelay init` has systemd's units to write, also where there are no sources."""
    packed = {name for name in wheel.namelist() if name.startswith("gateway/units/")}
    assert packed == {f"gateway/units/{name}" for name in files_below("systemd")}


def test_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    """The wheel makes the command `careerrelay`."""
    (entry,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "careerrelay = gateway.cli.main:main" in wheel.read(entry).decode()


def test_systemd_waits_longer_than_the_drain(config: Config) -> None:
    """The service's stop timeout leaves the drain its time and some (SMTP.md rule 27)."""
    seconds = re.search(r"^TimeoutStopSec=(\d+)$", text("systemd/careerrelay.service"), re.MULTILINE)
    assert seconds
    assert int(seconds[1]) >= config.gateway.drain_seconds + 15


@pytest.mark.peer("systemd")
def test_unit_is_valid(tmp_path: Path) -> None:
    """What systemd itself says about the service: nothing, given that its program is there."""
    unit = tmp_path / "careerrelay.service"
    unit.write_text(
        text("systemd/careerrelay.service").replace("/opt/careerrelay/bin/careerrelay", "/bin/true")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
