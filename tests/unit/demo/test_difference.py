"""Differences are shown where they are, decoded where bytes say nothing."""

import base64

from gateway.demo.difference import Line, Section, differences, kept_lines

HEAD = (
    b"Subject: x\r\nContent-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)


def test_no_difference() -> None:
    """A mail that is the same has no sections."""
    assert (differences(HEAD, HEAD), kept_lines(HEAD, HEAD)) == ([], (5, 5))


def test_base64_is_shown_decoded() -> None:
    """The added header field, then the added lines of the text, with a line around them."""
    old, new = (
        base64.b64encode(text.encode("shift_jis")) + b"\r\n" for text in ("お祈り\r\n", "お祈り\r\n追記\r\n")
    )
    kept = tuple(Line(sign=" ", text=line) for line in HEAD.decode().split("\r\n")[:2])
    assert differences(HEAD + old, b"Received: y\r\n" + HEAD + new) == [
        Section(place="header", lines=(Line(sign="+", text="Received: y"), *kept)),
        Section(
            place="text/plain, shift_jis, base64, decoded",
            lines=(Line(sign=" ", text="お祈り"), Line(sign="+", text="追記"), Line(sign=" ", text="")),
        ),
    ]


def test_parts_and_gaps() -> None:
    """In a multipart mail only the part that differs is shown; far apart changes are told apart by a gap."""
    head = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    part = b"--b\r\nContent-Type: text/%s\r\n\r\n%s\r\n"
    lines = b"\r\n".join(bytes([letter]) for letter in b"abcdefghijkl")
    old = head + part % (b"plain", b"a") + part % (b"html", lines) + b"--b--\r\n"
    new = old.replace(b"a\r\nb", b"a\r\nnew\r\nb").replace(b"\r\nl", b"\r\nl\r\nlast")
    (section,) = differences(old, new)
    assert section.place == "text/html, us-ascii, 7bit"
    assert "".join(f"{line.sign}{line.text}/" for line in section.lines) == " a/+new/ b/ c/gap/ k/ l/+last/"


def test_other_structure_is_compared_raw() -> None:
    """A part more: the whole mail, as it stands."""
    head = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    part = b"--b\r\n\r\na\r\n"
    (section,) = differences(head + part + b"--b--\r\n", head + part * 2 + b"--b--\r\n")
    assert section.place == "the whole mail"


def test_kept_lines_counts_raw_lines_in_order() -> None:
    """One of four was taken out, one came in."""
    assert kept_lines(b"a\r\nb\r\nc\r\nd", b"a\r\nc\r\nx\r\nd") == (3, 4)
