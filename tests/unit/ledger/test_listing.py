import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.intake import Unreadable
from gateway.ledger.listing import read_list


def entries(content: bytes, **more: object) -> list[tuple[int, dict[str, object] | str]]:
    """Number, and values or fault, of each line."""
    return [
        (line.number, line.fault or dict(line.values))
        for line in read_list(content, **more)  # type: ignore[arg-type]
    ]


def test_csv_by_header() -> None:
    """Any order, other columns passed over, blank lines too; numbers are those of the file."""
    content = b"\xef\xbb\xbfname,Registered_At,id\r\nx,2026-12-01,A-1\r\n,,\r\n\r\ny,2026-12-02,A-2\r\n"
    assert entries(content) == [
        (2, {"registered_at": "2026-12-01", "id": "A-1"}),
        (5, {"registered_at": "2026-12-02", "id": "A-2"}),
    ]


def test_headers_of_the_partner() -> None:
    """As the config maps them; width and case don't matter; tabs will do."""
    content = "応募ID\t登録日時\nA-1\t2026/12/1\n".encode("cp932")
    columns = {"id": "応募ＩＤ", "registered_at": "登録日時"}
    assert entries(content, columns=columns) == [(2, {"id": "A-1", "registered_at": "2026/12/1"})]


def test_lines_within_a_field_count() -> None:
    """A field with a line break in it: the next line has the number that an editor shows."""
    content = b'id,registered_at,x\nA-1,2026,"a\nb"\nA-2,2026,\n'
    assert [number for number, _ in entries(content)] == [2, 4]


def test_bad_lines_are_told_and_others_read() -> None:
    """Too many fields, broken quotes."""
    content = b'id,registered_at\nA-1,2026,extra\nA-2,"20"26\nA-3,2026\n'
    found = entries(content)
    assert found[0] == (2, "3 fields, but the header has 2")
    assert str(found[1][1]).startswith("this is no CSV")
    assert found[-1] == (4, {"id": "A-3", "registered_at": "2026"})


def test_empty_fields_behind_the_last_are_no_fault() -> None:
    """Spreadsheets leave commas behind, in every line or in one."""
    assert entries(b"id,registered_at\nA-1,2026,,\nA-2,2026, \n") == [
        (2, {"id": "A-1", "registered_at": "2026"}),
        (3, {"id": "A-2", "registered_at": "2026"}),
    ]


def test_apostrophe_of_an_export_is_taken_off() -> None:
    """What a spreadsheet was kept from running is read as it was."""
    assert entries(b"id,registered_at\n'=1+1,2026\n'quoted,2026\n") == [
        (2, {"id": "=1+1", "registered_at": "2026"}),
        (3, {"id": "'quoted", "registered_at": "2026"}),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column"),
        (b"id\nA-1\n", 'no column "registered_at"'),
        (b"id,id,registered_at\n", "stands in it twice"),
        (b"[1]", "JSON list"),
        (b"\x81", "neither UTF-8 nor CP932"),
        (b"id,registered_at\nA\0,x\n", "neither UTF-8 nor CP932"),
        (b'"id,registered_at', "this is no CSV"),
    ],
)
def test_what_is_no_list(content: bytes, said: str) -> None:
    """Told for the file as a whole."""
    with pytest.raises(Unreadable, match=said):
        entries(content)


def test_json_lines() -> None:
    """One object a line; what is none is told."""
    nested = "[" * 100_000
    content = f'{{"id": "A"}}\n\n[]\nno\n{nested}\n'.encode()
    found = entries(content)
    assert found[0] == (1, {"id": "A"})
    assert [number for number, fault in found[1:] if isinstance(fault, str)] == [3, 4, 5]


@given(st.binary(max_size=300))
def test_hostile_files(content: bytes) -> None:
    """Nothing else comes out than lines or what is wrong, and it ends."""
    try:
        found = entries(b"id,registered_at\n" + content)
    except Unreadable:
        return
    json.dumps([number for number, _ in found])
