"""Putting text into an encoded body: what changes in the raw bytes when a run goes into the decoded ones.

For each transfer encoding two things: where in the raw body a position of the decoded payload lies, and
what to write there so that everything around it stays as it is.

* 7bit, 8bit, binary: the place is the place.
* quoted-printable: the run is encoded in lines of at most 76, joined to what is before and after it by soft
  breaks; no line of the original is written anew (RFC 2045 §6.7).
* base64: written anew from the group of four that the place falls into to the end, with the body's own line
  length (RFC 2045 §6.8).
"""

import re
from binascii import b2a_base64
from typing import Final

from gateway.footer.scripts import Script

QP_LINE: Final = 76
"""RFC 2045 §6.7 rule 5, the ``=`` of a soft break included."""
BASE64_LINE: Final = 76
MAX_LINE: Final = 998
"""Octets in a line without its CRLF (RFC 5322 §2.1.1)."""

_QP_LITERAL: Final = re.compile(r"[\t -<>-~]*")
_PRINTABLE: Final = re.compile(r"[\t -~]*")
_QP_UNIT: Final = re.compile(rb"=[0-9A-Fa-f]{2}|.", re.DOTALL)
_BASE64_RUN: Final = re.compile(rb"[^\r\n \t]++")
_QP_OCTETS: Final = [
    chr(octet) if octet == 0x09 or (0x20 <= octet < 0x7F and octet != 0x3D) else f"={octet:02X}"
    for octet in range(256)
]
_ATOMS: Final = {chr(octet): _QP_OCTETS[octet] for octet in range(128)}


# --- quoted-printable ------------------------------------------------------------------------------------


def quoted(text: str, script: Script, *, newline: str = "\r\n", column: int = 0) -> bytes | None:
    """`text`, whose line ends are `newline`, in quoted-printable; None where the charset cannot hold it.

    `column` octets of the first line are taken already. CRLF is written as a line end, LF alone as
    ``=0A`` and a soft break. No character is split between two lines. The result ends where the text
    ends.
    """
    raw_ends = newline == "\r\n" and not script.wide
    *ended, last = text.split(newline)
    lines = [*ended, last] if raw_ends else [*(line + newline for line in ended), *([last] if last else [])]
    written: list[str] = []
    for line in lines:
        short = column + len(line) < QP_LINE and not script.wide
        if short and not line.endswith((" ", "\t")) and _QP_LITERAL.fullmatch(line):
            wrapped: str | None = line
        else:
            wrapped = (
                _utf8_line(line, column) if script.codec == "utf-8" else _atom_line(line, script, column)
            )
        if wrapped is None:
            return None
        written.append(wrapped)
        column = 0
    return ("\r\n" if raw_ends else "=\r\n").join(written).encode("ascii")


def _utf8_line(line: str, column: int) -> str:
    """A line of UTF-8 with soft breaks between characters."""
    octets = line.encode()
    if _PRINTABLE.fullmatch(line):
        written = line.replace("=", "=3D")
    else:
        written = "".join(map(_QP_OCTETS.__getitem__, octets))
    if octets[-1:] in {b" ", b"\t"}:
        written = written[:-1] + _escaped(octets[-1:])  # rule 3: no blank at a line's end
    pieces: list[str] = []
    at = 0
    while len(written) - at > QP_LINE - 1 - column:
        end = at + QP_LINE - 1 - column
        column = 0
        last = written.rfind("=", max(at, end - 2), end)
        if last >= 0:
            end = last
        # A continuation octet (10xxxxxx) begins no character.
        while written[end : end + 1] == "=" and written[end + 1] in "89AB" and end > at:
            end -= 3
        pieces.append(written[at:end])
        at = end
    pieces.append(written[at:])
    return "=\r\n".join(pieces)


def _atom_line(line: str, script: Script, column: int) -> str | None:
    """A line in another charset, broken between characters where they can be told apart."""
    atoms: list[str] = []
    if script.by_character:
        for character in line:
            atom = _ATOMS.get(character)
            if atom is None:
                written = script.write(character)
                if written is None:
                    return None
                atom = _escaped(written)
            atoms.append(atom)
    else:
        # A character alone would bring its own escape sequences.
        written = script.write(line)
        if written is None:
            return None
        atoms = [_escaped(bytes((octet,))) if script.wide else _QP_OCTETS[octet] for octet in written]
    if atoms and atoms[-1] in {" ", "\t"}:
        atoms[-1] = _escaped(atoms[-1].encode())
    return _wrap(atoms, column)


def _escaped(octets: bytes) -> str:
    return "".join([f"={octet:02X}" for octet in octets])


def _wrap(atoms: list[str], column: int) -> str:
    """Join atoms into lines with soft breaks."""
    room = QP_LINE - 1  # for the "=" of a soft break
    out: list[str] = []
    for atom in atoms:
        column += len(atom)
        if column > room:
            out.append("=\r\n")
            column = len(atom)
        out.append(atom)
    return "".join(out)


