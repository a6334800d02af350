import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import HostPort, embedded_config, examine, load_config, parse_config, read_excluded
from gateway.errors import ConfigError, Problem
from tests.configs import SMALL


def write(folder: Path, text: str | bytes) -> Path:
    """A config file with this content."""
    path = folder / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems_of(folder: Path, changes: dict[str, Any]) -> dict[str, str]:
    """Key path -> message of every problem that the embedded config has with these changes."""
    with pytest.raises(ConfigError) as caught:
        embedded_config(folder, changes)
    assert all(problem.remedy for problem in caught.value.problems)
    return {problem.key: problem.message for problem in caught.value.problems}


def only_problem(path: Path) -> Problem:
    """The one problem that a config file has."""
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    return problem


def test_the_config_that_scripts_rely_on(tmp_path: Path) -> None:
    """Every key that other work relies on is accepted, and means what it says."""
    text = """
[gateway]
hostname = "gw.example.co.jp"
own_domains = ["example.co.jp"]     # recipients here are colleagues, not candidates
mode = "inject"                     # inject | observe | off
key_file = "careerrelay.key"        # made with mode 0600 at first start; the same file on all nodes
workers = 1                         # 0: one a core

[[listen]]
address = "127.0.0.1"
port = 2525
networks = ["127.0.0.0/8"]          # who may use it; nobody else

[next_hop]
hosts = ["127.0.0.1:2526"]          # tried in order
tls = "none"                        # none | opportunistic | required

[rules]
directory = "rules"
senders = ["*@example.co.jp"]       # whose mail the shipped packs may change
frequency_days = 90                 # as the brake below
[rules.mode]
"*" = "inject"                      # shipped packs say observe; switched on here, by pack, rule or "*"
[rules.brake]
max_share = 0.05
max_per_hour = 500
max_recipients_per_mail = 20

[link]
url = "https://careerrelay.example/r/{token}"
opt_out = "https://careerrelay.example/o/{token}"   # or a mailto:

[ledger]
url = "sqlite:////var/lib/careerrelay/ledger.db"   # four slashes: absolute
"""
    config = load_config(write(tmp_path, text))
    assert config.gateway.key_file == tmp_path / "careerrelay.key"
    assert config.rules.directory == tmp_path / "rules"
    assert config.rules.mode == {"*": "inject"}
    assert (config.rules.brake.max_share, config.rules.brake.max_per_hour) == (0.05, 500)
    assert config.next_hop.hosts == (HostPort("127.0.0.1", 2526),)
    assert config.ledger.url == "sqlite:////var/lib/careerrelay/ledger.db"


def test_short_config(tmp_path: Path) -> None:
    """The common case needs few keys; the rest has the defaults of the specification."""
    config = load_config(write(tmp_path, SMALL))
    times, hop = config.timeouts, config.next_hop
    assert (times.connect_seconds, times.envelope_seconds, times.data_seconds) == (30, 240, 100)
    assert (times.block_seconds, times.dot_seconds, times.copies_seconds) == (150, 570, 240)
    assert (hop.connections, hop.idle_seconds, hop.max_age_seconds, hop.max_mails) == (20, 5, 240, 100)
    assert (config.gateway.max_received, config.ledger.record_days, config.ledger.wait_seconds) == (50, 8, 2)
    assert config.gateway.gateway_refusals == ("530", "535", "538", "5.7.54", "5.7.64")
    assert config.ledger.fault == "relay"
    assert config.gateway.bare_newlines == "normalize"
    assert config.ledger.store_addresses is False


def test_brake_off(tmp_path: Path) -> None:
    """Zero is off for each of the brake's keys and for the frequency, as demo, bench and scripts write it."""
    off = {"frequency_days": 0, "brake": {"max_share": 0, "max_per_hour": 0, "max_recipients_per_mail": 0}}
    brake = embedded_config(tmp_path, {"rules": off}).rules.brake
    assert (brake.max_share, brake.max_per_hour, brake.max_recipients_per_mail) == (0, 0, 0)


def test_paths_count_from_the_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the folder of the process, and also when the file was named by a relative path."""
    folder = tmp_path / "etc"
    folder.mkdir()
    write(folder, SMALL)
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("etc/config.toml"))
    assert config.gateway.key_file == folder / "careerrelay.key"
    assert config.ledger.sqlite_file == folder / "ledger.db"


def test_config_is_data(tmp_path: Path) -> None:
    """It goes from the parent process to the workers, and nobody changes it on the way."""
    config = embedded_config(tmp_path)
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own
    with pytest.raises(ValidationError):
        config.gateway.mode = "off"  # type: ignore[misc]


def test_every_problem_at_once(tmp_path: Path) -> None:
    """Wrong, missing and unknown keys and what does not fit together are told in one go, with lines."""
    text = """\
