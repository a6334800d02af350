"""Taking a marker out of a subject, by splice: only the bytes that spell it go, and the blank beside it.

A subject can be raw text, encoded words (RFC 2047), or both, in any charset that mail has, folded anywhere;
and a long one is cut into words in the middle of what it says. So the place is searched for in each piece, in
the form in which that piece would spell the marker, and the result is decoded again: it must say what it said
before, without the marker. Where nothing does, the subject stays as it is.
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from gateway.message.charset import lookup
from gateway.message.fields import Field, unfolded
from gateway.message.scan import Message
from gateway.message.splice import Edit
from gateway.message.subject import BETWEEN, WORD, Word, decode_header, read_word

#: Octets of a subject that is looked at; nobody writes longer ones.
MAX_SUBJECT = 2_048
#: Markers that are taken out of one subject.
MAX_MARKERS = 4
#: Places at which one may stand that are tried: a subject is decoded anew for each.
MAX_PLACES = 32

_BLANK = " \t\u3000"
_FOLD = b" \t\r\n"
_SPACE = re.compile(r"\s+")
#: How text may be spelled that stands in a header as it is.
_RAW_CODECS = ("utf-8", "iso2022_jp", "cp932", "euc_jp")
_ESCAPE = re.compile(rb"\x1b(?:\([BJIH]|\$[@B])")
_ESCAPES = b"(?>(?:" + _ESCAPE.pattern + b")*)"
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def subject_edits(message: Message, marker: re.Pattern[str]) -> tuple[Edit, ...]:
    """The edit that takes every `marker` out of the Subject field; none where it cannot be done."""
    field = message.head.first(b"subject")
    if field is None or field.end - field.value_start > MAX_SUBJECT:
        return ()
    before = bytes(message.data[field.value_start : field.end - 2])
    after = without(before, marker)
    return () if after is None or after == before else (_smallest(field, before, after),)


def without(value: bytes, marker: re.Pattern[str]) -> bytes | None:
    """A field's value (folds and all) without any `marker`; None where one cannot be taken out."""
    for _ in range(MAX_MARKERS):
        text = decode_header(unfolded(value))
        found = marker.search(text)
        if found is None:
            return value
        shorter = _without_first(value, text, *found.span())
        if shorter is None:
            return None
        value = shorter
    return None


def _without_first(value: bytes, text: str, start: int, end: int) -> bytes | None:
    wanted = _SPACE.sub("", text[:start] + text[end:])
    for spelled in _with_blank(text, start, end):
        for candidate in islice(_candidates(value, spelled), MAX_PLACES):
            if _SPACE.sub("", decode_header(unfolded(candidate))) == wanted:
                return candidate
    return None


def _with_blank(text: str, start: int, end: int) -> Iterator[str]:
    """The marker with the blank that would stand there for nothing; the marker alone."""
    if text[end : end + 1] in _BLANK and end < len(text):
        yield text[start : end + 1]
    elif end == len(text) and start and text[start - 1] in _BLANK:
        yield text[start - 1 : end]
    yield text[start:end]


def _candidates(value: bytes, spelled: str) -> Iterator[bytes]:
    """The value without `spelled`, at every place where it may stand."""
    for piece in _pieces(value):
        for form in _forms(spelled, piece):
            for found in form.finditer(piece.payload):
                yield piece.without(value, *found.span())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Raw text, or a run of encoded words of one charset. `words` is empty for raw text."""

    start: int
    end: int
    payload: bytes
    charset: str
    words: Sequence[tuple[re.Match[bytes], Word]]

    def without(self, value: bytes, start: int, end: int) -> bytes:
        """The whole value without ``payload[start:end]``."""
        if not self.words:
            return _joined(value[: self.start + start], value[self.start + end :])
        kept: list[bytes] = []
        at, reached = 0, self.start
        for found, word in self.words:
            low, high = max(start - at, 0), max(min(end - at, len(word.payload)), 0)
            at += len(word.payload)
            between, reached = value[reached : found.start()], found.end()
            written = found[0]
            if low < high:
                shifts = b"".join(_ESCAPE.findall(word.payload, low, high))
                payload = word.payload[:low] + shifts + word.payload[high:]
                written = _encoded(found, payload) if _ESCAPE.sub(b"", payload) else b""
            if written:
                kept += (between if kept else b"", written)
        left, right = value[: self.start], value[self.end :]
        return left + b"".join(kept) + right if kept else _joined(left, right)


def _pieces(value: bytes) -> Iterator[_Piece]:
    reached = 0
    run: list[tuple[re.Match[bytes], Word]] = []
    for found in WORD.finditer(value):
        word = read_word(found)
        if run and (
            not BETWEEN.fullmatch(value, reached, found.start()) or run[-1][1].charset != word.charset
        ):
            yield _run(run)
            run = []
        if not run:
            yield _raw(value, reached, found.start())
        run.append((found, word))
        reached = found.end()
    if run:
        yield _run(run)
    yield _raw(value, reached, len(value))


def _run(words: Sequence[tuple[re.Match[bytes], Word]]) -> _Piece:
    return _Piece(
        start=words[0][0].start(),
        end=words[-1][0].end(),
        payload=b"".join(word.payload for _, word in words),
        charset=words[0][1].charset,
        words=tuple(words),
    )


def _raw(value: bytes, start: int, end: int) -> _Piece:
    return _Piece(start=start, end=end, payload=value[start:end], charset="", words=())


def _forms(spelled: str, piece: _Piece) -> Iterator[re.Pattern[bytes]]:
    """How the piece would spell it. Between two characters may be escape sequences, which stay."""
    charset = lookup(piece.charset) if piece.words else None
    codecs = _RAW_CODECS if charset is None else (*filter(None, (charset.encoder,)), *charset.decoders)
    seen = set()
    for codec in codecs:
        try:
            signs = tuple(_ESCAPE.sub(b"", sign.encode(codec)) for sign in spelled)
        except (UnicodeEncodeError, LookupError):
            continue
        if signs not in seen:
            seen.add(signs)
            yield re.compile(_ESCAPES.join(map(re.escape, signs)))


def _encoded(found: re.Match[bytes], payload: bytes) -> bytes:
    """The word with another payload; charset, language and encoding as they were written."""
    if found[2] in b"bB":
        text = binascii.b2a_base64(payload, newline=False)
    else:
        text = b"".join(
            b"_" if octet == 0x20 else bytes((octet,)) if octet in _Q_SAFE else b"=%02X" % octet
            for octet in payload
        )
    return b"=?%b?%b?%b?=" % (found[1], found[2], text)


def _joined(left: bytes, right: bytes) -> bytes:
    """Two ends of a value where something stood between them: no white space twice, no line of blanks."""
    if not right.strip(_FOLD):
        return left.rstrip(_FOLD) or b" "
    if right[:1] in _FOLD or not left.strip(_FOLD):
        left = left.rstrip(_FOLD)
        return left + right if left else b" " + right.lstrip(_FOLD)
    return left + right


def _smallest(field: Field, before: bytes, after: bytes) -> Edit:
    """The edit that changes no more than differs."""
    front = 0
    while front < min(len(before), len(after)) and before[front] == after[front]:
        front += 1
    back = 0
    while back < min(len(before), len(after)) - front and before[-1 - back] == after[-1 - back]:
        back += 1
    return Edit(
        start=field.value_start + front,
        end=field.value_start + len(before) - back,
        replacement=after[front : len(after) - back],
    )
