"""How a text reads as a whole: the likelihood by its own arithmetic, and what statements make of it."""

import math
import string
from itertools import accumulate, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reason import Reason
from gateway.ruleset.examples import written_mail
from gateway.ruleset.kept import judge_again, keep
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Ruleset
from gateway.ruleset.wording import FEWEST, LONGEST, Language, Wording
from tests.unit.ruleset.test_load import problems

#: As many different words as an opinion needs.
LEAST = FEWEST["en"]
WORDS = [first + second for first in string.ascii_lowercase for second in "aeiou"][:LEAST]
TEXT = " ".join(WORDS)
KANA = "".join(map(chr, range(0x3041, 0x3041 + FEWEST["ja"])))


def english(**weights: float) -> Wording:
    """A wording that knows all `WORDS`, by nothing but these weights."""
    return Wording(language="en", bias=0.5, weights={**dict.fromkeys(WORDS, 0.0), **weights})


def test_bias_and_mean_of_the_weights_make_the_likelihood() -> None:
    """The logit is the bias and the sum of weights over the root of how many runs were found."""
    logit = 0.5 + (3 - 1) / math.sqrt(LEAST)
    likely = english(aa=3.0, ae=-1.0).likelihood("", TEXT)
    assert likely == pytest.approx(1 / (1 + math.exp(-logit)))


def test_a_run_counts_once_and_as_a_whole_word() -> None:
    """Neither more often for being repeated, nor inside a longer word; several words make one run."""
    wording = english(aa=3.0)
    assert wording.likelihood("", f"{TEXT} aa aa aa") == wording.likelihood("", TEXT)
    assert wording.likelihood("", f"{TEXT} aae") == wording.likelihood("", TEXT)
    pair = english(**{"ba be": 2.0})
    assert pair.likelihood("", TEXT) == pair.likelihood("", TEXT.replace("ba be", "ba,\n  be"))
    assert pair.likelihood("", TEXT) != pair.likelihood("", TEXT.replace("ba be", "be ba"))


def test_japanese_runs_are_of_characters_over_line_ends() -> None:
    """White space, and so where a mailer wrapped a line, is of no importance."""
    wording = Wording(language="ja", bias=0.0, weights={**dict.fromkeys(KANA, 0.0), KANA[3:6]: 4.0})
    whole = wording.likelihood("", KANA)
    assert whole is not None
    assert whole > 0.5
    assert wording.likelihood("", f"{KANA[:4]}\n　{KANA[4:]}") == whole


def test_the_subject_is_read_too_but_apart() -> None:
    """No run goes from the end of the subject into the text."""
    wording = english(**{"zz ba": 5.0})
    assert wording.likelihood("zz", f"ba {TEXT}") == wording.likelihood("", TEXT)
    assert wording.likelihood("zz ba", TEXT) != wording.likelihood("", TEXT)


def test_no_opinion_on_little_text_or_another_language() -> None:
    """Two known words say nothing, nor does a language that the wording has not learnt."""
    assert english().likelihood("", " ".join(WORDS[1:])) is None
    assert english().likelihood("", f"{TEXT} どうぞよろしくお願いいたします") is None


def test_only_the_letter_is_read() -> None:
    """What hangs below a long text changes nothing, and costs nothing."""
    wording = english(zz=9.0)
    text = TEXT + " x" * (LONGEST // 2)
    assert wording.likelihood("", f"{text} zz") == wording.likelihood("", text)


LINES = {
    "en": st.lists(st.text("ab '.5é\u3000", max_size=12), max_size=8),
    "ja": st.lists(st.text("あいう。 \u3000\ud800", max_size=12), max_size=8),
}
RUNS = {
    "en": [" ".join(run) for size in (1, 2, 3) for run in product(("a", "b", "ab", "'"), repeat=size)]
    + ["a ; b"],
    "ja": ["".join(run) for size in (1, 2, 3) for run in product("あいう。", repeat=size)] + ["あ|い"],
}


@pytest.mark.parametrize("language", ["en", "ja"])
@given(data=st.data())
def test_what_stands_apart_from_lines_and_around_them_is_all(data: st.DataObject, language: Language) -> None:
    """Together they are the runs of subject and text, whichever lines are told apart."""
    wording = Wording(language=language, bias=0.0, weights=dict.fromkeys(RUNS[language], 1.0))
    lines = [
        *data.draw(LINES[language]),
        "filler" * data.draw(st.integers(0, 30)),
        *data.draw(LINES[language]),
    ]
    subject = data.draw(st.sampled_from(["", "a b", "あい う"]))
    text = "\n".join(lines)
    starts = list(accumulate([len(line) + 1 for line in lines], initial=0))
    chosen = sorted(data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=3)))
    places = [(starts[at], starts[at + 1]) for at in chosen]
    around = wording.around(subject, text, places)
    everything = wording.read(subject, text)
    assert wording.apart(subject, text, places) <= everything
    if around is not None:
        assert wording.apart(subject, text, places) | around == everything