stray = 1
[gateway]
hostname = "gw example"
own_domains = ["a@example.co.jp"]
worker = 2
workers = "two"
[[listen]]
port = 2525
networks = ["0.0.0.0/0"]
[[listen]]
port = 2525
[next_hop]
user = "gw"
[link]
url = "https://careerrelay.example/r/"
[timeouts]
dot_seconds = 600
[nothing]
"""
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    found = {(problem.line, problem.key) for problem in caught.value.problems}
    assert found == {
        (1, "stray"),
        (3, "gateway.hostname"),
        (4, "gateway.own_domains[0]"),
        (5, "gateway.worker"),
        (6, "gateway.workers"),
        (9, "listen[0].networks[0]"),
        (11, "listen[1].port"),
        (12, "next_hop.hosts"),
        (12, "next_hop.password_file"),
        (12, "next_hop.tls"),
        (14, "link.opt_out"),
        (15, "link.url"),
        (17, "timeouts.dot_seconds"),
        (18, "nothing"),
        (None, "ledger"),
    }
    assert all(problem.remedy and problem.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ("[gateway]\nworker = 1", "gateway.worker", 'did you mean "workers"?'),
        ("[gateway]\nbare-newlines = 1", "gateway.bare-newlines", 'did you mean "bare_newlines"?'),
        ("[nexthop]", "nexthop", 'did you mean "next_hop"?'),
        ("[gateway]\nfrequency_days = 1", "gateway.frequency_days", "it belongs into [rules]"),
        ("[gateway]\nnetworks = []", "gateway.networks", "it belongs into [[listen]]"),
        ("directory = 1", "directory", "it belongs into [rules]: write it below that line"),
        ("[log]\nzebra = 1", "log.zebra", "take it out, or write one of: format, level, addresses"),
        ("[webhooks]\nlisten = 1", "webhooks", None),
    ],
)
def test_unknown_key(text: str, key: str, remedy: str | None) -> None:
    """An unknown key is an error; the remedy is the key that was meant, or the section that it belongs to."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, file="c.toml", folder=Path("/"))
    (problem,) = (problem for problem in caught.value.problems if problem.key == key)
    assert problem.message == "there is no such key"
    assert remedy is None or problem.remedy == remedy


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("gateway", "workers", "1", "a whole number is wanted"),
        ("gateway", "workers", True, "a whole number is wanted"),
        ("gateway", "workers", 1.5, "a whole number is wanted"),
        ("gateway", "workers", -1, "it must be at least 0"),
        ("gateway", "workers", 257, "it must be at most 256"),
        ("gateway", "hostname", 1, "text is wanted"),
        ("gateway", "exclude", "a.example", "a list is wanted"),
        ("gateway", "mode", "on", '"on" is none of the words that it can be'),
        ("gateway", "gateway_refusals", ["250"], "'250' is no code of a refusal"),
        ("gateway", "node", "a b", "'a b' is no name"),
        ("ledger", "store_addresses", "no", "yes or no is wanted"),
        ("ledger", "wait_seconds", "2s", "a number is wanted"),
        ("ledger", "wait_seconds", 0, "it must be greater than 0"),
        ("ledger", "wait_seconds", float("nan"), "it must be a finite number"),
        ("rules", "mode", {"*": "on"}, '"on" is none of the words that it can be'),
        ("rules", "mode", "inject", "a section is wanted, not a value"),
        ("rules", "brake", 1, "a section is wanted, not a value"),
        ("company", "name", "a\nb", "'a\\nb' is not one line of at most 80 characters"),
        ("company", "name", "a\u202eb", "'a\\u202eb' is not one line of at most 80 characters"),
        ("next_hop", "hosts", [], "the list is empty"),
    ],
)
def test_wrong_value(tmp_path: Path, section: str, key: str, value: object, message: str) -> None:
    """Values are taken for what they are, never turned into something else; errors speak of TOML."""
    found = problems_of(tmp_path, {section: {key: value}})
    assert [text for path, text in found.items() if path.startswith(f"{section}.{key}")] == [message]
    assert len(found) == 1


def test_one_bracket_too_few() -> None:
    """[listen] for [[listen]] is a common mistake, and told as such."""
    with pytest.raises(ConfigError) as caught:
        parse_config(SMALL.replace("[[listen]]", "[listen]"), file="c", folder=Path("/"))
    (problem,) = caught.value.problems
    assert (problem.key, problem.remedy) == ("listen", "write [[listen]], with two brackets")


def test_not_toml(tmp_path: Path) -> None:
    """A syntax error has its line."""
    problem = only_problem(write(tmp_path, "[gateway]\nhostname = gw\n"))
    assert problem.line == 2
    assert problem.message.startswith("this is no TOML: ")


def test_not_toml_at_the_end(tmp_path: Path) -> None:
    """So has one that is only noticed at the end of the file."""
    assert only_problem(write(tmp_path, 'a = 1\nb = """')).line is not None


def test_section_twice(tmp_path: Path) -> None:
    """A section that stands twice is told with the two that may."""
    assert "[[listen]]" in only_problem(write(tmp_path, "[gateway]\n[gateway]\n")).remedy