def quoted_offset(raw: bytes, position: int) -> int:
    """Where in a quoted-printable body the decoded octet number `position` begins, which is not past its end.

    Of several places (soft breaks) it is the last one: there a raw line begins.
    """
    at = 0
    left = position
    for line in raw.split(b"\r\n"):
        bare = line.rstrip(b" \t")
        octets = len(bare) - 2 * bare.count(b"=") + (1 if bare.endswith(b"=") else 2)
        if octets > left:
            for unit in _QP_UNIT.finditer(line):
                if left == 0:
                    break
                left -= 1
                at += len(unit[0])
            return at
        left -= octets
        at += len(line) + 2
    return quoted_end(raw)


def quoted_end(raw: bytes) -> int:
    """The end of the text: before blanks, and before a soft break, which swallows the line end behind it."""
    bare = raw.rstrip(b" \t")
    return len(bare.removesuffix(b"=\r\n" if bare.endswith(b"\r\n") else b"="))


def place_quoted(raw: bytes, span: tuple[int, int], run: str, script: Script, newline: str) -> bytes | None:
    """What replaces that span of `raw` so that `run` stands there; None where the charset cannot hold it."""
    start, end = span
    column = start - (raw.rfind(b"\n", 0, start) + 1)
    head = b""
    blank_before = raw[max(0, start - 1) : start] in {b" ", b"\t"}  # it would be lost at a line's end
    if column and run and (blank_before or not run.startswith(newline)):
        head, column = b"=\r\n", 0
    written = quoted(run, script, newline=newline, column=column)
    if written is None:
        return None
    tail = b""
    rest = raw[end : end + 3]
    follows = rest not in (b"", b"=") and not rest.startswith((b"\r\n", b"=\r\n"))
    if follows and not written.endswith(b"\r\n") and (run or (column and end > start)):
        tail = b"=\r\n"  # what follows begins a raw line, so that it stays as short as it was
    return head + written + tail


# --- base64 ----------------------------------------------------------------------------------------------


def place_base64(raw: bytes, payload: bytes, changes: list[tuple[int, int, bytes]]) -> tuple[int, int, bytes]:
    """The edit of a base64 body (start, end, replacement) that makes `changes` in its decoded `payload`.

    `changes` are spans of the payload and what replaces them, in order and apart from each other.
    """
    group = changes[0][0] // 3
    tail = bytearray(payload[group * 3 : changes[0][0]])
    for number, (_, end, replacement) in enumerate(changes):
        tail += replacement
        tail += payload[end : changes[number + 1][0] if number + 1 < len(changes) else None]
    stop = len(raw.rstrip(b"\r\n \t"))
    first = raw.find(b"\r\n", 0, stop)
    width = first if 0 < first <= MAX_LINE else BASE64_LINE
    start, column = _base64_offset(raw, group * 4, width, stop)
    return start, stop, wrap_base64(bytes(tail), width, column)


def wrap_base64(content: bytes, width: int = BASE64_LINE, column: int = 0) -> bytes:
    """`content` in base64, in lines of `width` joined by CRLF; the first one has `column` octets already."""
    encoded = b2a_base64(content, newline=False)
    room = max(0, width - column)
    lines = [encoded[:room]] if room or column else []
    lines += [encoded[at : at + width] for at in range(room, len(encoded), width)]
    return b"\r\n".join(lines)


def _base64_offset(raw: bytes, count: int, width: int, stop: int) -> tuple[int, int]:
    """Where base64 character number `count` stands in the body, and in which column of its line."""
    ends = raw.count(b"\r", 0, stop)
    full = raw[width : stop : width + 2].count(b"\r") == ends == (stop + 1) // (width + 2)
    if (
        full and raw.find(b" ", 0, stop) < 0 and raw.find(b"\t", 0, stop) < 0
    ):  # all lines but the last are full
        line, column = divmod(count, width)
        if column == 0 and line:
            line, column = line - 1, width  # at the end of a full line: what follows begins with a line end
        return line * (width + 2) + column, column
    at = stop
    left = count
    for run in _BASE64_RUN.finditer(raw, 0, stop):  # blanks do not count (RFC 2045 §6.8)
        if left <= len(run[0]):
            at = run.start() + left
            break
        left -= len(run[0])
    return at, at - (raw.rfind(b"\n", 0, at) + 1)


# --- whole bodies ----------------------------------------------------------------------------------------


def too_long(body: bytes) -> bool:
    """Whether a line has more than 998 octets."""
    if len(body) <= MAX_LINE:
        return False
    *ended, last = map(len, body.split(b"\n"))
    return last > MAX_LINE or max(ended, default=0) > MAX_LINE + len(b"\r")
