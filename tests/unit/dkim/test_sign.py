import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dkim.sign import SigningFault, sign, sign_blocks
from tests.peers.dkim import verify, verify_in_perl
from tests.unit.dkim.keys import ed25519_key, records, rsa_key

KEYS = (rsa_key(), ed25519_key())
RECORDS = records(*KEYS)
HEAD = b"X-CareerRelay-Id: 00000000000000000000000000 0123456789abcdef0123456789abcdef\r\n"
LINE = "誠に残念ながら、今回は採用を見送らせていただくこととなりました。"

SUBJECTS = [
    b"Subject: plain\r\n",
    b"Subject:\r\n",
    b"Subject: a\r\n \tfolded\r\n  subject \r\n",
    b"subject:no blank\r\n",
    b"Subject: =?iso-2022-jp?B?GyRCSSQbKEI=?=\r\n =?iso-2022-jp?B?GyRCSSQbKEI=?=\r\n",
    "Subject: 選考結果\r\n".encode(),
    b"Subject: one\r\nSubject: two\r\n",
    b"",
]
OTHERS = [
    b"",
    (
        b"To: taro@example.com\r\nCC: a@example.com,\r\n\tb@example.com\r\n"
        b"Date: Mon, 02 Mar 2026 10:00:00 +0900\r\n"
    ),
    (
        b"Message-ID: <1@example.co.jp>\r\nReferences: <a@b.example>\r\n <c@d.example>\r\n"
        b"In-Reply-To: <a@b.example>\r\n"
    ),
    b"DKIM-Signature: v=1; a=rsa-sha256; d=esp.example; s=x; h=from; bh=eA==; b=eA==\r\nARC-Seal: i=1; x\r\n",
    (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n"
    ),
    b"List-Unsubscribe: <https://example.com/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
]
BODIES = [
    b"",
    b"\r\n",
    b"\r\n\r\n \r\n",
    b"text\r\n",
    b"text \t\r\n\r\n  indented  text\r\n \r\n\r\n",
    b".\r\n..\r\n",
    (LINE + "\r\n").encode("iso-2022-jp"),
    (LINE + " \r\n\r\n").encode() * 30,
    (LINE * 80 + "\r\n").encode("cp932"),
    b"x" * 5_000 + b"  " + b"y" * 5_000 + b"\r\n",
    b"line\r\n" * 60_000,
]
FROM = b"From: HR <hr@example.co.jp>\r\n"


def signed(data: bytes) -> bytes:
    """The mail with our field and the signatures of both keys."""
    return sign(HEAD, data, KEYS) + HEAD + data


def mails() -> list[bytes]:
    """Each subject, group of fields and body at least once with each neighbour's."""
    return [
        FROM + subject + OTHERS[(i + j) % len(OTHERS)] + b"\r\n" + body
        for i, subject in enumerate(SUBJECTS)
        for j, body in enumerate(BODIES)
    ]


@pytest.mark.parametrize("data", mails())
def test_dkimpy_verifies(data: bytes) -> None:
    """RSA and Ed25519, whatever the mail looks like; and not one octet of meaning may change."""
    mail = signed(data)
    ours = verify(mail, RECORDS)[:2]
    assert ours == [True, True]
    assert verify(mail + b"more\r\n", RECORDS)[:2] == [False, False]


@pytest.mark.peer("mail-dkim")
def test_perl_verifies(tmp_path: Path) -> None:
    """Mail::DKIM, which shares no code with us, finds the RSA signature good in each of them."""
    results = verify_in_perl(tmp_path, [signed(data) for data in mails()], RECORDS)
    assert [result["r1"] for result in results] == ["pass"] * len(mails())


@pytest.mark.peer("mail-dkim")
def test_perl_notices_changes(tmp_path: Path) -> None:
    """The proof can fail: a changed subject, body, id, and a second From."""
    mail = signed(FROM + SUBJECTS[0] + b"\r\ntext\r\n")
    changed = [
        mail.replace(b"plain", b"other"),
        mail.replace(b"text", b"test"),
        mail.replace(b"Id: 0", b"Id: 1"),
        mail.replace(FROM, b"From: ceo@example.co.jp\r\n" + FROM),
        mail + b"\r\n\r\n",
    ]
    results = verify_in_perl(tmp_path, changed, RECORDS)
    assert [result["r1"] for result in results] == ["fail", "fail", "fail", "fail", "pass"]


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0\x0b\x0c\x1c\x1d\x1e\x85"), max_size=20
)
BLANKS = st.sampled_from([" ", "  ", "\t", "\r\n ", "\r\n\t"])
VALUES = st.lists(st.tuples(BLANKS, WORDS.filter(lambda word: bool(word.strip()))), max_size=5).map(
    lambda runs: "".join(blank + word for blank, word in runs)
)
NAMES = st.sampled_from(["Subject", "TO", "cc", "Date", "References", "Content-Type", "X-Other", "Reply-To"])
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(
    lambda fields: "".join(f"{name}:{value}\r\n" for name, value in fields).encode()
)
LINES = st.lists(
    st.one_of(WORDS.map(str.encode), st.sampled_from([b"", b" ", b"\t ", b"\x1b$B\x46|\x1b(B", b"\xff\xfe"])),
    max_size=12,
).map(lambda lines: b"".join(line + b"\r\n" for line in lines))