def test_deeply_nested(tmp_path: Path) -> None:
    """Brackets without end are an error like any other."""
    assert only_problem(write(tmp_path, "a = " + "[" * 100_000)).remedy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# 設定\n".encode("cp932") + SMALL.encode(), "CP932"),
        (SMALL.encode("utf-16"), "UTF-16"),
        (b"\xff\xff\xff\xfd", "not UTF-8"),
        (b"a = 1\0", "NUL"),
        (b"#" * (1 << 20) + b"#", "more than 1,048,576 bytes"),
    ],
)
def test_not_utf8(tmp_path: Path, content: bytes, message: str) -> None:
    """A file in another encoding, or that is no config at all, is refused with the remedy."""
    problem = only_problem(write(tmp_path, content))
    assert message in problem.message
    assert problem.remedy


def test_byte_order_mark_and_line_ends_of_windows(tmp_path: Path) -> None:
    """Notepad's way of writing UTF-8 is fine."""
    load_config(write(tmp_path, b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode()))


def test_no_file(tmp_path: Path) -> None:
    """A missing file, or a folder in its place, is a problem and no traceback."""
    assert only_problem(tmp_path / "config.toml").message == "there is no such file"
    assert only_problem(tmp_path).message == "this is a folder or a device, not a file"


def test_exclude_file(tmp_path: Path) -> None:
    """Patterns from a list file stand beside those of the config."""
    (tmp_path / "exclude.txt").write_text("# 人材紹介会社\nAgency.example\n\n*@ats.example # ATS\n", "utf-8")
    gateway = {"exclude": ["a@b.example"], "exclude_file": "exclude.txt"}
    config = embedded_config(tmp_path, {"gateway": gateway})
    assert read_excluded(config).recipients == ("a@b.example", "agency.example", "*@ats.example")
    assert read_excluded(config).senders == ()
    (tmp_path / "exclude.txt").write_text("agency.example", "utf-8")
    assert read_excluded(config).recipients == ("a@b.example", "agency.example")  # as it is now


def test_bad_exclude_file(tmp_path: Path) -> None:
    """Each bad line of a list file is told with its number."""
    (tmp_path / "exclude.txt").write_text("agency.example\nnot this\n@\n")
    with pytest.raises(ConfigError) as caught:
        embedded_config(tmp_path, {"gateway": {"exclude_file": "exclude.txt"}})
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_missing_files(tmp_path: Path) -> None:
    """Files that the config names have to be there."""
    hop = {"tls": "required", "ca_file": "ca.pem", "user": "gw", "password_file": "password"}
    changes = {
        "gateway": {"exclude_file": "exclude.txt"},
        "next_hop": hop,
        "route": [{"name": "r", "sender_domains": ["a.example"], "hosts": ["b.example:25"], **hop}],
        "limits": {"spool_directory": "spool"},
    }
    assert problems_of(tmp_path, changes).keys() == {
        "gateway.exclude_file",
        "next_hop.ca_file",
        "next_hop.password_file",
        "route[0].ca_file",
        "route[0].password_file",
        "limits.spool_directory",
    }


def test_examine_goes_on_after_an_error(tmp_path: Path) -> None:
    """A config with errors still says where its rules are, so that these can be checked in the same go."""
    examined = examine(
        write(
            tmp_path,
            SMALL.replace("port = 2525", 'port = "x"').replace("[rules]", '[rules]\ndirectory = "r"'),
        )
    )
    assert [problem.key for problem in examined.problems] == ["listen[0].port"]
    assert examined.config is not None
    assert examined.config.rules.directory == tmp_path / "r"


def test_a_config_is_read_in_one_go(tmp_path: Path) -> None:
    """Sections that are missing get no reader of their own: sixteen of them made short commands slow."""
    file = write(tmp_path, SMALL)
    program = (
        "from pathlib import Path; from pydantic import BaseModel\n"
        "made, make = [], BaseModel.model_rebuild.__func__\n"
        "def noted(cls, **named): made.append(cls.__name__); return make(cls, **named)\n"
        "BaseModel.model_rebuild = classmethod(noted)\n"
        f"from gateway.config import load_config; load_config(Path({str(file)!r})); print(made)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['Config']\n"


def test_changes_are_laid_over_the_embedded_config(tmp_path: Path) -> None:
    """Tables merge; everything else, lists too, is replaced."""
    config = embedded_config(tmp_path, {"gateway": {"mode": "off"}, "listen": [{"port": 0}]})
    assert (config.gateway.mode, config.gateway.hostname) == ("off", "gw.example.co.jp")
    assert [(listen.port, listen.networks) for listen in config.listen] == [(0, ())]


def test_configs_in_the_documentation(tmp_path: Path) -> None:
    """The common config that docs/config.md shows is one."""
    text = (Path(__file__).parents[3] / "docs" / "config.md").read_text("utf-8")
    block = text.partition("```toml\n")[2].partition("```")[0]
    assert tomllib.loads(block)
    load_config(write(tmp_path, block))