@pytest.mark.parametrize(("language", "word"), [("en", "a"), ("ja", "あ")])
def test_too_much_white_space_around_a_line(language: Language, word: str) -> None:
    """Then a run over the line's edge could begin further away than is looked."""
    wording = Wording(language=language, bias=0.0, weights=dict.fromkeys(RUNS[language], 1.0))
    for text, known in (
        (f"{word}{{}}\n{word}\n{{}}{word}", False),
        (f"{{}}\n{word}\n{{}}", False),
        ("{}", True),
    ):
        wide = text.format(" " * 300, " " * 300) if not known else word
        at = wide.index(word, 1) if not known else 0
        assert (wording.around("", wide, [(at, at + 1)]) is not None) is known


def test_what_tells_most_comes_first() -> None:
    """Whichever way it points."""
    assert english(be=-4.0, ba=3.0).telling("", TEXT, 2) == ("be", "ba")


RULES = f"""
pack = "own"
[wording.letter]
language = "en"
weights = {{ {", ".join(f'"{word}" = 0.0' for word in WORDS)}, yes = 14.0, no = -14.0, certainly = 45.0 }}
[terms.job]
words = ["job"]
core = true
[terms.refused]
words = ["refused"]
core = true
[terms.welcome]
words = ["welcome"]
[terms.tuesday]
words = ["tuesday"]
[[signal]]
id = "refused"
strength = "strong"
terms = ["refused"]
[[signal]]
id = "reads-like-one"
strength = "strong"
wording = "letter"
at_least = 0.9
[[signal]]
id = "reads-plainly-like-one"
strength = "strong"
over_vetoes = ["schedule"]
wording = "letter"
at_least = 0.999
[[objection]]
id = "reads-like-other"
wording = "letter"
at_most = 0.3
[[veto]]
id = "good-news"
terms = ["welcome"]
[[veto]]
id = "schedule"
terms = ["tuesday"]
[[rule]]
id = "r"
action = "inject"
scope.senders = "any"
"""


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    """Rules with a wording."""
    return load_rules({"own.toml": RULES.encode()})


@pytest.mark.parametrize(
    ("text", "matched", "reason"),
    [
        ("job yes", True, Reason.INJECTED),
        ("job", False, Reason.NO_MATCH),
        ("yes", False, Reason.NO_MATCH),  # no core word: nobody looks
        ("refused", True, Reason.INJECTED),
        ("refused no", False, Reason.NO_MATCH),
        ("job yes welcome", False, Reason.VETO),
        ("job yes tuesday", False, Reason.VETO),
        ("job certainly tuesday", True, Reason.INJECTED),
        ("job certainly welcome", False, Reason.VETO),
    ],
)
def test_statements_on_a_wording(ruleset: Ruleset, text: str, *, matched: bool, reason: Reason) -> None:
    """A letter that reads like one matches by that; one that reads like another doesn't by its words."""
    verdict = ruleset.judge(written_mail(f"{TEXT} {text}"))
    assert (verdict.matched, verdict.reason) == (matched, reason)


def test_a_short_text_is_judged_by_its_words(ruleset: Ruleset) -> None:
    """There the wording has no opinion, and its statements don't hold."""
    assert ruleset.judge(written_mail("refused no")).matched


def test_what_a_wording_said_is_kept(ruleset: Ruleset) -> None:
    """Judging again needs no text, though it depended on all of it."""
    for text, matched in (("job yes", True), ("refused no", False)):
        again = judge_again(ruleset, keep(ruleset.judge(written_mail(f"{TEXT} {text}"))))
        assert again.matched is matched


WORDING = 'pack = "own"\n[wording.letter]\nlanguage = "en"\nweights = { a = 1.0 }\n'


@pytest.mark.parametrize(
    ("statement", "key"),
    [
        ("", "terms"),
        ('wording = "letter"', "wording"),
        ('wording = "letter"\nat_least = 0.5\nat_most = 0.6', "wording"),
        ('wording = "letter"\nat_least = 0.5\nterms = ["job"]', "wording"),
        ('wording = "other"\nat_least = 0.5', "wording"),
        ('terms = ["job"]\nat_least = 0.5', "at_least"),
        ('terms = ["job"]\nover_vetoes = ["none"]', "over_vetoes"),
    ],
)
def test_half_a_statement_is_refused(statement: str, key: str) -> None:
    """With its key, and what to do."""
    text = (
        f'[terms.job]\nwords = ["job"]\ncore = true\n[[signal]]\nid = "s"\nstrength = "strong"\n{statement}\n'
    )
    found = problems(WORDING + text + '[[rule]]\nid = "r"\nscope.senders = "any"\n')
    assert (f"signal[0].{key}") in [problem.key for problem in found]
    assert all(problem.remedy for problem in found)


def test_a_name_is_given_once() -> None:
    """In a pack, whichever of its files."""
    assert "wording.letter" in [problem.key for problem in problems(WORDING, WORDING)]