@settings(max_examples=60)
@given(FIELDS, LINES)
def test_any_mail_verifies(fields: bytes, body: bytes) -> None:
    """Folded, empty, repeated and 8-bit fields; trailing blanks and lines; bodies of any octets."""
    assert verify(signed(fields + FROM + b"\r\n" + body), RECORDS) == [True, True]


def tags(field: bytes) -> dict[str, str]:
    """The tags of a signature field, without white space."""
    text = re.sub(rb"\s", b"", field.partition(b":")[2]).decode()
    return dict(tag.split("=", 1) for tag in text.split(";"))


def test_what_is_signed() -> None:
    """What a reader sees is signed once more than it occurs (RFC 6376 §8.15); trace, ARC and DKIM never."""
    data = b"Received: x\r\nARC-Seal: x\r\nDKIM-Signature: d=x\r\n" + FROM + OTHERS[1] + OTHERS[4] + b"\r\n"
    found = tags(sign(HEAD, data, KEYS[:1]))
    assert found["h"].split(":") == [
        *("from", "from", "reply-to", "subject", "to", "to", "cc", "cc", "date", "date"),
        *("mime-version", "mime-version", "content-type", "content-type"),
        *("content-transfer-encoding", "content-transfer-encoding", "x-careerrelay-id"),
    ]
    assert (found["v"], found["a"], found["c"]) == ("1", "rsa-sha256", "relaxed/relaxed")
    assert (found["d"], found["s"]) == ("example.co.jp", "r1")
    assert found.keys() == {"v", "a", "c", "d", "s", "h", "bh", "b"}


@pytest.mark.parametrize("name", ["From", "Subject", "To", "Cc", "Reply-To", "Content-Type", "Date"])
def test_no_field_can_be_added(name: str) -> None:
    """Above or below the real one, another field of that name breaks the signature."""
    data = FROM + SUBJECTS[0] + OTHERS[1] + OTHERS[4] + b"\r\ntext\r\n"
    mail = signed(data)
    more = f"{name}: other\r\n".encode()
    assert verify(more + mail, RECORDS) == [False, False]
    assert verify(mail.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n", 1), RECORDS) == [False, False]


def test_lines_are_short() -> None:
    """The field is folded, so that nobody has to on the way."""
    field = sign(HEAD, FROM + OTHERS[1] * 5 + b"\r\n", KEYS)
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_same_mail_same_bytes() -> None:
    """A retry, and a rehearsal on the command line, give what was sent the first time."""
    data = FROM + b"\r\ntext\r\n"
    assert sign(HEAD, data, KEYS) == sign(HEAD, data, KEYS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Subject: x\r\n\r\n", "no From field"),
        (FROM + b"Cc: a@example.com\r\n" * 200 + b"\r\n", "202 header fields"),
        (FROM + b"garbage\r\n\r\n", "has a defect"),
    ],
)
def test_unsignable(data: bytes, words: str) -> None:
    """What would give a bad or boundless signature gives none."""
    with pytest.raises(SigningFault, match=words):
        sign(HEAD, data, KEYS)


def test_key_that_fails() -> None:
    """Whatever a key raises is a fault in signing, so that the mail goes on (promise 1)."""
    broken = replace(KEYS[0], private=cast("Any", object()))
    with pytest.raises(SigningFault, match="AttributeError"):
        sign(HEAD, FROM + b"\r\n", (broken,))


@pytest.mark.parametrize("size", [1, 7, 100, 4096, 10**6])
def test_in_blocks_it_is_the_same(size: int) -> None:
    """Wherever a block ends: in the header, in a line end, in blanks."""
    data = b"From: hr@example.co.jp\r\nSubject: x\r\n\r\n" + b"a \t b \r\n\r\n" * 300 + b" \r\n\r\n"
    cut = [data[at : at + size] for at in range(0, len(data), size)]
    assert sign_blocks(HEAD, cut, KEYS) == sign(HEAD, data, KEYS)
    with pytest.raises(SigningFault):
        sign_blocks(HEAD, [], KEYS)
