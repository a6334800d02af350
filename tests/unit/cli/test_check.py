"""``careerrelay check``, and the group of commands that it is in."""

import json
import subprocess
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from gateway.cli.lazy import Entry, LazyGroup
from gateway.cli.main import COMMANDS, main
from gateway.config import load_config, load_keys, shipped_packs
from gateway.errors import ConfigError, LedgerFault, Problem
from gateway.store.migrate import prepare
from tests.configs import SMALL

CONFIG = SMALL.replace("[rules]\n", '[rules]\ndirectory = "rules"\n')

RULE = """
pack = "own"

[terms.refusal]
words = ["不採用"]
core = true

[[signal]]
id = "refused"
strength = "strong"
terms = ["refusal"]

[[rule]]
id = "own-rejection"
footer = "brand"
campaign = "own"
[rule.scope]
senders = "config"
"""


@pytest.fixture(autouse=True)
def _spool_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the default spool folder of the machine under test lies is not what these tests are about."""
    monkeypatch.setattr("gateway.config.load.warn_of_files", lambda config, file: [])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good config with rules and a footer of its own."""
    footers = tmp_path / "rules" / "footers"
    footers.mkdir(parents=True)
    for shipped in (shipped_packs() / "footers").glob("default-ja.*"):
        (footers / f"brand{shipped.suffix}").write_bytes(shipped.read_bytes())
    (tmp_path / "rules" / "own.toml").write_text(RULE, "utf-8")
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, "utf-8")
    return path


def check(path: Path, *options: str) -> Result:
    """Runs ``careerrelay check``."""
    return CliRunner().invoke(main, ["check", "--config", str(path), *options])


def answer(path: Path) -> dict[str, Any]:
    """What ``careerrelay check --json`` says."""
    found = json.loads(check(path, "--json").stdout)
    assert isinstance(found, dict)
    return found


