"""Loading: every problem at once, each with its file, place and remedy; nothing half loaded."""

import itertools

import pytest

from gateway.errors import ConfigError, Problem
from gateway.reason import Reason
from gateway.ruleset.examples import written_mail
from gateway.ruleset.lint import dear_patterns
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Ruleset

GOOD = """
[terms.job]
core = true
words = ["job"]
[terms.no]
words = ["no"]
[[signal]]
id = "no-job"
strength = "strong"
terms = ["no", "job"]
[[rule]]
id = "refusal"
scope.senders = "any"
"""


def load(*texts: str, **settings: object) -> Ruleset:
    """Each text a file."""
    files = {f"{number}.toml": text.encode() for number, text in enumerate(texts)}
    return load_rules(files, **settings)  # type: ignore[arg-type]


def problems(*texts: str, **settings: object) -> tuple[Problem, ...]:
    """What loading these texts is refused for."""
    with pytest.raises(ConfigError) as caught:
        load(*texts, **settings)
    return caught.value.problems


def found(*texts: str, **settings: object) -> list[tuple[str, str]]:
    """File and key of every problem."""
    return [(problem.file, problem.key) for problem in problems(*texts, **settings)]


def test_a_good_file_loads_and_has_a_steady_id() -> None:
    """The same bytes and settings make the same id; other bytes another."""
    assert load(GOOD).id == load(GOOD).id
    assert load(GOOD).id != load(GOOD + "\n").id
    assert load(GOOD).id != load(GOOD, modes={"*": "inject"}).id


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[terms.x]\nwords = ["a"]\ncolour = "red"', "terms.x.colour"),
        ("[terms.x]\ncore = true", "terms.x"),
        ('[terms.x]\nwords = ["a{b"]', "terms.x.words"),
        ('[terms.x]\nwords = ["a}b"]', "terms.x.words"),
        ('[terms.x]\nwords = [" "]', "terms.x.words"),
        (
            '[terms.x]\nwords = ["{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"]',
            "terms.x.words",
        ),
        ('[terms.x]\npatterns = ["a.{0,9}b"]', "terms.x.patterns"),
        ('[terms.x]\npatterns = ["a.{30}b"]', "terms.x.patterns"),
        ('[terms.x]\npatterns = ["a(?=b)"]', "terms.x.patterns"),
        ('[terms.x]\npatterns = ["a*"]', "terms.x.patterns"),
        ('[terms.x]\npatterns = ["(((a|b){1,8}c){1,8}d){1,8}"]', "terms.x.patterns"),
        ('[terms.x]\ninclude = ["nowhere"]', "terms.x.include"),
        ('[terms.x]\ninclude = ["y"]\n[terms.y]\ninclude = ["x"]', "terms.x.include"),
        ('[[signal]]\nid = "s"\nstrength = "strong"\nterms = ["nowhere"]', "signal[0].terms"),
        ('[[signal]]\nid = "s"\nstrength = "loud"\nterms = ["job"]', "signal[0].strength"),
        ('[[signal]]\nid = "s"\nstrength = "strong"\nterms = ["no"]', "signal[0].terms"),
        ('[[signal]]\nid = "S S"\nstrength = "weak"\nterms = ["no"]', "signal[0].id"),
        ('[[veto]]\nid = "no-job"\nterms = ["job"]', "veto[0].id"),
        ('[[rule]]\nid = "refusal"\nscope.senders = "any"', "rule[0].id"),
        ('[[rule]]\nid = "r"\naction = "inject"', "rule[0].scope.senders"),
        ('[[rule]]\nid = "r"\naction = "inject"\nscope.senders = "config"', "rule[0].scope.senders"),
        ('[[rule]]\nid = "r"\nsignals = ["nothing-*"]', "rule[0].signals"),
        ('[[rule]]\nid = "r"\nscope.senders = ["a@*b.example"]', "rule[0].scope.senders"),
        ('[[rule]]\nid = "r"\nscope.senders = ["group:hr"]', "rule[0].scope.senders"),
        ('[[rule]]\nid = "r"\nfooter = "none-such"', "rule[0].footer"),
        ('[[rule]]\nid = "r"\naction = "inject"\nscope.senders = "any"', "rule[0].footer"),
        ('[[rule]]\nid = "r"\n[rule.scope.headers]\nx-test = "("', "rule[0].scope.headers.x-test"),
        ('[[example]]\ntext = "no job"\nmatched = false', "example[0]"),
        ('[[example]]\ntext = "a job"\nmatched = true', "example[0]"),
        ('[[example]]\ntext = "no job"\nmatched = true\nrule = "other"', "example[0]"),
        ('[[example]]\nfile = "none.eml"\nmatched = true', "example[0]"),
        ("[[example]]\nmatched = true", "example[0]"),
        ("= broken", ""),
    ],
)
def test_each_mistake_is_named_with_its_place(text: str, key: str) -> None:
    """A second file of the same pack with one mistake: the problem names that file and that key."""
    pack = 'pack = "test"\n'
    assert ("1.toml", key) in found(pack + GOOD, pack + text, footers={"default"})


