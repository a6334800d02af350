"""The text of a mail: its subject and its main body, as rules, footer and `explain` need it.

The main body is a text/plain and the text/html that is its alternative, or several such passages in a row
(`gateway.message.passages`); never an attachment, never an embedded message. What cannot be read to the
letter is still given to the rules as well as it can be, but with a reason, and a mail with a reason is not
edited.
"""

from array import array
from collections.abc import Iterator
from typing import Literal, NamedTuple

from gateway.message import normalise
from gateway.message.charset import CharsetError, decode, decode_anyway, is_doubtful, lookup
from gateway.message.html import HtmlText, read_html
from gateway.message.passages import Passage, has_other_words, passages
from gateway.message.quotes import all_quoted, complement, divide
from gateway.message.scan import Message, Part
from gateway.message.subject import decode_header
from gateway.message.transfer import IDENTITY, TransferError
from gateway.message.transfer import decode as transfer_decode
from gateway.reason import Reason

Span = tuple[int, int]
_WITH_ESCAPES = ("iso-2022-", "utf-16")
# Longer text is no letter. What is past it is never looked at; the same bound as for HTML.
MAX_TEXT = 512 * 1024
# Nine encoded octets for a character (quoted-printable, UTF-8) and its share of line ends.
_MAX_RAW = 10 * MAX_TEXT
Kind = Literal["plain", "html"]


class Prose(NamedTuple):
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
NOTHING = Prose(text="")


class Body(NamedTuple):
    """A part of the main text.

    `leaf` is its index in ``Message.parts``; `charset` the name that the mail gives ("us-ascii" where it
    gives none); `decoded` its whole source. `new_end` is the index in `decoded` where the newly written text
    ends: after a signature, before a quoted original, before ``</body>``. `quote_open`: the last quote has no
    end, so that it takes the texts behind this one too.
    """

    leaf: int
    kind: Kind
    charset: str
    decoded: str
    new: Prose
    quoted: Prose
    new_end: int
    quote_open: bool = False


class Texts(NamedTuple):
    """A passage of the main text: its two forms, each of one text, or of several with files between."""

    plain: tuple[Body, ...]
    html: tuple[Body, ...]


class Letter(NamedTuple):
    r"""By what a text is known again (`gateway.message.letters`).

    Two mails whose texts carry the same `template` have the same subject text, no quoted text, one plain body
    and no HTML or further texts, and ``plain.new.text.split("\n")`` has the same count and is equal at all
    indexes but those in `changing`. A number is never given twice in a process, so that others may remember
    under it what they like.
    """

    template: int
    changing: tuple[int, ...]


class MailText(NamedTuple):
    """What a mail says.

    `plain` and `html` are the first text of each kind in the first passage, nearly always all there is.
    `more` is what else there is to read, in reading order; then `passages` has all of it as it is shown.
    `complete` is false where the main text is not all inside the held head; then there are no bodies.
    `reason` says why the text may be read but not edited, or is None.
    `letter` is the template it is of, if that was recognised.
    """

    subject: Prose
    plain: Body | None
    html: Body | None
    complete: bool
    reason: Reason | None = None
    more: tuple[Body, ...] = ()
    passages: tuple[Texts, ...] = ()
    letter: Letter | None = None

    @property
    def bodies(self) -> tuple[Body, ...]:
        """All of them, in reading order."""
        if self.html is None and not self.more:
            return () if self.plain is None else (self.plain,)
        found = [body for body in (self.plain, self.html, *self.more) if body is not None]
        return tuple(sorted(found, key=lambda body: body.leaf))


def read_text(message: Message) -> MailText:
    """Read subject and main text. Never raises."""
    found, complete = passages(message)
    return read_found(message, found, complete=complete)


def read_found(message: Message, found: tuple[Passage, ...], *, complete: bool) -> MailText:
    """The same, of a mail whose passages are known."""
    subject = message.head.value(b"subject")
    prose = NOTHING if subject is None else whole(decode_header(subject))
    if not complete:
        return MailText(subject=prose, plain=None, html=None, complete=False)
    if not found:
        return MailText(subject=prose, plain=None, html=None, complete=True)
    (plain, html), *others = found
    if others or len(plain) > 1 or len(html) > 1:
        return _read_passages(message, prose, found)
    reason = None
    bodies: list[Body | None] = []
    for parts in (plain, html):
        body = None
        if parts:
            body, doubt = _read_body(message, parts[0], prose.source)
            reason = reason or doubt
        bodies.append(body)
    if plain and html:
        reason = reason or _of_forms(message)
    return MailText(subject=prose, plain=bodies[0], html=bodies[1], complete=True, reason=reason)


def _of_forms(message: Message) -> Reason | None:
    return Reason.DISAGREE if has_other_words(message) else None


