"""Where the newly written text of a mail ends, and what in it was quoted or forwarded.

Knows how Outlook, Exchange, Gmail, Apple Mail, Thunderbird, Becky! and carriers' mail, in Japanese and
English, introduce what somebody wrote before. A separator or a block of header lines takes everything after
it; lines with a quote mark and the line that introduces them are quoted one by one, so that answers between
them stay new. Header lines at the very top that tell the mail's own subject, and no date, are the letter's;
those that tell no more than a sender and a date introduce the quoted lines below them.

A mail without any of the tell-tale strings costs a few searches and no more.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

Span = tuple[int, int]


class Division(NamedTuple):
    """The newly written and the quoted spans of a text, in order, and where the newly written text ends.

    `open`: the last quote has no end, so that it takes what is shown after this text too.
    """

    new: tuple[Span, ...]
    quoted: tuple[Span, ...]
    new_end: int
    open: bool = False


# Without any of these no mark can match. Each has one of the signs in it: to search for twelve characters
# takes a fifth of the time, and where none stands that is all.
_SIGNS = (">", "＞", "O", "F", "R", "M", "メ", "転", "差", "信", "w", "書")
_TELL_TALE = re.compile(
    ">|＞|Original|ORIGINAL|F(?:orwarded|rom|ROM)|Reply |Message from|メッセージ"
    "|メール[ \t]*+[:：\\-_=*~─━―‐－ー]|転送|差出人|送信[者元]|発信[者元]|wrote|書きました"
)

_RULE = "-_=*~─━―‐－ー＝＿"
_FROM = "From|FROM|差出人|送信者|送信元|発信者|発信元"
_NEXT = (
    "Sent|Date|DATE|To|TO|Cc|Subject|SUBJECT|Reply-To|送信日時|日時|日付|送信日|送信|宛先|受信者|件名|題名"
)
_TITLES = (
    "Original Message|Original message|ORIGINAL MESSAGE|Original Mail|Original Appointment|Original E-mail"
    "|Forwarded message|Forwarded Message|Forwarded by|Reply message|Reply Message|Message from"
    "|元のメッセージ|オリジナルメッセージ|オリジナル メッセージ|元のメール|転送メッセージ"
    "|転送されたメッセージ|転送元のメッセージ|転送メール|受信メール"
    "|Forwarded mail|Original Text"
).replace(" ", r"\ ")
_MARK = re.compile(
    rf"""^[ \t\u3000]*+(?:
      (?P<quote>[>＞])
    | (?P<rest>
        [{_RULE}]{{2,80}}[ \t\u3000]*+(?:{_TITLES})[^\n]{{0,120}}$
      | (?:Begin\ forwarded\ message|以下、?転送(?:された)?メッセージ|転送されたメッセージ)[ \t]*+[:：]
      | (?:_{{20,200}}[ \t]*+\r?\n(?:\r?\n)?)?
        (?P<block>\*?(?:{_FROM})[ \t\u3000]*+\*?[:：]\*?[^\n]{{1,500}}\n
        (?:[^\n]{{1,500}}\n)??
        [ \t\u3000]*+\*?(?:{_NEXT})[ \t\u3000]*+\*?[:：])
      )
    | (?P<said>
        On\ [^\n]{{5,300}}(?:\n[^\n]{{1,200}})?wrote:[ \t]*+\r?$
      | [^\n>]{{0,200}}<[^\n<>@]{{1,200}}@[^\n<>]{{1,200}}>[^\n>]{{0,40}}
        (?:wrote|のメール|(?:さん)?は書きました)[ \t]*+[:：][ \t]*+\r?$
      | [^\n>]{{1,200}}(?:\ wrote|さんは書きました|さんが書きました|は書きました)[ \t]*+[:：][ \t]*+\r?$
      | \(?(?:19|20)[0-9]{{2}}[年/.-][^\n<>]{{5,200}}
        <[^\n<>@]{{1,200}}@[^\n<>]{{1,200}}>[ \t]*+[:：][ \t]*+\r?$
      )
    )""",
    re.MULTILINE | re.VERBOSE,
)
_NEXT_LINE = re.compile(r"\s*+[>＞]")
_LINE = re.compile(r"[^\n]*+(?:\n|\Z)")
_NAME = re.compile(r"[ \t\u3000*]*+([^\s:：*]{1,20})[ \t\u3000*]*+[:：]")
_SUBJECTS = frozenset({"Subject", "SUBJECT", "件名", "題名"})
_DATES = frozenset({"Sent", "Date", "DATE", "送信日時", "日時", "日付", "送信日", "送信"})
_WHO_AND_WHEN = frozenset(_FROM.split("|")) | _DATES
_MAX_BLOCK = 4096


def may_quote(text: str) -> bool:
    """Whether anything in it could introduce a quote. That stands in one line."""
    return any(map(text.__contains__, _SIGNS)) and _TELL_TALE.search(text) is not None


def divide(text: str, subject: str = "") -> Division:
    """Tell new from quoted text, of a mail with this subject. Linear in its length."""
    if not may_quote(text):
        return Division(((0, len(text)),) if text else (), (), len(text))
    size = len(text)
    quoted: list[Span] = []
    position = 0
    endless = False
    while (found := _MARK.search(text, position)) is not None:
        start, end = found.span()
        if found.lastgroup == "rest":
            on_top = not text[:start].strip()
            if on_top and (own := _own_header(text, found, subject)):
                position = own
                continue
            if on_top and (answered := _introduction(text, found)):
                quoted.append((start, answered))
                position = answered
                continue
            quoted.append((start, size))
            endless = True
            break
        line_end = text.find("\n", end)
        line_end = size if line_end < 0 else line_end + 1
        if found.lastgroup == "said" and not _NEXT_LINE.match(text, end):
            quoted.append((start, size))
            endless = True
            break
        if quoted and quoted[-1][1] == start:
            quoted[-1] = (quoted[-1][0], line_end)
        else:
            quoted.append((start, line_end))
        position = line_end
        if position >= size:
            break
    return _division(text, quoted, endless=endless)


def all_quoted(text: str) -> Division:
    """The division of a text that belongs to a quote which began before it."""
    return Division((), ((0, len(text)),) if text else (), 0, open=True)


def _own_header(text: str, found: re.Match[str], subject: str) -> int:
    """Where the header lines end that a letter opens with of its own accord; 0 if they are another mail's.

    What somebody forwards comes with its date, and under a subject that says so (``Fwd:``).
    """
    at = found.start("block")
    own = False
    if at != found.start() or not subject:
        return 0
    for line in _LINE.finditer(text, at, at + _MAX_BLOCK):
        if not line[0].strip():
            break
        name = _NAME.match(line[0])
        if name is None:
            continue
        if name[1] in _DATES:
            return 0
        if name[1] in _SUBJECTS:
            own = line[0][name.end() :].split() == subject.split()
    return found.end() if own else 0


def _introduction(text: str, found: re.Match[str]) -> int:
    """Where the header lines end that only say whom the quoted lines below are from, and when; 0 if more."""
    at = found.start("block")
    if at != found.start():
        return 0
    for line in _LINE.finditer(text, at, at + _MAX_BLOCK):
        name = _NAME.match(line[0])
        if not line[0].strip():
            return line.start() if _NEXT_LINE.match(text, line.start()) else 0
        if name is None or name[1] not in _WHO_AND_WHEN:
            return 0
    return 0


def complement(spans: Iterable[Span], size: int) -> tuple[Span, ...]:
    """What lies between `spans`, which are in order, up to `size`."""
    out: list[Span] = []
    reached = 0
    for start, end in spans:
        if start > reached:
            out.append((reached, start))
        reached = end
    if reached < size:
        out.append((reached, size))
    return tuple(out)


def _division(text: str, quoted: list[Span], *, endless: bool) -> Division:
    new_end = len(text)
    for start, end in reversed(quoted):
        if text[end:new_end].strip():
            break
        new_end = start
    return Division(complement(quoted, len(text)), tuple(quoted), new_end, endless)
