"""A rule says where its footer goes, and the verdict carries it to the footer."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config import embedded_config, load_keys, read_rule_files
from gateway.errors import ConfigError
from gateway.ruleset.load import load_rules
from gateway.service.bundle import Bundle, build_policy
from gateway.smtp.address import Path as Address
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.smtp.parameters import Parameters
from gateway.transaction.decide import decide, read_mail
from tests.integration.harness import rejection

ENVELOPE = Envelope(
    Mail(Address(b"<hr@example.co.jp>", b"hr", b"example.co.jp"), Parameters()),
    (Rcpt(Address(b"<taro@example.com>", b"taro", b"example.com"), Parameters()),),
)


@pytest.mark.parametrize(("asked", "placement"), [("auto", "after-text"), ("end", "end"), ("top", "top")])
def test_the_footer_goes_where_the_rule_says(asked: str, placement: str, tmp_path: Path) -> None:
    """``placement`` of a rule file decides where the edit is made; ``auto`` is the default."""
    config = embedded_config(tmp_path)
    files = read_rule_files(config)
    if asked != "auto":
        line = f'\nplacement = "{asked}"\nfooter = '.encode()
        rules = {name: content.replace(b"\nfooter = ", line) for name, content in files.rules.items()}
        files = replace(files, rules=rules)
    keys = load_keys(config.gateway.key_file, create=True)
    policy = build_policy(Bundle(config=config, keys=keys, files=files))
    reading = read_mail(rejection(), complete=True, envelope=ENVELOPE, policy=policy)
    decision = decide(reading, ENVELOPE, policy)
    assert decision.footer is not None
    assert decision.footer.placement == placement


def test_another_place_is_an_error() -> None:
    """A placement that doesn't exist is refused with its key and what may stand there."""
    with pytest.raises(ConfigError) as caught:
        load_rules({"a.toml": b'[[rule]]\nid = "x"\nplacement = "bottom"\n'})
    assert any("placement" in problem.key for problem in caught.value.problems)
