"""Every construct of the rule language, each with a mail in which it makes the difference."""

import pytest

from gateway.message.normalise import normalise
from gateway.reason import Reason
from gateway.ruleset.examples import Written, WrittenBody, WrittenText, written_mail
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import MailView, Ruleset, Verdict, words_of

TERMS = """
pack = "t"
spellings = [["いただ", "頂"]]
[grammar]
condition_before = ["if"]
condition_after = ["case"]
thanks = ["thanks"]
[terms.hire]
core = true
words = ["採用", "hire"]
[terms.rejected]
core = true
words = ["不採用"]
[terms.job]
include = ["hire"]
words = ["応募", "job"]
[terms.not]
words = ["しない", "not", "見送らせていただ{く,き}"]
hide = ["not only"]
[terms.whole]
core = true
words = ["elected"]
[terms.inside]
core = true
part = true
words = ["lect"]
[terms.if]
words = ["もし", "if"]
[terms.case]
words = ["場合"]
[terms.thanks]
words = ["ありがとう", "thanks"]
[terms.goods]
words = ["注文", "order"]
[terms.good]
words = ["おめでとう", "congratulations"]
[terms.soft]
words = ["残念", "sorry", "alas", "regret"]
[terms.wrong]
words = ["訂正"]
[terms.number]
core = true
patterns = ["no[0-9]{1,3}"]
[terms.long-words]
phrase = true
words = ["hire nobody", "用しない"]
"""
RULE = """
[[rule]]
id = "r"
action = "inject"
footer = "f"
campaign = "c"
scope.senders = "any"
"""


def rules(statements: str, rule: str = RULE, **settings: object) -> Ruleset:
    """A set of one rule over the terms above."""
    return load_rules({"t.toml": (TERMS + statements + rule).encode()}, **settings)  # type: ignore[arg-type]


def signal(keys: str, strength: str = "strong", name: str = "s") -> str:
    """One signal as TOML."""
    return f'[[signal]]\nid = "{name}"\nstrength = "{strength}"\n{keys}\n'


HIRE_NOT = signal('terms = ["hire", "not"]')


def matches(ruleset: Ruleset, text: str, subject: str = "", quoted: str = "") -> bool:
    """Does a mail of this text match?"""
    return ruleset.judge(written_mail(text, subject=subject, quoted=quoted)).matched


@pytest.mark.parametrize(
    ("keys", "text", "expected"),
    [
        # longest match, whole words, spellings, phrases
        ('terms = ["hire"]', "採用です。", True),
        ('terms = ["hire"]', "不採用です。", False),
        ('terms = ["rejected"]', "不 採\n用です。", True),
        ('terms = ["job"]\nbound = ["hire"]', "不採用です。応募。", False),
        ('terms = ["hire", "not"]', "採用を見送らせて頂く", True),
        ('terms = ["whole"]', "they elected him", True),
        ('terms = ["whole"]', "they selected him", False),
        ('terms = ["inside"]', "they selected him", True),
        ('terms = ["number"]', "see no12 here", True),
        ('terms = ["number"]', "see no here", False),
        ('terms = ["hire"]\nnone = ["long-words"]', "we hire nobody", False),
        ('terms = ["hire"]\nnone = ["long-words"]', "採用しない", True),
        ('terms = ["hire", "not"]', "we hire not only him", False),
        # order and distance
        ('terms = ["hire", "not"]', "採用しない", True),
        ('terms = ["hire", "not"]', "しない採用", False),
        ('terms = ["hire", "not"]\norder = "any"', "しない採用", True),
        ('terms = ["hire", "not"]\ndistance = 3', "採用をいまはしない", False),
        ('terms = ["hire", "not"]\ndistance = 5', "採用をいまはしない", True),
        ('terms = ["hire", "soft", "not"]\norder = "any"', "残念、しない、採用", True),
        ('terms = ["hire", "soft", "not"]\norder = "any"\ndistance = 0', "残念、しない、採用", False),
        ('terms = ["hire", "not"]', "採用、採用、採用はしない", True),
        ('terms = ["hire|whole", "not"]', "採用しない", True),
        # one sentence
        ('terms = ["hire", "not"]', "採用。しない", False),
        ('terms = ["hire", "not"]', "We hire. Not you.", False),
        ('terms = ["hire", "not"]', "採用\n\nしない", False),
        ('terms = ["hire", "not"]', "採用は\nしない", True),
        # what must not stand there
        ('terms = ["hire", "not"]\nnone = ["soft"]', "残念ですが採用しない", False),
        ('terms = ["hire", "not"]\nnone_before = ["soft"]\nreach = 3', "残念、採用しない", False),
        ('terms = ["hire", "not"]\nnone_before = ["soft"]\nreach = 3', "残念ですけれども採用しない", True),
        ('terms = ["hire", "not"]\nnone_after = ["soft"]\nreach = 3', "採用しない、残念", False),
        ('terms = ["hire", "not"]\nnone_after = ["soft"]\nreach = 3', "採用しないのはとても残念", True),
        ('terms = ["hire", "not"]\nnone_between = ["soft"]', "採用は残念だがしない", False),
        ('terms = ["hire", "not"]\nnone_between = ["soft"]', "残念だが採用はしない", True),
        # conditions
        ('terms = ["hire", "not"]', "もし採用しないなら", False),
        ('terms = ["hire", "not"]', "採用しない場合", False),
        ('terms = ["hire", "not"]\nnot_if_conditional = false', "もし採用しない場合", True),
        ('terms = ["hire", "not"]', "もし雨でも。採用しない", True),
        # bound nouns
        ('terms = ["hire", "not"]\nbound = ["goods"]', "採用しない", False),
        ('terms = ["hire", "not"]\nbound = ["goods"]', "採用しない。注文。", True),
        ('terms = ["hire", "not"]\nbound = ["goods"]', "注文。採用しない。", True),
        ('terms = ["hire", "not"]\nbound = ["goods"]', "注文。はい。採用しない。", False),
        ('terms = ["hire", "not"]\nbound = ["goods"]\nnear = ["mail"]', "注文。はい。採用しない。", True),
        ('terms = ["hire", "not"]\nbound = ["goods"]\nnear = ["next"]', "注文。採用しない。", False),
        ('terms = ["hire", "not"]\nunless_near = ["goods"]', "注文。採用しない。", False),
        # where
        ('terms = ["hire"]\nwhere = ["subject"]', "採用", False),
    ],
)
def test_a_strong_signal_matches_as_written(keys: str, text: str, expected: bool) -> None:  # noqa: FBT001
    """Each key of a signal, with a text that it lets pass and one that it does not."""
    assert matches(rules(signal(keys)), text) is expected


