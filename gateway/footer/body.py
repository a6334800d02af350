"""One body that gets a footer: everything that is the same for all copies, and the encoding of one copy.

Three ways, in this order: the run goes into the body as it is; the charset cannot hold it, and the part
moves to UTF-8; the transfer encoding cannot, and the part moves to base64 or quoted-printable. A part
never leaves with 8-bit octets that came without (SMTP.md rule 14), nor with a longer line than 998 octets
of ours.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.errors import MailUnreadable
from gateway.footer import carry
from gateway.footer.form import Links, form_of
from gateway.footer.mimefields import field_edits
from gateway.footer.place import Spot, set_apart
from gateway.footer.scripts import ASCII_STATE, UTF_8, Script, same_charset, shift_at
from gateway.footer.template import FooterText
from gateway.message.scan import Message, Part, Span
from gateway.message.splice import Edit
from gateway.reason import Reason

IDENTITY: Final = frozenset({"7bit", "8bit", "binary"})
_META: Final = re.compile(r"<meta\b[^>]{0,500}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
# Where a part's name says ISO-8859-1 and its bytes say Windows-1252 (or the like), readers differ on these;
# in UTF-8 they would be one thing to all, and wrong to many. The last are what CP932 makes of no character.
_DOUBTFUL: Final = re.compile(r"[\x80-\x9f\uf8f0-\uf8f3]")
_SAFE_LABELS: Final = frozenset({"utf-8", "us-ascii"})


class Target(NamedTuple):
    """A body, and the place in it. `raw` is as it came, `payload` decoded once, `decoded` decoded twice.

    `spans` are those of `decoded` that change, in order; `offsets` are where in `payload` they lie, empty
    where the part has to move.
    """

    part: Part
    html: bool
    charset: str
    raw: bytes
    payload: bytes
    decoded: str
    script: Script | None
    newline: str
    flowed: bool
    spot: Spot
    spans: tuple[Span, ...]
    offsets: tuple[Span, ...]

    def run(self, footer: str) -> str:
        """What goes in for `footer`, whose line ends are LF."""
        if self.html and not footer.isascii() and not self._holds(footer):
            footer = _NOT_ASCII.sub(lambda found: f"&#{ord(found[0])};", footer)
        return set_apart(footer, (self.newline, self.spot.lead, self.spot.trail, self.flowed))

    def _holds(self, footer: str) -> bool:
        """Whether an HTML part can carry the footer as it is written; if not, character references can."""
        if self.script is None:
            return True  # it moves to UTF-8
        if not self.script.wide:
            meta = _META.search(self.decoded, 0, 4096)
            if meta is not None and not same_charset(meta[1], self.charset):
                return False
        written = self.script.write(footer)
        if written is None:
            return False
        # Rather than move an all-ASCII body to another transfer encoding.
        return written.isascii() or self.part.encoding not in IDENTITY or not self.raw.isascii()

    def texts(self, run: str) -> Sequence[str]:
        """What comes in place of each of `spans`."""
        if len(self.spans) == 1:
            return (run,)
        return [run if start == self.spot.start else "" for start, _ in self.spans]

    def new_text(self, run: str) -> str:
        """The whole decoded text with `run` in it."""
        if len(self.spans) == 1:
            ((start, end),) = self.spans
            return f"{self.decoded[:start]}{run}{self.decoded[end:]}"
        pieces: list[str] = []
        reached = 0
        for (start, end), text in zip(self.spans, self.texts(run), strict=True):
            pieces += (self.decoded[reached:start], text)
            reached = end
        pieces.append(self.decoded[reached:])
        return "".join(pieces)

    def edits(self, message: Message, run: str) -> list[Edit]:
        """The edits of the mail that put `run` into this body.

        Raises `MailUnreadable` where a field cannot be edited.
        """
        if self.script is not None and (found := self._in_place(self.script, run)) is not None:
            return found
        return self._moved(message, run)

    def filled(self, footer: FooterText, links: Links, token: str) -> tuple[str, list[Edit]] | None:
        """`run` and `edits` for the copy with this token, by a form that is made once.

        None where there is none; there is one for plain text without a transfer encoding, in a charset that
        holds the footer.
        """
        script, spot = self.script, self.spot
        if script is None or self.html or len(self.offsets) != 1 or self.part.encoding not in IDENTITY:
            return None
        form = form_of(footer, links, script, (self.newline, spot.lead, spot.trail, self.flowed))
        if form is None:
            return None
        first, last = self.offsets[0]
        written = token.encode("ascii").join(form.octets)
        if script.label == "iso-2022-jp":
            written = self._in_ascii_state(written, first, last)
        edits = self._as_is(((first, last, written),))
        return None if edits is None else (token.join(form.texts), edits)

    # --- in place ----------------------------------------------------------------------------------------

    def _in_place(self, script: Script, run: str) -> list[Edit] | None:
        """The edits that keep charset and transfer encoding; None where they cannot hold the run."""
        base = self.part.body[0]
        changes = zip(self.offsets, self.texts(run), strict=True)
        edits: list[Edit] = []
        if self.part.encoding == "quoted-printable":
            for (first, last), text in changes:
                if script.label == "iso-2022-jp" and (
                    shift_at(self.payload, first) or shift_at(self.payload, last)
                ):
                    return None
                start = self._raw_quoted(first)
                end = start if last == first else self._raw_quoted(last)
                written = carry.place_quoted(self.raw, (start, end), text, script, self.newline)
                if written is None:
                    return None
                edits.append(Edit(start=base + start, end=base + end, replacement=written))
            return edits
        octets: list[tuple[int, int, bytes]] = []
        for (first, last), text in changes:
            written = script.write(text)
            if written is None:
                return None
            if text and script.label == "iso-2022-jp":
                written = self._in_ascii_state(written, first, last)
            octets.append((first, last, written))
        if self.part.encoding == "base64":
            start, end, replacement = carry.place_base64(self.raw, self.payload, octets)
            return [Edit(start=base + start, end=base + end, replacement=replacement)]
        return self._as_is(octets)

    def _as_is(self, changes: Sequence[tuple[int, int, bytes]]) -> list[Edit] | None:
        """The edits of a body without a transfer encoding; None where it cannot hold what is new."""
        base = self.part.body[0]
        edits: list[Edit] = []
        eight_bit = not self.raw.isascii()
        for first, last, new in changes:
            if carry.too_long(new) or not (eight_bit or new.isascii()):
                return None
            if self.script is not None and self.script.wide and b"\0" in new:
                # No NUL without a transfer encoding (RFC 2045 §2.7), though the old text has none.
                return None
            edits.append(Edit(base + first, base + last, new))
        return edits

    def _raw_quoted(self, offset: int) -> int:
        if offset >= len(self.payload):
            return carry.quoted_end(self.raw)
        return carry.quoted_offset(self.raw, offset)

    def _in_ascii_state(self, written: bytes, start: int, end: int) -> bytes:
        """`written` between the escape sequences that a text needs which is not in ASCII there (RFC 1468)."""
        before = shift_at(self.payload, start)
        if before:
            written = ASCII_STATE + written
        after = shift_at(self.payload, end)
        if after and end < len(self.payload):
            # Before the last line end: readers differ on whether one ends the state.
            bare = written.removesuffix(b"\n").removesuffix(b"\r")
            written = bare + after + written[len(bare) :]
        return written

    # --- moved -------------------------------------------------------------------------------------------

    def _moved(self, message: Message, run: str) -> list[Edit]:
        """The edits that write the whole body anew, in UTF-8 if its charset cannot hold the run."""
        text = self.new_text(run)
        payload = self._spliced(run)
        charset = None
        script = self.script
        if payload is None or script is None:
            if not same_charset(self.charset, "utf-8") and _DOUBTFUL.search(text):
                raise MailUnreadable(Reason.UNDECODABLE, "characters that readers of its charset differ on")
            try:
                payload, charset, script = text.encode(), "UTF-8", UTF_8
            except UnicodeEncodeError as error:  # half of a surrogate pair, which UTF-7 can hold
                raise MailUnreadable(Reason.UNDECODABLE, str(error)) from error
        encoding, body = self._encoded(payload, text, script)
        kept = encoding == self.part.encoding
        edits = field_edits(message, self.part, charset=charset, encoding=None if kept else encoding)
        start, end = self.part.body
        return [*edits, Edit(start=start, end=end, replacement=body)]

    def _spliced(self, run: str) -> bytes | None:
        """The payload with the run in it, in the part's own charset."""
        if self.script is None:
            return None
        pieces: list[bytes] = []
        reached = 0
        for (first, last), text in zip(self.offsets, self.texts(run), strict=True):
            written = self.script.write(text)
            if written is None:
                return None
            if text and self.script.label == "iso-2022-jp":
                written = self._in_ascii_state(written, first, last)
            pieces += (self.payload[reached:first], written)
            reached = last
        pieces.append(self.payload[reached:])
        return b"".join(pieces)

    def _encoded(self, payload: bytes, text: str, script: Script) -> tuple[str, bytes]:
        """The transfer encoding of the moved part, and its body."""
        came = self.part.encoding
        if came in IDENTITY and not carry.too_long(payload) and b"\0" not in payload:
            if payload.isascii():
                return came, payload
            if not self.raw.isascii():
                return came, payload
        width = carry.BASE64_LINE
        if came == "base64":
            first = self.raw.find(b"\r\n")
            width = first if 0 < first <= carry.MAX_LINE else width
        quotable = script.label in _SAFE_LABELS and came != "base64"
        quotable = quotable and (came == "quoted-printable" or _mostly_ascii(payload))
        if quotable and (body := carry.quoted(text, script, newline=self.newline)) is not None:
            return "quoted-printable", body
        body = carry.wrap_base64(payload, width)
        return "base64", body + b"\r\n" if self.raw.endswith(b"\r\n") else body


def _mostly_ascii(payload: bytes) -> bool:
    """Whether quoted-printable is shorter than base64, roughly."""
    others = len(payload) - len(payload.translate(None, _HIGH))
    return others * 6 < len(payload)


_HIGH: Final = bytes(range(0x80, 0x100))