def test_good(config: Path) -> None:
    """A good config: exit 0, one line, nothing on standard error, and nothing made on disk."""
    before = sorted(config.parent.rglob("*"))
    result = check(config)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{config}: good (1 rules, ")
    assert sorted(config.parent.rglob("*")) == before


def test_good_as_json(config: Path) -> None:
    """The same for programs."""
    found = answer(config)
    assert (found["ok"], found["problems"], found["warnings"]) == (True, [], [])
    assert found["rules"] == str(config.parent / "rules")
    assert found["rule_count"] == 1


def test_everything_at_once(config: Path) -> None:
    """Errors in config, rules and footers are told in one go, each with file, key and remedy; exit 1."""
    config.write_text(CONFIG.replace("port = 2525", "prot = 2525"), "utf-8")
    rules = config.parent / "rules"
    (rules / "own.toml").write_text(RULE.replace('"strong"', '"huge"').replace('"brand"', '"none"'), "utf-8")
    (rules / "footers" / "brand.txt").write_text("{{ link")
    result = check(config)
    assert result.exit_code == 1
    assert f'error: {config}:6: listen[0].prot: there is no such key -> did you mean "port"?' in result.stderr
    assert f"error: {rules}/own.toml" in result.stderr
    assert f"error: {rules}/footers/brand.txt" in result.stderr
    problems = answer(config)["problems"]
    assert {Path(problem["file"]).name for problem in problems} == {"config.toml", "own.toml", "brand.txt"}
    assert all(problem["message"] and problem["remedy"] for problem in problems)


def test_footer_that_a_rule_names_is_missing(config: Path) -> None:
    """A rule whose footer is not there is an error of the rule file."""
    (config.parent / "rules" / "own.toml").write_text(RULE.replace('"brand"', '"brnad"'), "utf-8")
    (problem,) = answer(config)["problems"]
    assert (problem["file"], problem["key"]) == (str(config.parent / "rules" / "own.toml"), "rule[0].footer")


def test_mode_for_a_rule_that_is_not_there(config: Path) -> None:
    """A typing mistake in [rules.mode] would leave a rule as it is in silence: it is told."""
    config.write_text(CONFIG + '[rules.mode]\nown-rejektion = "inject"\n', "utf-8")
    assert check(config).exit_code == 1


def test_config_that_is_no_toml(config: Path) -> None:
    """With no folder known the rules cannot be checked, and that is said."""
    config.write_text("[gateway\n", "utf-8")
    found = answer(config)
    assert [problem["line"] for problem in found["problems"]] == [1]
    assert len(found["warnings"]) == 1


def test_no_config(tmp_path: Path) -> None:
    """A file that is not there is an error in words, not a traceback."""
    result = check(tmp_path / "none.toml")
    assert result.exit_code == 1
    assert "there is no such file" in result.stderr


def test_missing_folder_of_rules(config: Path) -> None:
    """A folder that is not there is an error of the config."""
    config.write_text(CONFIG.replace('"rules"', '"ruels"'), "utf-8")
    (problem,) = answer(config)["problems"]
    assert (problem["key"], problem["message"]) == ("rules.directory", "there is no such folder")


def test_leftovers_are_warnings(config: Path) -> None:
    """A backup beside a rule file is told, and no error."""
    (config.parent / "rules" / "own.toml~").write_text("x")
    result = check(config)
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: ")


def test_key_of_the_ledger(config: Path) -> None:
    """The key that the ledger was begun with is good; another, or none any more, is told."""
    keys = load_keys(config.parent / "careerrelay.key", create=True)
    prepare(load_config(config).ledger.url, key_id=keys.id)
    assert answer(config)["key_id"] == keys.id
    assert check(config).exit_code == 0
    (config.parent / "careerrelay.key").unlink()
    (gone,) = answer(config)["problems"]
    other = load_keys(config.parent / "careerrelay.key", create=True)
    (differs,) = answer(config)["problems"]
    assert gone["key"] == differs["key"] == "gateway.key_file"
    assert "does not exist" in gone["message"]
    assert other.id in differs["message"]


def test_key_open_to_others(config: Path) -> None:
    """A key that others may read is an error."""
    load_keys(config.parent / "careerrelay.key", create=True)
    (config.parent / "careerrelay.key").chmod(0o644)
    assert [problem["key"] for problem in answer(config)["problems"]] == ["gateway.key_file"]


def test_ledger_out_of_reach_is_a_warning(config: Path) -> None:
    """A database that cannot be read now is no mistake in a file: mail would flow."""
    (config.parent / "ledger.db").write_bytes(b"this is no database" * 100)
    found = answer(config)
    assert (found["ok"], [warning["key"] for warning in found["warnings"]]) == (True, ["ledger.url"])


def test_example_passes() -> None:
    """config.example.toml passes the check, with the shipped packs."""
    result = check(Path(__file__).parents[3] / "config.example.toml")
    assert (result.exit_code, result.stderr) == (0, "")


# --- the group of commands ---


def test_help_teaches() -> None:
    """--help names every command that is there with what it is for, and the way to start."""
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert COMMANDS["check"].summary in result.stdout
    assert "careerrelay check --config FILE" in " ".join(result.stdout.split())


def test_version() -> None:
    """--version names the program and its version."""
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("careerrelay ")


def test_nothing_is_imported_for_help() -> None:
    """`careerrelay --help` starts at once: neither libraries nor parts of the gateway are loaded for it."""
    program = (
        "import sys; from gateway.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'pydantic', 'sqlalchemy', 'jinja2', 'bs4', 're2', 'aiosmtpd'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_of_the_table(name: str) -> None:
    """Each command of the table can be loaded and explains itself, or says that this version lacks it."""
    result = CliRunner().invoke(main, [name, "--help"])
    if name in main.commands:
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: main {name}")
    else:
        assert result.exit_code == 2
        assert "is not part of this version" in result.stderr


def group(command: click.Command) -> LazyGroup:
    """A lazy group with one command, which a module of this test stands for."""
    module = types.ModuleType("tests_of_check_command")
    module.__spec__ = ModuleSpec(module.__name__, None)
    module.command = command  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return LazyGroup("careerrelay", entries={"run": Entry(module.__name__, "command", "Runs.")})


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LedgerFault("the disk is full"), "careerrelay: the disk is full\n"),
        (
            ConfigError([Problem(file=name, key="k", message="m", remedy="r") for name in "ab"]),
            "a: k: m -> r\nb: k: m -> r\n",
        ),
    ],
)
def test_errors_of_commands(error: Exception, told: str) -> None:
    """An error of ours ends any command in its own words and with exit 1, not with a traceback."""

    @click.command()
    def run() -> None:
        raise error

    result = CliRunner().invoke(group(run), ["run"], prog_name="careerrelay")
    assert (result.exit_code, result.stderr) == (1, told)


def test_faults_of_the_program_are_not_hidden() -> None:
    """What is no error of ours keeps its traceback."""

    @click.command()
    def run() -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(group(run), ["run"]).exception, ZeroDivisionError)


def test_the_candidate_set_and_the_footer_that_is_asked_for(config: Path, tmp_path: Path) -> None:
    """A candidate set with a mistake is a warning, for nothing stops; a missing footer is a mistake."""
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "bad.toml").write_text("nonsense = 1\n")
    text = config.read_text("utf-8").replace('directory = "rules"', 'directory = "rules"\nshadow = "next"')
    config.write_text(text, "utf-8")
    result = check(config)
    assert result.exit_code == 0, result.output
    assert "bad.toml" in result.stderr
    config.write_text(text + '[force]\nfooter = "nowhere"\n', "utf-8")
    result = check(config)
    assert result.exit_code == 1
    assert "force.footer: there is no footer 'nowhere'" in result.stderr