def test_the_subject_is_a_sentence_of_its_own() -> None:
    """It can carry a signal, bind a noun, and is told apart by `where`."""
    only_subject = rules(signal('terms = ["hire"]\nwhere = ["subject"]'))
    assert matches(only_subject, "はい", subject="採用の件")
    bound = rules(signal('terms = ["hire", "not"]\nbound = ["goods"]'))
    assert matches(bound, "採用しない", subject="注文の件")
    body_only = rules(signal('terms = ["hire"]\nwhere = ["body"]'))
    assert not matches(body_only, "はい", subject="採用の件")


def test_quoted_text_is_context_and_never_a_refusal() -> None:
    """A refusal in a quote does not match; a rule may ask for a noun there."""
    assert not matches(rules(HIRE_NOT), "承知しました。", quoted="採用しない")
    asks = rules(signal('terms = ["hire", "not"]\nbound = ["goods"]\nnear = ["quoted"]'))
    assert matches(asks, "採用しない", quoted="注文です")


@pytest.mark.parametrize(
    ("extra", "text", "score"),
    [
        ("", "採用しない", 0.8),
        (signal('terms = ["soft"]', "weak", "w"), "残念ですが採用しない", 1.1),
        (signal('terms = ["soft"]', "weak", "w"), "残念。残念。採用しない", 1.1),
        (
            signal('terms = ["soft"]', "weak", "w") * 1
            + signal('terms = ["good"]', "weak", "w2")
            + signal('terms = ["thanks"]', "weak", "w3"),
            "残念。おめでとう。ありがとう。採用しない",
            1.4,
        ),
        (signal('terms = ["soft"]\nweight = 0.4', "against", "a"), "残念。採用しない", 0.4),
    ],
)
def test_the_score_is_the_strongest_plus_capped_weak_less_what_speaks_against(
    extra: str, text: str, score: float
) -> None:
    """Each statement once; weak ones up to `weak_cap` (0.6)."""
    verdict = rules(signal('terms = ["hire", "not"]\nweight = 0.8') + extra).judge(written_mail(text))
    assert verdict.score == pytest.approx(score)
    assert verdict.matched is (score >= 1)


def test_nothing_matches_without_a_strong_signal() -> None:
    """Weak ones alone have no score at all."""
    ruleset = rules(HIRE_NOT + signal('terms = ["hire"]\nweight = 5.0', "weak", "w"))
    assert ruleset.judge(written_mail("採用します")).score == 0


OBJECTION = HIRE_NOT + '[[objection]]\nid = "o"\nterms = ["goods"]\n'


