"""Mails and footers that the tests of this folder share, and a reader that is not ours."""

import base64
import email
import email.policy
import quopri
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from gateway.footer.check import check_edit
from gateway.footer.compose import FooterPlan, prepare
from gateway.footer.place import Where
from gateway.footer.template import FooterText, load_footers
from gateway.footer.values import SAMPLE, FooterValues
from gateway.message.scan import Message, scan
from gateway.message.splice import Edit, join, splice
from gateway.message.text import MailText, read_text

FOLDER = Path(__file__).parents[3] / "rules" / "footers"
FOOTERS = load_footers({file.name: file.read_bytes() for file in FOLDER.iterdir()})
JA = FOOTERS["default-ja"]
EN = FOOTERS["default-en"]
ENGLISH = FooterValues(
    link=SAMPLE.link, opt_out=SAMPLE.opt_out, company="Example Ltd", partner="Example Agency"
)

LETTER_JA = (
    "山田 太郎 様\r\n\r\nこのたびはご応募いただき、誠にありがとうございました。\r\n"
    "慎重に選考いたしました結果、今回は採用を見送らせていただくこととなりました。\r\n\r\n"
    "-- \r\n株式会社サンプル 人事部\r\n"
)
LETTER_EN = (
    "Dear Taro,\r\n\r\nThank you for applying (a = b). We have chosen other candidates.\r\n\r\n"
    "-- \r\nHuman Resources\r\n"
)
QUOTED = "\r\n> Hello\r\n> world\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A mail with its footer, checked, and all that led to it."""

    message: Message
    text: MailText
    plan: FooterPlan
    runs: tuple[str, ...]
    edits: tuple[Edit, ...]
    data: bytes


def mail(
    text: str,
    *,
    charset: str | None = "utf-8",
    encoding: str | None = "8bit",
    kind: str = "plain",
    parameters: str = "",
    line: int = 76,
) -> bytes:
    """A mail with one part, written by the standard library's codecs."""
    label = "" if charset is None else f"; charset={charset}"
    fields = [
        "From: HR <hr@example.co.jp>",
        "To: taro@example.test",
        "Subject: Result",
        "Message-ID: <1@example.co.jp>",
        "MIME-Version: 1.0",
        f"Content-Type: text/{kind}{label}{parameters}",
    ]
    if encoding is not None:
        fields.append(f"Content-Transfer-Encoding: {encoding}")
    return "\r\n".join([*fields, "", ""]).encode() + body(text.encode(charset or "ascii"), encoding, line)


def body(content: bytes, encoding: str | None, line: int = 76) -> bytes:
    """`content` in a transfer encoding."""
    if encoding == "base64":
        flat = base64.b64encode(content)
        return b"".join(flat[at : at + line] + b"\r\n" for at in range(0, len(flat), line))
    if encoding == "quoted-printable":
        lines = quopri.encodestring(content.replace(b"\r\n", b"\n")).split(b"\n")
        return b"\r\n".join(lines)
    return content


def html(inner: str) -> str:
    """An HTML document around `inner`."""
    return f"<html><head><title>x</title></head>\r\n<body>\r\n{inner}\r\n</body></html>\r\n"


def add_footer(
    data: bytes, footer: FooterText = JA, values: FooterValues = SAMPLE, *, where: Where = Where.AUTO
) -> Edited:
    """All that the transaction does: read, find the place, edit, splice, check."""
    message = scan(data)
    text = read_text(message)
    plan = prepare(message, text, footer, where=where)
    runs = plan.runs(values)
    edits = plan.edits(runs)
    edited = join(data, splice(data, edits))
    check_edit(plan, runs, edits, edited)
    return Edited(message=message, text=text, plan=plan, runs=runs, edits=tuple(edits), data=edited)


def read(data: bytes) -> EmailMessage:
    """The mail as Python's email package reads it."""
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def text_of(part: EmailMessage) -> str:
    """A part's text as Python's email package reads it."""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(part.get_content_charset("ascii"))


def spelled(text: str) -> str:
    """HTML with its character references read, so that texts can be looked for in it."""
    return re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), text)


def raw_body(data: bytes) -> bytes:
    """What follows the header."""
    return data.partition(b"\r\n\r\n")[2]
