"""A candidate set runs beside the active one (`[rules] shadow`), and nothing but the log knows."""

import logging
from dataclasses import replace

import pytest

from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Ruleset
from gateway.service.journal import LogJournal
from tests.integration.harness import ORDINARY, gateway, rejection, without_trace
from tests.peers.client import send_mail
from tests.peers.scripted import ScriptedHop

RULES = """
[terms.word]
words = ["{word}"]
core = true
[[signal]]
id = "word"
strength = "strong"
terms = ["word"]
[[rule]]
id = "candidate"
action = "inject"
scope.senders = "any"
"""


def knowing(word: str) -> Ruleset:
    """A set that matches mails with this word."""
    return load_rules({"candidate.toml": RULES.format(word=word).encode()})


async def test_where_they_differ_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A match that the active set has not, and one that only it has; agreement is no line."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        relay.policy = replace(relay.policy, shadow=knowing("booked"))
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        assert without_trace(hop.taken[0].content) == ORDINARY
        found = relay.journal.mails[-1].shadow
        assert found is not None
        assert (found.active.matched, found.candidate.matched, found.candidate.rule) == (
            False,
            True,
            "candidate",
        )

        assert (await send_mail(relay.port, rejection()))[-1].code == 250
        found = relay.journal.mails[-1].shadow
        assert found is not None
        assert (found.active.matched, found.candidate.matched) == (True, False)
        assert hop.taken[-1].content.count(b"https://careerrelay.example/r/") == 1
        assert relay.journal.counts["shadow-differs"] == relay.journal.counts["shadow-judged"] == 2

        with caplog.at_level(logging.INFO, logger="careerrelay"):
            LogJournal(shown=str).mail(relay.journal.mails[-1])
        line = caplog.records[-1]
        assert line.getMessage() == "shadow differs"
        assert line.__dict__["fields"]["active"].startswith("matched ja-rejection ")
        assert line.__dict__["fields"]["candidate"] == "not - 0 no-match"

        relay.policy = replace(relay.policy, shadow=relay.policy.ruleset)
        assert (await send_mail(relay.port, rejection(2)))[-1].code == 250
        assert relay.journal.mails[-1].shadow is None


async def test_without_one_nothing_is_judged_twice() -> None:
    """No key, no cost; and a candidate set that fails costs no mail anything."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        assert relay.journal.counts["shadow-judged"] == 0
        relay.policy = replace(relay.policy, shadow=replace(knowing("booked"), book=None))  # type: ignore[arg-type]
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        assert any("candidate rules" in fault for fault in relay.journal.faults)
        assert len(hop.taken) == 2
