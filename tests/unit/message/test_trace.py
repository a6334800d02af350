"""The loop mark and the own header field: made with a key, known again, not to be forged."""

import pytest

from gateway.message.scan import scan
from gateway.message.trace import count_marks, count_received, has_own_id, own_id_field, received_field

KEY = b"k" * 32


def field(
    *,
    helo: bytes = b"mail.example.com",
    peer: str = "192.0.2.1",
    recipient: bytes | None = b"<taro@example.jp>",
    session_id: str = "s1-42",
) -> bytes:
    """A field with a mark, in a common case but for what is given."""
    return received_field(
        helo=helo,
        peer=peer,
        hostname="gw.example.co.jp",
        protocol="ESMTPS",
        recipient=recipient,
        session_id=session_id,
        date="Mon, 1 Jan 2024 00:00:00 +0900",
        mark_key=KEY,
    )


def unfolded(**arguments: object) -> str:
    """The value of such a field on one line."""
    raw = field(**arguments)  # type: ignore[arg-type]
    value = scan(raw + b"\r\n").head.value(b"received")
    assert value is not None
    return " ".join(value.decode().replace("\t", " ").split())


def test_the_form_of_a_received_field() -> None:
    """RFC 5321 §4.4: from, by, with, id, for, a comment, the date; short lines; one field."""
    value = unfolded()
    head, mark, tail = value.partition(" (careerrelay-mark s1-42 ")
    assert (
        head
        == "from mail.example.com ([192.0.2.1]) by gw.example.co.jp with ESMTPS id s1-42 for <taro@example.jp>"  # noqa: E501 - as it is written
    )
    assert mark
    assert tail[32:] == "); Mon, 1 Jan 2024 00:00:00 +0900"
    raw = field()
    assert raw.endswith(b"\r\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78
    message = scan(raw + b"\r\n")
    assert (len(message.head.fields), message.defects) == (1, ())


def test_no_recipient_is_named_without_one() -> None:
    """`for` only where a copy has exactly one recipient, and only as ASCII (SMTP.md rules 13, 14)."""
    assert " for " not in unfolded(recipient=None)
    assert " for " not in unfolded(recipient="<太郎@example.jp>".encode())
    assert " for <taro@example.jp> " in unfolded(recipient=b"taro@example.jp")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"helo": b""}, "from unknown ([192.0.2.1])"),
        ({"helo": b"a (b)\r\nX: y"}, "from a??b???X:?y ([192.0.2.1])"),
        ({"helo": b"[192.0.2.7]"}, "from [192.0.2.7] ([192.0.2.1])"),
        ({"helo": b"x" * 1000}, f"from {'x' * 255} ([192.0.2.1])"),
        ({"peer": "2001:db8::1"}, "from mail.example.com ([IPv6:2001:db8::1])"),
        ({"peer": ""}, "from mail.example.com by"),
    ],
)
def test_what_a_peer_says_stays_a_word(arguments: dict[str, object], expected: str) -> None:
    """Nothing that a peer says can end the field or open a comment."""
    assert unfolded(**arguments).startswith(expected)


def test_marks_are_counted() -> None:
    """Each pass through the gateway leaves one; others' fields and forged marks do not count."""
    forged = field().replace(b"careerrelay-mark s1-42", b"careerrelay-mark s1-43")
    other = b"Received: from a by b (careerrelay-mark x 00000000000000000000000000000000); date\r\n"
    message = scan(
        field() + b"Received: from a by b; date\r\n" + field(session_id="again") + forged + other + b"\r\n"
    )
    assert count_received(message) == 5
    assert count_marks(message, KEY) == 2
    assert count_marks(message, b"another key") == 0


def test_a_mark_survives_folding() -> None:
    """A hop that folds the field anew does not break the mark."""
    raw = field().replace(b"-mark s1-42 ", b"-mark\r\n\t\ts1-42\r\n   ")
    assert count_marks(scan(raw + b"\r\n"), KEY) == 1


def test_own_id() -> None:
    """Known again with the key only."""
    raw = own_id_field("0123456789abcdefghjkmnpqrs", KEY)
    assert raw.startswith(b"X-CareerRelay-Id: 0123456789abcdefghjkmnpqrs ")
    assert raw.endswith(b"\r\n")
    assert has_own_id(scan(raw + b"\r\n"), KEY)
    assert not has_own_id(scan(raw + b"\r\n"), b"another key")
    assert not has_own_id(scan(raw.replace(b"rs ", b"rt ") + b"\r\n"), KEY)
    assert not has_own_id(scan(b"X-CareerRelay-Id: off\r\n\r\n"), KEY)
    assert not has_own_id(scan(b"Subject: x\r\n\r\n" + raw), KEY)


@pytest.mark.parametrize("wrong", ["", "a b", "a\r\nb", "x" * 65, "é"])
def test_an_id_is_an_atom(wrong: str) -> None:
    """Anything else is a fault in the caller."""
    with pytest.raises(ValueError, match="not an id"):
        own_id_field(wrong, KEY)


def test_mark_and_id_are_no_substitute_for_each_other() -> None:
    """The same key and value give different marks for different purposes."""
    raw = own_id_field("s1-42", KEY).split()[2]
    assert raw not in field()
