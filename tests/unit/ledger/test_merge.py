"""An ATS's list comes back as it was, with links behind."""

import pytest

from gateway.ledger.intake import Unreadable
from gateway.ledger.merge import read_sheet, write_sheet

TEXT = (
    "氏名,メールアドレス,応募ID,電話\r\n"
    '"山田, 太郎",taro@example.com,X-1,+81-90-0000-0000\r\n'
    "花子,hana@example.com,X-2,\r\n"
)
COLUMNS = {"email": "メールアドレス", "external_id": "応募ID"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_comes_back_in_its_own_encoding(encoding: str) -> None:
    """The same columns in the same order and encoding, the added ones behind."""
    sheet = read_sheet(TEXT.encode(encoding), columns=COLUMNS)
    assert [(row.number, row.email, row.external_id, row.fault) for row in sheet.rows] == [
        (2, "taro@example.com", "X-1", ""),
        (3, "hana@example.com", "X-2", ""),
    ]
    added = [("t1", "https://x/t1", "https://x/o/t1", ""), ("", "", "", "suppressed")]
    written = b"".join(write_sheet(sheet, added))
    assert written.decode(encoding).split("\r\n") == [
        "氏名,メールアドレス,応募ID,電話,token,link,opt_out,reason",
        '"山田, 太郎",taro@example.com,X-1,+81-90-0000-0000,t1,https://x/t1,https://x/o/t1,',
        "花子,hana@example.com,X-2,,,,,suppressed",
        "",
    ]
    again = read_sheet(written, columns=COLUMNS)
    assert b"".join(write_sheet(again, added)) == written, "giving it again adds no columns"


def test_lines_that_can_not_be_used() -> None:
    """Each says why by itself, with the number that an editor shows."""
    lines = [
        "email,external_id",
        "",
        "nobody,1",
        ",2",
        '"a@example.com\n",3',
        "b@example.com," + "x" * 201,
        "c@example.com,5,6",
        "d@example.com",
    ]
    sheet = read_sheet("\n".join(lines).encode(), columns={})
    assert [(row.number, row.fault) for row in sheet.rows] == [
        (3, "this is no address"),
        (4, "no address"),
        (5, ""),
        (7, "longer than 200 characters"),
        (8, "3 fields, but the header has 2"),
        (9, ""),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name,mail\nx,y\n",
        b"\xff\xfe\xff\xff\xfd",
        b"email\0",
        b'email\n"a',
        "メール\nx@example.com".encode("utf-16"),
    ],
)
def test_no_list(content: bytes) -> None:
    """What is no list at all is refused whole, with what to do."""
    with pytest.raises(Unreadable):
        read_sheet(content, columns={})


def test_tabs_and_wide_headers() -> None:
    """As spreadsheets copy them; headers are known whatever their width and case."""
    sheet = read_sheet("Ｅｍａｉｌ\tCampaign\na@example.com\tsales\n".encode(), columns={})
    assert (sheet.rows[0].email, sheet.rows[0].campaign) == ("a@example.com", "sales")
    assert b"".join(write_sheet(sheet, [("t", "l", "o", "")])).endswith(
        b"a@example.com\tsales\tt\tl\to\t\r\n"
    )
