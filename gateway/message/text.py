"""The text of a mail: its subject and its main body, as rules, footer and `explain` need it.

The main body is the first text/plain and the text/html that is its alternative; never an attachment, never
an embedded message. What cannot be read to the letter is still given to the rules as well as it can be, but
with a reason, and a mail with a reason is not edited.
"""

from array import array
from dataclasses import dataclass
from typing import Literal

from gateway.message import normalise
from gateway.message.charset import CharsetError, decode, decode_anyway, lookup
from gateway.message.html import HtmlText, read_html
from gateway.message.quotes import divide
from gateway.message.scan import Message, Part
from gateway.message.subject import decode_header
from gateway.message.transfer import TransferError
from gateway.message.transfer import decode as transfer_decode
from gateway.reason import Reason

Span = tuple[int, int]
_WITH_ESCAPES = ("iso-2022-", "utf-16")
_MAIN_TYPES = frozenset({"text/plain", "text/html"})
# Longer text is no letter. What is past it is never looked at; the same bound as for HTML.
MAX_TEXT = 512 * 1024
# A text this short may be nothing but line ends.
_BLANK = 64
# Nine encoded octets for a character (quoted-printable, UTF-8) and its share of line ends.
_MAX_RAW = 10 * MAX_TEXT
Kind = Literal["plain", "html"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Text in its normal form, and the way back to where it stood.

    `source` is the text before normalisation, put together from `spans`: ``(start in source, start beyond,
    length)``, where beyond is the decoded body, or the text of `page` if it is HTML.
    """

    text: str
    source: str = ""
    spans: tuple[tuple[int, int, int], ...] = ()
    page: HtmlText | None = None

    @property
    def positions(self) -> "array[int]":
        """For each character of `text` its index in the decoded body; at last where the text ends there.

        Made anew on each call, and slowly: for explaining, not for judging.
        """
        places = array("q")
        for start, beyond, length in self.spans:
            places.extend([places[-1] if places else beyond] * (start - len(places)))
            places.extend(range(beyond, beyond + length))
        places.append(places[-1] + 1 if places else 0)
        if self.page is not None:
            page = self.page
            places = array("q", (page.source_index(at) for at in places))
        return array("q", (places[at] for at in normalise.positions(self.source)))


_PARAGRAPH = "\n\n"
_NOTHING = Prose(text="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A part of the main text.

    `leaf` is its index in ``Message.parts``; `charset` the name that the mail gives ("us-ascii" where it
    gives none); `decoded` its whole source. `new_end` is the index in `decoded` where the newly written text
    ends: after a signature, before a quoted original, before ``</body>``.
    """

    leaf: int
    kind: Kind
    charset: str
    decoded: str
    new: Prose
    quoted: Prose
    new_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailText:
    """What a mail says.

    `complete` is false where the main text is not all inside the held head; then there are no bodies.
    `reason` says why the text may be read but not edited, or is None.
    """

    subject: Prose
    plain: Body | None
    html: Body | None
    complete: bool
    reason: Reason | None = None


def read_text(message: Message) -> MailText:
    """Read subject and main text. Never raises."""
    subject = message.value(b"subject")
    prose = _NOTHING if subject is None else _whole(decode_header(subject))
    plain, html, complete = main_parts(message)
    if not complete:
        return MailText(subject=prose, plain=None, html=None, complete=False)
    reason = None
    bodies: list[Body | None] = []
    for part in (plain, html):
        if part is None:
            bodies.append(None)
            continue
        body, doubt = _read_body(message, part)
        bodies.append(body)
        reason = reason or doubt
    return MailText(subject=prose, plain=bodies[0], html=bodies[1], complete=True, reason=reason)


def main_parts(message: Message) -> tuple[Part | None, Part | None, bool]:
    """The text/plain and text/html of the main body, and whether all of them is there to be read."""
    parts = message.parts
    found: dict[str, Part] = {}
    complete = _find(message, parts[0], found)
    return (
        found.get("text/plain"),
        found.get("text/html"),
        complete and all(part.complete for part in found.values()),
    )


def is_attachment(part: Part) -> bool:
    """Whether a reader shows this text part as a file and not as the mail's words."""
    return part.disposition == "attachment" or (part.filename != "" and part.parent is not None)


def _find(message: Message, part: Part, found: dict[str, Part]) -> bool:
    """Collect the main text below `part`. False where more of it may follow the end of the data."""
    if part.leaf is not None:
        if part.content_type not in _MAIN_TYPES or is_attachment(part):
            return True
        found.setdefault(part.content_type, part)
        return part.complete
    alternative = part.content_type == "multipart/alternative"
    for child in part.children:
        below = message.parts[child]
        if not alternative and below.complete and _is_blank(message, below):
            continue  # Apple Mail and others put an empty text before the first attachment
        if not _find(message, below, found):
            return False
        if found and not alternative:
            return True  # the first child with words is the body; what follows hangs on it
    return part.complete


def _is_blank(message: Message, part: Part) -> bool:
    start, end = part.body
    return part.leaf is not None and end - start <= _BLANK and not message.data[start:end].strip()


def _read_body(message: Message, part: Part) -> tuple[Body | None, Reason | None]:
    name = part.parameters.get("charset", "us-ascii")
    start, end = part.body
    if end - start > _MAX_RAW:
        return None, Reason.WINDOW
    decoded, reason = _decode(message.data[start:end], part.encoding, name)
    if len(decoded) > MAX_TEXT and part.content_type == "text/plain":
        reason = reason or Reason.WINDOW
        decoded = decoded[:MAX_TEXT]
    if part.content_type == "text/html":
        return _html_body(part, name, decoded, reason)
    return _plain_body(part, name, decoded), reason


def _decode(raw: bytes, encoding: str, name: str) -> tuple[str, Reason | None]:
    """A body's text, and why it may not be edited. What cannot be read comes out replaced."""
    reason: Reason | None = None
    try:
        raw = transfer_decode(raw, encoding)
    except TransferError:
        reason = Reason.UNDECODABLE
    charset = lookup(name)
    if (
        charset is None
        or (charset.label == "us-ascii" and not raw.isascii())
        or (b"\x1b$" in raw and not charset.label.startswith(_WITH_ESCAPES))
    ):
        # Unknown; or said to be ASCII, or nothing said, and it is not; or ISO-2022 under another name. A
        # guess does for the rules, not for an edit.
        return decode_header(raw), reason or Reason.CHARSET
    try:
        return decode(raw, charset), reason
    except CharsetError:
        return decode_anyway(raw, charset), reason or Reason.UNDECODABLE


def _plain_body(part: Part, name: str, decoded: str) -> Body:
    division = divide(decoded)
    new = _pick(decoded, division.new) if division.quoted else _whole(decoded)
    return Body(
        leaf=part.index,
        kind="plain",
        charset=name,
        decoded=decoded,
        new=new,
        quoted=_pick(decoded, division.quoted) if division.quoted else _NOTHING,
        new_end=division.new_end,
    )


def _html_body(part: Part, name: str, decoded: str, reason: Reason | None) -> tuple[Body, Reason | None]:
    read = read_html(decoded)
    if read.defect:
        reason = reason or Reason.HTML_DEFECT
    division = divide(read.text)
    quoted = _union(read.quoted, division.quoted)
    new = _complement(quoted, len(read.text))
    body = Body(
        leaf=part.index,
        kind="html",
        charset=name,
        decoded=decoded,
        new=_pick(read.text, new, read),
        quoted=_pick(read.text, quoted, read) if quoted else _NOTHING,
        new_end=_html_end(read, quoted),
    )
    return body, reason


def _html_end(read: HtmlText, quoted: tuple[Span, ...]) -> int:
    """Where in the source the newly written text ends."""
    end = len(read.text)
    for start, stop in reversed(quoted):
        if read.text[stop:end].strip():
            break
        end = start
    if end == len(read.text):
        return read.body_end
    containers = {start: mark for (start, _), mark in zip(read.quoted, read.marks, strict=False)}
    return containers.get(end, read.source_index(end))


def _whole(source: str) -> Prose:
    return Prose(text=normalise.normalise(source), source=source, spans=((0, 0, len(source)),))


def _pick(text: str, spans: tuple[Span, ...], page: HtmlText | None = None) -> Prose:
    """The prose of some spans. Between two of them a paragraph ends."""
    pieces = [text[start:end] for start, end in spans]
    runs = []
    reached = 0
    for piece, (start, _) in zip(pieces, spans, strict=True):
        runs.append((reached, start, len(piece)))
        reached += len(piece) + len(_PARAGRAPH)
    source = _PARAGRAPH.join(pieces)
    return Prose(text=normalise.normalise(source), source=source, spans=tuple(runs), page=page)


def _union(first: tuple[Span, ...], second: tuple[Span, ...]) -> tuple[Span, ...]:
    out: list[Span] = []
    for start, end in sorted((*first, *second)):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        elif start < end:
            out.append((start, end))
    return tuple(out)


def _complement(spans: tuple[Span, ...], size: int) -> tuple[Span, ...]:
    out: list[Span] = []
    reached = 0
    for start, end in spans:
        if start > reached:
            out.append((reached, start))
        reached = end
    if reached < size:
        out.append((reached, size))
    return tuple(out)
