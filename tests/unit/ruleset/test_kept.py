"""What is kept of a mail: enough to judge it again, and nothing that anybody wrote."""

import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reason import Reason
from gateway.ruleset.evidence import Hit, Kind
from gateway.ruleset.kept import judge_again, keep, signals
from gateway.ruleset.load import load_rules
from gateway.ruleset.pages import MOST_HITS
from gateway.ruleset.ruleset import MailView, Ruleset, Verdict
from gateway.ruleset.snippet import snippets

RULES = """
pack = "own"

[terms.regret]
words = ["we regret"]
core = true
[terms.decline]
words = ["cannot offer"]
[terms.thanks]
words = ["thank you"]
[terms.mistake]
words = ["sent in error"]
[terms.role]
words = ["another role"]
[terms.congratulation]
words = ["congratulations"]

[[signal]]
id = "refusal"
terms = ["regret", "decline"]
strength = "strong"
[[signal]]
id = "thanks"
terms = ["thanks"]
strength = "weak"
[[veto]]
id = "good-news"
terms = ["congratulation"]
[[leave]]
id = "error"
terms = ["mistake"]
reason = "sensitive"
[[leave]]
id = "other-role"
terms = ["role"]
reason = "own-alternative"

[[rule]]
id = "r"
threshold = THRESHOLD
action = "inject"
scope.senders = "any"
"""


@dataclass(frozen=True)
class Prose:
    """A text."""

    text: str


@dataclass(frozen=True)
class Body:
    """A body without a quote."""

    new: Prose
    quoted: Prose = Prose("")


@dataclass(frozen=True)
class Text:
    """A mail's text."""

    plain: Body | None
    html: Body | None = None
    subject: Prose = Prose("")
    more: tuple[Body, ...] = ()
    letter: None = None


def ruleset(threshold: str = "1.0", *, less: str = "") -> Ruleset:
    """The rules with that threshold, without the statement of that id."""
    text = RULES.replace("THRESHOLD", threshold)
    if less:
        before, _, after = text.partition(f'[[veto]]\nid = "{less}"')
        text = before + after.partition("\n[[")[2].join(["[[", ""])
    return load_rules({"own.toml": text.encode()})


def judge(written: str) -> tuple[Verdict, Text]:
    """What the rules say of a plain text."""
    mail = Text(plain=Body(new=Prose(written)))
    view = MailView(
        text=mail, sender="hr@x.example", recipients=("a@b.example",), candidates=("a@b.example",)
    )
    return ruleset().judge(view), mail


REFUSAL = "dear taro yamada, we regret that we cannot offer you a post at 1-2-3 ginza. thank you."


def test_judged_again_by_the_same_rules() -> None:
    """The same verdict and score, from names and places alone; no word of the mail is kept."""
    verdict, _ = judge(REFUSAL)
    assert verdict.matched
    kept = keep(verdict)
    assert signals(kept) == ("own/refusal", "own/thanks")
    assert not any(word in kept for word in ("taro", "regret", "ginza"))
    again = judge_again(ruleset(), kept)
    assert (again.matched, again.rule, again.score) == (True, "r", verdict.score)


def test_judged_again_by_other_rules() -> None:
    """A threshold, and a veto that is gone, show; a statement that the other set lacks does not hold."""
    refusal = keep(judge(REFUSAL)[0])
    assert not judge_again(ruleset("5.0"), refusal).matched
    vetoed = judge(REFUSAL + " congratulations.")[0]
    assert not vetoed.matched
    assert not judge_again(ruleset(), keep(vetoed)).matched
    assert judge_again(ruleset(less="good-news"), keep(vetoed)).matched


def test_what_stands_in_mail_with_a_core_term_is_kept_without_a_strong_signal_too() -> None:
    """Nothing matches, and a set in which the signal is strong, kept for it, would: so it can be compared."""
    verdict, _ = judge("we regret the delay. thank you. congratulations.")
    assert (verdict.matched, verdict.evidence) == (False, ())
    assert signals(keep(verdict)) == ("own/thanks", "own/good-news")
    assert not judge_again(ruleset(), keep(verdict)).matched
    stronger = RULES.replace("THRESHOLD", "1.0").replace('strength = "weak"', 'strength = "strong"')
    other = load_rules(
        {"own.toml": stronger.replace('words = ["thank', 'core = true\nwords = ["thank').encode()}
    )
    assert judge_again(other, keep(judge("we regret the delay. thank you.")[0])).matched
    assert not judge_again(other, keep(verdict)).matched


def test_nothing_is_kept_of_ordinary_mail() -> None:
    """No core term or nothing that holds, no row."""
    for text in ("the room is booked.", "thank you.", "we regret the delay."):
        assert keep(judge(text)[0]) == ""
    assert judge_again(ruleset(), "") == replace(judge_again(ruleset(), "[]"))


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("our last mail was sent in error.", Reason.SENSITIVE),
        ("there is another role for you.", Reason.OWN_ALTERNATIVE),
    ],
)
def test_matched_and_left_alone(written: str, reason: Reason) -> None:
    """A refusal all the same: matched, nothing is done, and the reason says why."""
    verdict, _ = judge(f"{REFUSAL} {written}")
    assert (verdict.matched, verdict.action, verdict.reason) == (True, "none", reason)
    assert judge_again(ruleset(), keep(verdict)).leave is reason


def test_snippets_have_no_names_and_no_numbers() -> None:
    """Only the sentence that matched, and in it only the words of the rules."""
    verdict, mail = judge(REFUSAL)
    (shown,) = snippets(ruleset().book, mail, verdict)
    assert "we regret" in shown
    assert "cannot offer" in shown
    assert not any(word in shown for word in ("taro", "yamada", "ginza", "thank you"))
    assert not any(sign.isdigit() for sign in shown)


_HITS = st.lists(
    st.builds(
        Hit,
        st.sampled_from(Kind),
        st.text(st.sampled_from('ab"\\,\n語\udc80')),
        st.just(1.0),
        st.just(value=True),
        st.sampled_from(["plain", "text 1"]),
        st.integers(-1, 99),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.text(max_size=3),
    ),
    max_size=3,
)
_MANY = _HITS.map(lambda hits: hits * (MOST_HITS // 2))


@given(st.lists(st.dictionaries(st.integers(), st.one_of(_HITS, _MANY), max_size=3), max_size=3))
def test_what_is_kept_is_json(pages: list[dict[int, list[Hit]]]) -> None:
    """Written as an encoder writes it: the first hits of the mail, text by text, without what they say."""
    kept = keep(Verdict(matched=True, action="none", pages=tuple(pages)))
    told, left = [], MOST_HITS
    for page in pages:
        hits = [hit for made in page.values() for hit in made][:left]
        left -= len(hits)
        told.append([[hit.kind, hit.id, hit.where, hit.sentence, hit.start, hit.end] for hit in hits])
    assert kept == (json.dumps(told, separators=(",", ":")) if any(told) else "")
