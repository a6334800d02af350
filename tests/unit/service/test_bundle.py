from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from gateway.config import embedded_config, load_keys, read_rule_files
from gateway.errors import ConfigError
from gateway.keyed import keyed_hash
from gateway.service.bundle import Bundle, address_shower, build_policy, observing, read_bundle
from gateway.service.terms import SENDERS

CONFIG = """
[gateway]
hostname = "gw.example.co.jp"
own_domains = ["example.co.jp", "*.example.org"]
exclude = ["*@agency.example"]
exclude_file = "more.txt"
[[listen]]
port = 2525
networks = ["127.0.0.0/8"]
[next_hop]
hosts = ["mx.example.net:25"]
tls = "required"
user = "gateway"
password_file = "secret"
[[route]]
name = "other"
hosts = ["other.example.net:25"]
sender_domains = ["example.org"]
[rules]
senders = ["*@example.co.jp"]
[link]
url = "https://careerrelay.example/r/{token}"
opt_out = "https://careerrelay.example/o/{token}"
[ledger]
url = "sqlite:///ledger.db"
"""


def folder_with(folder: Path, text: str = CONFIG) -> Path:
    """A config with all the files that it names but the key."""
    (folder / "more.txt").write_text("archive@example.net  # journal\n\n*.ats.example\n")
    secret = folder / "secret"
    secret.write_text("geheim\n")
    secret.chmod(0o600)
    path = folder / "config.toml"
    path.write_text(text)
    return path


def made(folder: Path, **changes: object) -> Bundle:
    """The embedded defaults, with these sections changed."""
    config = embedded_config(folder, changes)
    return Bundle(config=config, keys=load_keys(folder / "key", create=True), files=read_rule_files(config))


def test_everything_is_read(tmp_path: Path) -> None:
    """Config, key (made at the first start, then the same), rules, exclusions, passwords by route."""
    path = folder_with(tmp_path)
    bundle = read_bundle(path)
    assert bundle.config.gateway.hostname == "gw.example.co.jp"
    assert (tmp_path / "careerrelay.key").stat().st_mode & 0o777 == 0o600
    assert read_bundle(path).keys == bundle.keys
    assert bundle.excluded.recipients == ("*@agency.example", "archive@example.net", "*.ats.example")
    assert bundle.passwords == {"default": "geheim"}
    assert bundle.files.rules.keys() >= {"ja-rejection.toml", "en-rejection.toml"}
    assert "geheim" not in repr(bundle)


def test_passwords_are_read_each_time(tmp_path: Path) -> None:
    """What stands in the file now is what holds now."""
    path = folder_with(tmp_path)
    read_bundle(path)
    (tmp_path / "secret").write_text("neu\n")
    assert read_bundle(path).passwords == {"default": "neu"}


def test_problems_of_config_and_its_files_come_at_once(tmp_path: Path) -> None:
    """Promise 9: a wrong value, a missing file and an open secret are one refusal; no key is made."""
    path = folder_with(tmp_path, CONFIG.replace('"gw.example.co.jp"', '"gw example"'))
    (tmp_path / "more.txt").unlink()
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        read_bundle(path)
    assert sorted(problem.key for problem in caught.value.problems) == [
        "gateway.exclude_file",
        "gateway.hostname",
        "next_hop.password_file",
    ]
    assert not (tmp_path / "careerrelay.key").exists()


def test_problems_of_rules_and_footers_come_at_once(tmp_path: Path) -> None:
    """Both are read to the end, and each problem names the file on disk."""
    rules = tmp_path / "rules"
    (rules / "footers").mkdir(parents=True)
    (rules / "bad.toml").write_text("= 1\n")
    (rules / "footers" / "bad.txt").write_text("no link here\n")
    bundle = made(tmp_path, rules={"directory": str(rules)})
    with pytest.raises(ConfigError) as caught:
        build_policy(bundle)
    files = {problem.file for problem in caught.value.problems}
    assert files >= {str(rules / "bad.toml"), str(rules / "footers" / "bad.txt")}