@pytest.mark.parametrize(
    ("text", "subject", "expected"),
    [
        ("注文は採用しない。", "", False),
        ("ご注文ありがとう。いろいろ。採用しない。", "", False),
        ("採用しない。", "ご注文の件", False),
        ("注文です。いろいろ。採用しない。", "", True),
    ],
)
def test_an_objection_weighs_where_refusal_thanks_or_subject_names_it(
    text: str,
    subject: str,
    expected: bool,  # noqa: FBT001
) -> None:
    """Elsewhere in the mail the same noun means nothing (RULES.md, "Evidence")."""
    assert matches(rules(OBJECTION), text, subject=subject) is expected


def test_a_veto_ends_it_and_says_so() -> None:
    """Whatever the score."""
    verdict = rules(HIRE_NOT + '[[veto]]\nid = "v"\nterms = ["good"]\n').judge(
        written_mail("おめでとう。採用しない。")
    )
    assert (verdict.matched, verdict.reason) == (False, Reason.VETO)


@pytest.mark.parametrize("reason", [Reason.SENSITIVE, Reason.OWN_ALTERNATIVE])
def test_a_mail_to_leave_alone_is_matched_and_gets_no_action(reason: Reason) -> None:
    """RULES.md: reasons to leave the mail alone do not change `matched`."""
    leave = f'[[leave]]\nid = "l"\nreason = "{reason}"\nterms = ["wrong"]\n'
    verdict = rules(HIRE_NOT + leave).judge(written_mail("訂正します。採用しない。"))
    assert (verdict.matched, verdict.action, verdict.reason) == (True, "none", reason)


def mail(plain: str | None, html: str | None, **keys: object) -> MailView:
    """A mail with both texts."""

    def body(text: str | None) -> WrittenBody | None:
        return (
            None if text is None else WrittenBody(new=Written(text=normalise(text)), quoted=Written(text=""))
        )

    text = WrittenText(subject=Written(text=""), plain=body(plain), html=body(html))
    defaults: dict[str, object] = {
        "text": text,
        "sender": "hr@a.example",
        "recipients": ("c@m.example",),
        "candidates": ("c@m.example",),
    }
    return MailView(**(defaults | keys))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plain", "html", "expected"),
    [
        ("採用しない", None, True),
        (None, "採用しない", True),
        ("HTML で見てください", "採用しない", True),
        ("採用しない", "採用しない、おめでとう", False),
        ("採用しない、注文", "採用しない", False),
        ("採用", "しない", False),
    ],
)
def test_each_text_is_judged_and_what_speaks_against_counts_from_either(
    plain: str | None,
    html: str | None,
    expected: bool,  # noqa: FBT001
) -> None:
    """Evidence is not put together from both; vetoes and objections are."""
    ruleset = rules(OBJECTION + '[[veto]]\nid = "v"\nterms = ["good"]\n')
    assert ruleset.judge(mail(plain, html)).matched is expected


