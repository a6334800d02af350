"""The text of a letter as what stays the same and what changes, paragraph by paragraph.

A paragraph here is what stands between blank lines of the body (CRLF CRLF, its transfer encoding undone).
Read by itself it says what it says in the whole, so that of a letter of a known template only what changes
has to be read:

* In the charsets of `_BY_ITSELF` no character goes over a line end, and nothing is shifted there: a piece of
  ISO-2022-JP has to end in ASCII. A charset is read in the first of its decoders that can read all of a text.
  That is the template's where what stays the same can be read in it and in none before; what changes must
  be, too.
* The normal form of a text without NUL is that of its paragraphs, those that have none left out: a blank
  line ends whatever white space, case and Unicode's normal forms look at.
* Nothing by which a quote is known goes over a blank line. Where such a thing stands in a letter, the whole
  of it is divided as ever, and only what has no quote is of a template.

A template is made of a letter that was read, and must read it alike to be of use (`gateway.message.letters`).
"""

from collections.abc import Sequence
from itertools import count, pairwise
from typing import NamedTuple

from gateway.message.charset import Charset, decode_as, is_doubtful, lookup
from gateway.message.normalise import normalise
from gateway.message.quotes import divide, may_quote
from gateway.message.text import Letter, Prose

_BY_ITSELF = frozenset(
    {"us-ascii", "utf-8", "iso-2022-jp", "shift_jis", "euc-jp", "iso-8859-1", "windows-1252"}
)
_SHIFTING = "iso-2022-jp"
_ASCII = b"\x1b(B"
_BLANK_LINES = (b"\r\n\r\n", b"\n\n")

_numbers = count()  # never given twice


class Stretch(NamedTuple):
    """Paragraphs that stay the same, with the blank lines between them and those that change."""

    octets: bytes
    decoded: str
    text: str


class Template(NamedTuple):
    """What letters have in common.

    `letter` is what they are known by to others. `blank` is their blank line. `before` each paragraph that
    changes is a stretch, and `last` is behind them. `doubtful`: something in them may introduce a quote.
    """

    letter: Letter
    subject: Prose
    charset: Charset
    codec: str
    blank: bytes
    before: tuple[Stretch, ...]
    last: Stretch
    doubtful: bool

    @property
    def octets(self) -> int:
        """How many of them it holds."""
        return sum(len(stretch.octets) for stretch in (*self.before, self.last))

    def read(self, octets: bytes) -> tuple[str, str] | None:
        """The text of a letter of this template and its normal form; None for any other letter."""
        last = self.last.octets
        if not octets.endswith(last):
            return None
        reached = 0
        changing = []
        for stretch in self.before:
            if not octets.startswith(stretch.octets, reached):
                return None
            start = reached + len(stretch.octets)
            reached = octets.find(self.blank, start)
            if reached < 0:
                reached = len(octets)
            changing.append(octets[start:reached])
        return self._put_together(changing) if reached + len(last) == len(octets) else None

    def _put_together(self, changing: Sequence[bytes]) -> tuple[str, str] | None:
        decoded: list[str] = []
        text: list[str] = []
        doubtful = self.doubtful
        for stretch, octets in zip(self.before, changing, strict=True):
            paragraph = _read(octets, self.charset, self.codec)
            if paragraph is None:
                return None
            normal = normalise(paragraph)
            if not normal or "\n" in normal:
                return None
            decoded += stretch.decoded, paragraph
            text += stretch.text, normal
            doubtful = doubtful or may_quote(paragraph)
        source = "".join([*decoded, self.last.decoded])
        if doubtful and divide(source, self.subject.source).quoted:
            return None
        return source, "".join([*text, self.last.text])


def blank_line(octets: bytes) -> bytes:
    """That by which a text is cut into paragraphs."""
    crlf, lf = _BLANK_LINES
    return lf if lf in octets and crlf not in octets else crlf


def template_of(octets: bytes, changing: Sequence[int], name: str, subject: Prose) -> Template | None:
    """What other letters may share with a text: all but some of its paragraphs.

    `changing` are their indexes, in order; `name` is the charset's. None where it can't be read in pieces.
    """
    charset = lookup(name)
    if charset is None or charset.label not in _BY_ITSELF or "'" in name:
        return None
    blank = blank_line(octets)
    paragraphs = octets.split(blank)
    pieces = []
    for left, right in pairwise((-1, *changing, len(paragraphs))):
        inside = paragraphs[left + 1 : right]
        if left >= 0:
            inside.insert(0, b"")  # for the blank line behind one that changes
        if right < len(paragraphs):
            inside.append(b"")
        pieces.append(blank.join(inside))
    for codec in charset.decoders:
        stretches = _stretches(pieces, charset, codec)
        if stretches is not None:
            break
    else:
        return None
    indexes, lines = [], 0
    for stretch in stretches[:-1]:
        lines += stretch.text.count("\n")
        indexes.append(lines)
    return Template(
        letter=Letter(next(_numbers), tuple(indexes)),
        subject=subject,
        charset=charset,
        codec=codec,
        blank=blank,
        before=stretches[:-1],
        last=stretches[-1],
        doubtful=any(may_quote(stretch.decoded) for stretch in stretches),
    )


def _stretches(pieces: Sequence[bytes], charset: Charset, codec: str) -> tuple[Stretch, ...] | None:
    """What is said by pieces of a text between which something changes."""
    found = []
    for at, octets in enumerate(pieces):
        decoded = _read(octets, charset, codec)
        if decoded is None:
            return None
        text = normalise(decoded)
        if at < len(pieces) - 1 and (text or at):
            text += "\n"
        if at and text not in {"", "\n"}:
            text = "\n" + text
        found.append(Stretch(octets, decoded, text))
    return tuple(found)


def _read(octets: bytes, charset: Charset, codec: str) -> str | None:
    """The text of a piece; None where it can't be read without what is around it, or not without a doubt."""
    if charset.label == _SHIFTING:
        last = octets.rfind(b"\x1b")
        if is_doubtful(octets, charset.label) or (last >= 0 and not octets.startswith(_ASCII, last)):
            return None
    elif b"\x1b" in octets:
        return None
    text = decode_as(octets, codec)
    return None if text is None or "\0" in text else text