def test_who_is_a_candidate(tmp_path: Path) -> None:
    """Own domains, whole and by wildcard, whatever their case; the exclude list, from config and file."""
    policy = build_policy(read_bundle(folder_with(tmp_path)))
    own = {"a@example.co.jp", "a@EXAMPLE.CO.JP", "a@x.example.org"}
    strangers = {"a@example.org", "a@notexample.co.jp", "a@example.co.jp.evil.example", "a@example.com"}
    assert {address for address in own | strangers if policy.is_own(address)} == own
    is_excluded = policy.is_excluded
    assert is_excluded is not None
    excluded = {"x@agency.example", "archive@example.net"}
    assert {address for address in excluded | {"other@example.net"} if is_excluded(address)} == excluded


def test_nobody_is_excluded_by_default(tmp_path: Path) -> None:
    """Without a list everybody outside is a candidate."""
    assert build_policy(made(tmp_path)).is_excluded is None


def test_terms_are_remembered_by_sender(tmp_path: Path) -> None:
    """What a policy says of a sender again is what its config says, also when it has heard of many others."""
    companies = [{"id": "one"}, {"id": "two", "campaigns": ["ja"], "sender_domains": ["two.example"]}]
    bundle = made(tmp_path, company=companies)
    policy = build_policy(bundle)
    senders = [f"{n}@{domain}" for n in range(SENDERS) for domain in ("two.example", "TWO.example", "x.test")]
    for _ in range(2):
        asked = [(campaign, sender) for sender in ["", *senders] for campaign in ("", "ja")]
        found = [policy.terms(*one) for one in asked]
        assert [one.company for one in found] == [bundle.config.company_of(*one).id for one in asked]
    assert policy.terms("ja", senders[0]) is policy.terms("ja", senders[0])


def test_terms_have_the_hashes_of_a_partners_keys(tmp_path: Path) -> None:
    """Of the normalised address, under each live matching key of that partner; none where it has no key."""
    partners = [{"id": "a"}, {"id": "b"}]
    companies = [{"id": "one", "partner": "a"}, {"id": "two", "partner": "b", "campaigns": ["ja"]}]
    keys = {"a": (("k1", b"1" * 32), ("k2", b"2" * 32))}
    policy = build_policy(replace(made(tmp_path, company=companies, partner=partners), matching_keys=keys))
    hashes = policy.terms("", "").hashes
    assert hashes is not None
    expected = tuple((name, keyed_hash(key, b"taro@example.com")) for name, key in keys["a"])
    assert hashes("Taro@example.com") == expected
    assert policy.terms("ja", "").hashes is None


def test_same_content_same_policy(tmp_path: Path) -> None:
    """What the parent could build every worker can, and comes to the same rules."""
    bundle = made(tmp_path)
    assert build_policy(bundle, examples=True).ruleset.id == build_policy(bundle).ruleset.id


@pytest.mark.parametrize(("mode", "then"), [("inject", "observe"), ("observe", "observe"), ("off", "off")])
def test_the_brake_never_switches_on(tmp_path: Path, mode: str, then: Literal["observe", "off"]) -> None:
    """Rule 15: with the brake on nothing is added, and what is off stays off."""
    policy = build_policy(made(tmp_path, gateway={"mode": mode}))
    assert observing(policy) == replace(policy, mode=then)


def test_addresses_in_the_log(tmp_path: Path) -> None:
    """Hashed by default: the same person is known again, nobody can be read; plain by choice."""
    bundle = made(tmp_path)
    shown = address_shower(bundle.config, bundle.keys)
    hashed = shown("Taro@Example.com")
    assert hashed == shown("taro@example.com")
    assert hashed.startswith("h:")
    assert "taro" not in hashed
    assert hashed != shown("jiro@example.com")
    assert shown("") == ""
    assert shown("\udc80@example.com").startswith("h:")
    other = load_keys(tmp_path / "other", create=True)
    assert hashed != address_shower(bundle.config, other)("taro@example.com")
    plain = made(tmp_path, log={"addresses": "plain"})
    assert address_shower(plain.config, plain.keys)("Taro@Example.com") == "Taro@Example.com"