@pytest.mark.parametrize(
    ("scope", "keys", "reason"),
    [
        ('senders = ["hr@a.example"]', {}, Reason.INJECTED),
        ('senders = ["*@a.example"]', {}, Reason.INJECTED),
        ('senders = ["A.example"]', {}, Reason.INJECTED),
        ('senders = ["*@*.example"]', {}, Reason.INJECTED),
        ('senders = ["*@*.a.example"]', {}, Reason.OUT_OF_SCOPE),
        ('senders = ["*@b.example"]', {"header_from": "x@b.example"}, Reason.INJECTED),
        ('senders = ["group:hr"]', {}, Reason.INJECTED),
        ('senders = "config"', {}, Reason.INJECTED),
        ('senders = "any"\nnot_senders = ["a.example"]', {}, Reason.OUT_OF_SCOPE),
        ('senders = "any"\nrecipients = ["x.example"]', {}, Reason.OUT_OF_SCOPE),
        ('senders = "any"\nnot_recipients = ["m.example"]', {}, Reason.OUT_OF_SCOPE),
        ('senders = "any"\nlargest = 10', {"size": 11}, Reason.OUT_OF_SCOPE),
        ('senders = "any"\nlargest = 10', {"size": None}, Reason.INJECTED),
        ('senders = "any"\nheaders = {x-a = ""}', {}, Reason.OUT_OF_SCOPE),
        ('senders = "any"\nheaders = {x-a = "b+"}', {"header": lambda _: b"aBBa"}, Reason.INJECTED),
        ('senders = "any"\nheaders = {x-a = "c"}', {"header": lambda _: b"abba"}, Reason.OUT_OF_SCOPE),
        ('senders = "any"\nnot_headers = {x-a = ""}', {"header": lambda _: b""}, Reason.OUT_OF_SCOPE),
        ('senders = "any"\nlanguage = ["ja"]', {}, Reason.INJECTED),
        ('senders = "any"\nlanguage = ["en"]', {}, Reason.OUT_OF_SCOPE),
        ('senders = "any"', {"sender": ""}, Reason.NULL_SENDER),
        ('senders = "any"', {"candidates": ()}, Reason.NO_CANDIDATE),
    ],
)
def test_the_scope_decides_whose_mail(scope: str, keys: dict[str, object], reason: Reason) -> None:
    """Each condition of a scope, and what is no rule's business."""
    rule = f'[[rule]]\nid = "r"\naction = "inject"\n[rule.scope]\n{scope}\n'
    ruleset = rules(HIRE_NOT, rule, config_senders=["*@a.example"], groups={"hr": ["hr@a.example"]})
    verdict = ruleset.judge(mail("採用しない", None, **keys))
    assert verdict.reason is reason
    assert verdict.matched is (reason is Reason.INJECTED)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("inject", (True, "inject", Reason.INJECTED, 1.0)),
        ("observe", (True, "observe", Reason.OBSERVE, 1.0)),
        ("partial", (True, "inject", Reason.INJECTED, 0.25)),
        ("off", (False, "none", Reason.NO_MATCH, 1.0)),
    ],
)
def test_the_action_of_a_matched_rule(mode: str, expected: tuple[object, ...]) -> None:
    """`partial` hands its share to the plan, which knows the recipients' hashes."""
    rule = RULE + '[rule.partial]\nshare = 0.25\nsenders = ["a.example"]\n'
    verdict = rules(HIRE_NOT, rule, modes={"r": mode}).judge(mail("採用しない", None))
    assert (verdict.matched, verdict.action, verdict.reason, verdict.share) == expected


def test_partial_only_observes_other_senders() -> None:
    """A rule on trial with one department leaves the others as they were."""
    rule = RULE.replace('"inject"', '"partial"') + '[rule.partial]\nsenders = ["b.example"]\n'
    verdict = rules(HIRE_NOT, rule).judge(mail("採用しない", None))
    assert (verdict.matched, verdict.action) == (True, "observe")


def test_the_verdict_names_rule_campaign_footer_and_evidence() -> None:
    """All that the plan and `explain` need."""
    letter = written_mail("はい。採用しない。")
    verdict = rules(HIRE_NOT).judge(letter)
    assert (verdict.rule, verdict.campaign, verdict.footer) == ("r", "c", "f")
    (hit,) = verdict.evidence
    assert (hit.id, hit.where, hit.sentence, hit.start, hit.end, words_of(hit, letter.text)) == (
        "t/s",
        "plain",
        1,
        3,
        8,
        "採用しない",
    )


def test_of_two_rules_the_one_that_injects_stands() -> None:
    """Then the one further above its threshold, then the first."""
    second = RULE.replace('"r"', '"second"')
    first = RULE.replace('"inject"', '"observe"')
    assert rules(HIRE_NOT, first + second).judge(written_mail("採用しない")).rule == "second"
    assert rules(HIRE_NOT, RULE + second).judge(written_mail("採用しない")).rule == "r"


def test_names_and_signature_are_masked() -> None:
    """The company's own names, as the caller gives them, and what stands below a drawn rule."""
    text = "採用しない"
    assert matches(rules(HIRE_NOT), text)
    assert not matches(rules(HIRE_NOT, names=["しない株式会社"]), "採用 しない株式会社")
    assert not matches(rules(HIRE_NOT), "よろしく。\n\n-----------\n採用しない会社\n電話 03")
    assert matches(
        rules(HIRE_NOT), "よろしく。\n\n-----------\n慎重に検討しましたが今回は採用しないことにいたしました。"
    )


def test_explain_shows_rules_that_did_not_match() -> None:
    """One assessment a rule, with score, scope and evidence."""
    rule = RULE.replace('"any"', '["b.example"]')
    (seen,) = rules(HIRE_NOT, rule).explain(mail("採用しない", None))
    assert (seen.rule.id, seen.score, seen.scope, seen.reached) == ("r", 1.0, "senders", True)


def test_nothing_in_a_mail_makes_judging_fail() -> None:
    """Surrogates, control characters, empty and very long texts, a great many words."""
    ruleset = rules(OBJECTION)
    for text in (
        "",
        "\x00採用しない\ud800",
        "採用" * 40_000,
        "採用しない" * 10_000,
        "。" * 50_000,
        "a" * 200_000,
    ):
        assert isinstance(ruleset.judge(mail(text, text + "。")), Verdict)
