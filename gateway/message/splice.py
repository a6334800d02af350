"""The splice: the one place where a mail's bytes become other bytes.

Edits replace spans of the input; everything else comes out as it went in, and as spans rather than copies,
so that a changed mail costs what was changed. `undo` is the promise made checkable: it takes the edits out
again.
"""

import mmap
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from gateway.message.fields import Buffer

Span = tuple[int, int]
Piece = bytes | Span

_CHUNK = 1 << 20
_DONT_NEED: int | None = getattr(mmap, "MADV_DONTNEED", None)  # not every system has it
_PLACE = itemgetter(0, 1)


class Edit(NamedTuple):
    """Replace ``data[start:end]`` by `replacement`; an insertion has ``start == end``.

    A named tuple and not a dataclass, as `Part` is: every copy makes them.
    """

    start: int
    end: int
    replacement: bytes


def splice(data: Buffer, edits: Sequence[Edit]) -> tuple[Piece, ...]:
    """Apply `edits` to `data`: new bytes and spans of the input, in order.

    Edits may come in any order. Two insertions at one place keep the order in which they came.
    Raises ValueError where edits overlap or reach outside the data: that is a fault in the caller.
    """
    pieces: list[Piece] = []
    position = 0
    for start, end, replacement in in_order(edits, len(data)):
        if start > position:
            pieces.append((position, start))
        if replacement:
            pieces.append(replacement)
        position = end
    if position < len(data):
        pieces.append((position, len(data)))
    return tuple(pieces)


def in_order(edits: Sequence[Edit], size: int) -> list[Edit]:
    """The edits sorted by place. Raises ValueError where they overlap or reach outside ``0..size``."""
    ordered = sorted(edits, key=_PLACE) if len(edits) > 1 else list(edits)
    position = 0
    for start, end, _ in ordered:
        if not position <= start <= end <= size:
            message = f"edit {start}..{end} overlaps another or lies outside 0..{size}"
            raise ValueError(message)
        position = end
    return ordered


def join(data: Buffer, pieces: Iterable[Piece]) -> bytes:
    """The bytes that `pieces` stand for."""
    joined: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            joined.append(piece)
        else:
            start, end = piece
            joined.append(data[start:end])
    return b"".join(joined)


def blocks(data: Buffer, pieces: Iterable[Piece], size: int) -> Iterator[bytes]:
    """The bytes that `pieces` stand for, no more than `size` of the data at a time.

    Of a file no more than that stays in memory on the way (`let_go`).
    """
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        start, end = piece
        for at in range(start, end, size):
            yield data[at : min(at + size, end)]
            let_go(data)


def let_go(data: Buffer) -> None:
    """Give the pages of a file that were read back to the system (madvise(2), MADV_DONTNEED).

    They come again when somebody reads them; until then they count as nobody's memory.
    """
    if isinstance(data, mmap.mmap) and _DONT_NEED is not None:
        data.madvise(_DONT_NEED)


def undo(edited: Buffer, edits: Sequence[Edit], original: Buffer) -> bytes:
    """Take `edits` out of `edited` again; what they had replaced is taken from `original`.

    Gives back the original bytes, and nothing else, exactly when `edited` differs from it only by the edits.
    Raises ValueError where a replacement does not stand where it should.
    """
    out: list[bytes] = []
    position = 0  # in edited
    reached = 0  # in original
    for edit in in_order(edits, len(original)):
        kept = edit.start - reached
        out.append(edited[position : position + kept])
        position += kept
        if edited[position : position + len(edit.replacement)] != edit.replacement:
            message = f"the replacement at {edit.start} is not in the edited bytes"
            raise ValueError(message)
        position += len(edit.replacement)
        out.append(original[edit.start : edit.end])
        reached = edit.end
    out.append(edited[position:])
    return b"".join(out)


def differs_only_by(edited: Buffer, ordered: Sequence[Edit], original: Buffer) -> bool:
    """Whether `undo` would give back `original`, found by comparing in bounded memory.

    `ordered` are the edits as `in_order` gives them.
    """
    position = reached = 0
    size = len(original)
    for start, end, replacement in (*ordered, (size, size, b"")):
        while reached < start:  # in chunks, so that an mmap is never copied whole
            step = min(start - reached, _CHUNK)
            if edited[position : position + step] != original[reached : reached + step]:
                return False
            position += step
            reached += step
        if edited[position : position + len(replacement)] != replacement:
            return False
        position += len(replacement)
        reached = end
    return position == len(edited)