def decoded_texts(message: Message) -> Iterator[tuple[Kind, str]]:
    """The kind of each text of the main body, and its source as `read_text` would decode it.

    For those who look for one word in it: a fifth of the time.
    """
    found, _ = passages(message)
    for part in (part for passage in found for part in passage.parts):
        start, end = part.body
        if end - start <= _MAX_RAW:
            name = part.parameters.get("charset", "us-ascii")
            decoded, _ = _decode(message.data[start:end], part.encoding, name)
            if part.content_type == "text/html":
                yield "html", decoded
            else:
                yield "plain", decoded[:MAX_TEXT]


def _read_passages(message: Message, subject: Prose, found: tuple[Passage, ...]) -> MailText:
    """Read several texts in a row. A quote that one of them leaves open takes those behind it."""
    reason = None
    texts = []
    quoted = False
    for passage in found:
        forms: list[tuple[Body, ...]] = []
        still = quoted
        for parts in passage:
            inside = quoted
            form = []
            for part in parts:
                body, doubt = _read_body(message, part, subject.source, quoted=inside)
                reason = reason or doubt
                if body is not None:
                    form.append(body)
                    inside = inside or body.quote_open
            forms.append(tuple(form))
            still = still or inside
        quoted = still
        texts.append(Texts(plain=forms[0], html=forms[1]))
    plain = next((body for body in texts[0].plain if body.kind == "plain"), None)
    html = next((body for body in texts[0].html if body.kind == "html"), None)
    bodies = [body for each in texts for body in (*each.plain, *each.html)]
    more = sorted((body for body in bodies if body not in {plain, html}), key=lambda body: body.leaf)
    return MailText(
        subject=subject,
        plain=plain,
        html=html,
        complete=True,
        reason=reason or _of_forms(message),
        more=tuple(more),
        passages=tuple(texts),
    )


def _read_body(
    message: Message, part: Part, subject: str, *, quoted: bool = False
) -> tuple[Body | None, Reason | None]:
    """A part's text; all of it `quoted` where the part before left a quote open."""
    name = part.parameters.get("charset", "us-ascii")
    start, end = part.body
    if end - start > _MAX_RAW:
        return None, Reason.WINDOW
    decoded, reason = _decode(message.data[start:end], part.encoding, name)
    if len(decoded) > MAX_TEXT and part.content_type == "text/plain":
        reason = reason or Reason.WINDOW
        decoded = decoded[:MAX_TEXT]
    if part.content_type == "text/html":
        return _html_body(part, name, decoded, reason, subject, quoted=quoted)
    return _plain_body(part, name, decoded, subject, quoted=quoted), reason


def _decode(raw: bytes, encoding: str, name: str) -> tuple[str, Reason | None]:
    """A body's text, and why it may not be edited. What cannot be read comes out replaced."""
    reason: Reason | None = None
    if encoding not in IDENTITY:
        try:
            raw = transfer_decode(raw, encoding)
        except TransferError:
            reason = Reason.UNDECODABLE
    charset = lookup(name)
    if (
        charset is None
        or ((charset.label == "us-ascii" or "'" in name) and not (raw.isascii() and b"\x1b" not in raw))
        or (b"\x1b" in raw and b"\x1b$" in raw and not charset.label.startswith(_WITH_ESCAPES))
    ):
        # Unknown; or said to be ASCII, or nothing said, and it is not; or in quotes that are none; or
        # ISO-2022 under another name. A guess does for the rules, not for an edit.
        return decode_header(raw), reason or Reason.CHARSET
    if charset.label.startswith(_WITH_ESCAPES) and is_doubtful(raw, charset.label):
        reason = reason or Reason.UNDECODABLE
    try:
        text = decode(raw, charset)
    except CharsetError:
        return decode_anyway(raw, charset), reason or Reason.UNDECODABLE
    if "\0" in text:
        reason = reason or Reason.UNDECODABLE  # some readers see nothing behind it
    return text, reason


def _plain_body(part: Part, name: str, decoded: str, subject: str, *, quoted: bool) -> Body:
    division = all_quoted(decoded) if quoted else divide(decoded, subject)
    new = _pick(decoded, division.new) if division.quoted else whole(decoded)
    return Body(
        leaf=part.index,
        kind="plain",
        charset=name,
        decoded=decoded,
        new=new,
        quoted=_pick(decoded, division.quoted) if division.quoted else NOTHING,
        new_end=division.new_end,
        quote_open=division.open,
    )


def _html_body(
    part: Part, name: str, decoded: str, reason: Reason | None, subject: str, *, quoted: bool
) -> tuple[Body, Reason | None]:
    read = read_html(decoded)
    if read.defect:
        reason = reason or Reason.HTML_DEFECT
    division = all_quoted(read.text) if quoted else divide(read.text, subject)
    spans = _union(read.quoted, division.quoted)
    new = complement(spans, len(read.text))
    body = Body(
        leaf=part.index,
        kind="html",
        charset=name,
        decoded=decoded,
        new=_pick(read.text, new, read),
        quoted=_pick(read.text, spans, read) if spans else NOTHING,
        new_end=_html_end(read, spans),
        quote_open=division.open or read.open,
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


def whole(source: str) -> Prose:
    """The prose of a text of which nothing is left out."""
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