def test_all_problems_come_at_once() -> None:
    """Two files, three mistakes of three kinds: three problems with a remedy each."""
    broken = '[terms.x]\nwords = ["{"]\n[[rule]]\nid = "r"\nsignals = ["x"]\naction = "inject"'
    listed = problems(broken, "nonsense = 1")
    assert {problem.key for problem in listed} >= {
        "terms.x.words",
        "rule[0].signals",
        "rule[0].scope.senders",
        "nonsense",
    }
    assert all(problem.remedy for problem in listed)


@pytest.mark.parametrize(
    "broken",
    [
        'pack = "test"\n[terms.job\nwords = ["job"]',
        'pack = "test"\n[terms.job]\nwords = "job"',
        "\ufeffpack = 'test'\nwords = [",
    ],
)
def test_what_a_broken_file_would_have_said_is_not_missing_from_the_others(broken: str) -> None:
    """One mistake is one problem: neither its terms nor what rests on them are listed as well."""
    other = 'pack = "test"\n' + GOOD[GOOD.index("[terms.no]") :]
    rest = """
        [terms.more]
        include = ["job"]
        [[signal]]
        id = "other"
        strength = "strong"
        terms = ["more", "test/job"]
        [[rule]]
        id = "named"
        signals = ["broken-*"]
        scope.senders = "any"
    """
    listed = problems(broken, other + rest, modes={"elsewhere": "off"})
    assert {problem.file for problem in listed} == {"0.toml"}


def test_a_broken_file_excuses_only_its_own_pack() -> None:
    """What another pack lacks is listed beside it."""
    mistaken = 'pack = "test"\n[terms.a]\ninclude = ["nowhere"]'
    assert found("= broken", mistaken) == [("0.toml", ""), ("1.toml", "terms.a.include")]


def test_no_rule_files_is_a_problem() -> None:
    """An empty folder is refused, it does not switch all rules off."""
    assert [problem.message for problem in problems()] == ["there are no rule files"]


def test_cp932_is_refused_with_the_remedy_and_a_bom_is_fine() -> None:
    """RULES.md, "Safety": files are UTF-8."""
    comment = "# 不採用\n"
    with pytest.raises(ConfigError) as caught:
        load_rules({"a.toml": (comment + GOOD).encode("cp932")})
    assert "Shift_JIS" in caught.value.problems[0].remedy
    assert load_rules({"a.toml": b"\xef\xbb\xbf" + (comment + GOOD).encode()}).rules[0].id == "refusal"


@pytest.mark.parametrize(
    "name", ["a.toml~", ".a.toml.swp", "a.toml.bak", "a のコピー.toml", "sub/a - コピー.toml"]
)
def test_leftovers_of_editors_are_skipped_with_a_warning(name: str) -> None:
    """Not read, so no duplicate ids, and said so."""
    ruleset = load_rules({"a.toml": GOOD.encode(), name: GOOD.encode()})
    assert [warning.file for warning in ruleset.warnings] == [name]


@pytest.mark.parametrize(
    ("modes", "action"),
    [
        ({}, "observe"),
        ({"*": "inject"}, "inject"),
        ({"*": "inject", "0": "off"}, "off"),
        ({"*": "inject", "0": "off", "refusal": "partial"}, "partial"),
    ],
)
def test_the_nearest_mode_stands(modes: dict[str, str], action: str) -> None:
    """Rule before pack before ``*`` before the file's own action."""
    assert load(GOOD, modes=modes).rules[0].action == action


def test_modes_that_name_nothing_are_problems() -> None:
    """A spelling mistake in [rules.mode] must not leave a rule as it was."""
    assert found(GOOD, modes={"refusals": "inject"}) == [("config", "rules.mode.refusals")]
    assert found(GOOD, modes={"*": "on"}) == [("config", "rules.mode.*")]


def test_terms_of_another_pack_are_named_with_it() -> None:
    """``pack/term``; without it the name counts in the own pack only."""
    other = '[[signal]]\nid = "s"\nstrength = "strong"\nterms = ["0/job"]\n[[rule]]\nid = "second"'
    assert [rule.id for rule in load(GOOD, other).rules] == ["refusal", "second"]
    assert found(GOOD, other.replace("0/job", "job")) == [
        ("1.toml", "signal[0].terms"),
        ("1.toml", "rule[0].signals"),
    ]


def test_examples_may_be_files_and_are_judged_for_any_sender() -> None:
    """A mail in its bytes beside the rule files; neither scope nor mode keeps an example from running."""
    text = GOOD.replace('"any"', '["*@hr.example"]') + '[[example]]\nfile = "a.eml"\nmatched = true\n'
    mail = b"Subject: x\r\n\r\nSorry, no job.\r\n"
    files = {"r.toml": text.encode(), "a.eml": mail}
    assert load_rules(files, modes={"*": "off"}).judge(written_mail("no job")).reason is Reason.NO_MATCH


def test_dear_patterns_are_measured_with_the_callers_clock() -> None:
    """The clock stands still for the plain pattern and jumps for the other: only that one is a problem."""
    ticks = itertools.chain([0.0] * 10, range(1000))
    files = {"a.toml": b'[terms.x]\npatterns = ["a+b"]\n'}
    assert [problem.key for problem in dear_patterns(files, lambda: next(ticks))] == ["terms.x.patterns"]
    assert dear_patterns(files, lambda: 0.0) == []
