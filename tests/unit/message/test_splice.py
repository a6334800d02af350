"""Edits change what they name and nothing else, and can be undone."""

import pytest

from gateway.message.splice import Edit, blocks, differs_only_by, join, splice, undo

DATA = b"0123456789"


def edit(start: int, end: int, replacement: bytes) -> Edit:
    """An edit, written short."""
    return Edit(start=start, end=end, replacement=replacement)


def test_what_is_not_edited_stays_a_span() -> None:
    """Nothing of the input is copied: unchanged runs come out as spans."""
    assert splice(DATA, [edit(8, 9, b"x"), edit(2, 2, b"ab")]) == ((0, 2), b"ab", (2, 8), b"x", (9, 10))


def test_join_puts_the_bytes_together() -> None:
    """Replacement, insertion, deletion."""
    edits = [edit(0, 2, b""), edit(5, 5, b"-"), edit(9, 10, b"end")]
    assert join(DATA, splice(DATA, edits)) == b"234-5678end"


def test_no_edits_give_the_input_as_one_span() -> None:
    """A mail that is not changed is its own copy."""
    assert splice(DATA, []) == ((0, 10),)
    assert splice(b"", []) == ()


def test_insertions_at_one_place_keep_their_order() -> None:
    """The first in the sequence stands first."""
    assert join(DATA, splice(DATA, [edit(3, 3, b"a"), edit(3, 3, b"b")])) == b"012ab3456789"


@pytest.mark.parametrize("wrong", [[(2, 5), (4, 6)], [(2, 5), (3, 3)], [(8, 11)], [(-1, 2)], [(5, 4)]])
def test_edits_that_overlap_or_reach_outside_are_refused(wrong: list[tuple[int, int]]) -> None:
    """That is a fault in the caller, never a mail that goes out wrong."""
    with pytest.raises(ValueError, match="overlaps another or lies outside"):
        splice(DATA, [edit(start, end, b"") for start, end in wrong])


def test_undo_gives_back_the_input() -> None:
    """The promise, made checkable."""
    edits = [edit(0, 2, b"new"), edit(5, 5, b"-"), edit(9, 10, b"")]
    edited = join(DATA, splice(DATA, edits))
    assert undo(edited, edits, DATA) == DATA
    assert differs_only_by(edited, edits, DATA)


@pytest.mark.parametrize("at", range(13))
def test_any_other_change_is_noticed(at: int) -> None:
    """One byte more that differs, inside or outside the replacements, and the comparison fails."""
    edits = [edit(0, 2, b"new"), edit(5, 5, b"--"), edit(9, 10, b"x")]
    edited = bytearray(join(DATA, splice(DATA, edits)))
    edited[at] ^= 1
    assert not differs_only_by(bytes(edited), edits, DATA)


def test_bytes_missing_or_added_are_noticed() -> None:
    """Also at the very end."""
    edits = [edit(5, 5, b"-")]
    edited = join(DATA, splice(DATA, edits))
    assert not differs_only_by(edited + b"!", edits, DATA)
    assert not differs_only_by(edited[:-1], edits, DATA)
    assert not differs_only_by(DATA, edits, DATA)


def test_undo_needs_the_replacement_in_its_place() -> None:
    """Undoing what was not done is a fault in the caller."""
    with pytest.raises(ValueError, match="is not in the edited bytes"):
        undo(DATA, [edit(5, 5, b"-")], DATA)


def test_blocks_of_new_and_old_bytes() -> None:
    """What is new comes whole, what is old no more than so many octets at a time."""
    assert list(blocks(b"0123456789", [(0, 5), b"new", (8, 10)], 4)) == [b"0123", b"4", b"new", b"89"]


def test_what_is_taken_out_leaves_no_piece() -> None:
    """Nothing is written for it."""
    assert splice(b"abc", [Edit(start=1, end=2, replacement=b"")]) == ((0, 1), (2, 3))


@pytest.mark.parametrize("at", [0, 1_300_000, 2_600_002])
def test_large_mails_are_compared_to_the_end(at: int) -> None:
    """In chunks, each of them at its own place."""
    data = b"".join(b"%07d\r\n" % number for number in range(290_000))
    edits = [Edit(start=1_000_000, end=1_000_001, replacement=b"new")]
    edited = bytearray(join(data, splice(data, edits)))
    assert differs_only_by(bytes(edited), edits, data)
    edited[at] ^= 1
    assert not differs_only_by(bytes(edited), edits, data)
