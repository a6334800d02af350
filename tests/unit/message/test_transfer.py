"""Bodies are decoded to the letter or not at all."""

import base64
import quopri

import pytest

from gateway.message.transfer import TransferError, decode


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary"])
def test_identity_encodings(encoding: str) -> None:
    """RFC 2045 §6.2: nothing was done to these."""
    assert decode(b"a=\xe3\r\n", encoding) == b"a=\xe3\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", b""),
        (b"aGVsbG8=", b"hello"),
        (b"aGVs\r\nbG8=\r\n", b"hello"),
        (b"aG\r\nVsbG8=\r\n\r\n", b"hello"),
        (b" aGVs bG8=\t", b"hello"),
        (base64.encodebytes(bytes(range(256)) * 4).replace(b"\n", b"\r\n"), bytes(range(256)) * 4),
    ],
)
def test_base64(raw: bytes, expected: bytes) -> None:
    """Lines of any length; white space is no part of it."""
    assert decode(raw, "base64") == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"aGVsbG8",
        b"aGVsbG8=a",
        b"aGVs-G8=",
        b"aGVsbG8=\r\n--\r\nA footer of a mailing list\r\n",
        b"a===",
        b"=",
    ],
)
def test_what_is_not_base64_is_refused(raw: bytes) -> None:
    """A reader might skip it, stop at it or show it: nobody may write behind it."""
    with pytest.raises(TransferError):
        decode(raw, "base64")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain\r\n", b"plain\r\n"),
        (b"a=3Db=3db\r\n", b"a=b=b\r\n"),
        (b"soft=\r\nbreak", b"softbreak"),
        (b"blanks at the end \t\r\nnext \r\n", b"blanks at the end\r\nnext\r\n"),
        (b"=E6=8E=\r\n=A1\r\n", "採\r\n".encode()),
        (b"ends in a soft break=\r\n", b"ends in a soft break"),
        (b"=0D=0A\r\n", b"\r\n\r\n"),
        (quopri.encodestring("採用 = お祈り".encode()).replace(b"\n", b"\r\n"), "採用 = お祈り".encode()),
    ],
)
def test_quoted_printable(raw: bytes, expected: bytes) -> None:
    """RFC 2045 §6.7, its rules 1 to 5."""
    assert decode(raw, "quoted-printable") == expected


@pytest.mark.parametrize("raw", [b"a = b", b"=4", b"=GG", b"a=\r", b"100%=x", b"end=", b"soft= \r\n"])
def test_a_stray_equals_sign_is_refused(raw: bytes) -> None:
    """Readers differ on what it means."""
    with pytest.raises(TransferError):
        decode(raw, "quoted-printable")


@pytest.mark.parametrize("encoding", ["", "x-uuencode", "utf-8", "8-bit"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """RFC 2045 §6.4: what is labelled so is opaque."""
    with pytest.raises(TransferError, match="unknown transfer encoding"):
        decode(b"a", encoding)


@pytest.mark.parametrize("raw", [b"a ", b"a\t", b"a \r\n", b"a\t\r\n", b"a \t"])
def test_blanks_at_the_end_of_a_quoted_printable_line_are_none(raw: bytes) -> None:
    """They were added on the way (RFC 2045 §6.7 rule 3)."""
    assert decode(raw, "quoted-printable") == raw.rstrip(b" \t\r\n") + (b"\r\n" if raw[-1:] == b"\n" else b"")
