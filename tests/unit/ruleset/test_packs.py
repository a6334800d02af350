"""The shipped packs as they come: their modes, what is left alone, and the same text in every form."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.reason import Reason
from gateway.ruleset.examples import read_mail, written_mail
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Ruleset

ROOT = Path(__file__).parents[3]


def packs() -> Mapping[str, bytes]:
    """The shipped files."""
    return {path.name: path.read_bytes() for path in sorted((ROOT / "rules").glob("*.toml"))}


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    """All rules, for any sender."""
    return load_rules(packs(), footers={"default-ja", "default-en"}).anybody()


def test_the_shipped_packs_observe_and_take_their_senders_from_the_config() -> None:
    """RULES.md, "Actions and verdicts": an upgrade never switches anything on."""
    loaded = load_rules(packs(), config_senders=["*@a.example"])
    assert {rule.action for rule in loaded.rules} == {"observe"}
    assert all(rule.scope.senders for rule in loaded.rules)
    assert {
        rule.action for rule in load_rules(packs(), config_senders=["a.example"], modes={"*": "inject"}).rules
    } == {"inject"}


ALTERNATIVE = """
面接にお越しいただきありがとうございました。今回は採用を見送らせていただきます。
なお、店舗スタッフとは別の職種でしたらご案内できますが、ご興味はございますか。
"""
CORRECTED = """
先ほどの選考結果のメールは誤ってお送りしたものです。
正しくは、採用を見送らせていただく結果となりました。ご応募に感謝いたします。
"""
ALTERNATIVE_ENGLISH = """
Thank you for interviewing with us. We are unable to offer you the position of Analyst. Would you be
interested in a different role in our support team?
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ALTERNATIVE, Reason.OWN_ALTERNATIVE),
        (CORRECTED, Reason.SENSITIVE),
        (ALTERNATIVE_ENGLISH, Reason.OWN_ALTERNATIVE),
    ],
)
def test_refusals_to_leave_alone(ruleset: Ruleset, text: str, reason: Reason) -> None:
    """Matched, and no action, for the reason that the pack gives."""
    verdict = ruleset.judge(written_mail(text))
    assert (verdict.matched, verdict.action, verdict.reason) == (True, "none", reason)


REFUSAL = (
    "この度は弊社の求人にご応募いただき、誠にありがとうございました。\r\n慎重に選考を重ねました結果、\r\n"
    "誠に残念ながら、今回は採用を見送らせていただくこととなりました。\r\n"
)
OFFER = REFUSAL.replace(
    "誠に残念ながら、今回は採用を見送らせていただくこととなりました", "貴方を採用することに決定いたしました"
)


def mail_in(charset: str, text: str) -> bytes:
    """A plain mail in this charset, 8-bit or ISO-2022-JP as it is."""
    head = "Subject: =?UTF-8?B?6YG46ICD57WQ5p6c?=\r\nMIME-Version: 1.0\r\n"
    kind = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return (head + kind).encode() + text.encode(charset)


def as_html(text: str) -> bytes:
    """The same as HTML in base64, with tags inside phrases."""
    body = text.replace("採用", "採<b>用</b>").replace("\r\n", "<br>\r\n")
    page = f"<html><body><p>{body}</p></body></html>"
    head = b"Content-Type: text/html; charset=UTF-8\r\nMIME-Version: 1.0\r\n"
    head += b"Content-Transfer-Encoding: base64\r\n\r\n"
    return head + base64.encodebytes(page.encode()).replace(b"\n", b"\r\n")


def as_alternative(text: str) -> bytes:
    """Both, in one multipart/alternative."""
    plain = mail_in("utf-8", text).split(b"\r\n", 2)[2]
    return (
        b'Content-Type: multipart/alternative; boundary="x"\r\nMIME-Version: 1.0\r\n\r\n--x\r\n'
        + plain
        + b"\r\n--x\r\n"
        + as_html(text)
        + b"\r\n--x--\r\n"
    )


@pytest.mark.parametrize(("text", "expected"), [(REFUSAL, True), (OFFER, False)])
def test_verdicts_do_not_depend_on_charset_encoding_or_structure(
    ruleset: Ruleset,
    text: str,
    expected: bool,  # noqa: FBT001
) -> None:
    """The same text in every form that Japanese mail comes in."""
    forms = [mail_in(charset, text) for charset in ("utf-8", "iso-2022-jp", "shift_jis", "euc-jp")]
    forms += [as_html(text), as_alternative(text), mail_in("utf-8", text.replace("採用", "採 用"))]
    assert [ruleset.judge(read_mail(form)).matched for form in forms] == [expected] * len(forms)
