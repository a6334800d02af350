import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.token import ALPHABET, TOKEN_LENGTH, encode_token, parse_token

OCTETS = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (bytes(16), "0" * 26),
        (b"\xff" * 16, "7" + "z" * 25),
        (bytes(15) + b"\x01", "0" * 25 + "1"),
        (bytes(15) + b"\x20", "0" * 24 + "10"),
        (bytes.fromhex("0123456789abcdef0123456789abcdef"), "014d2pf2dbsqqg28t5cy4tqkff"),
    ],
)
def test_known_pairs(octets: bytes, text: str) -> None:
    """The most significant bits come first, in Crockford's alphabet, lower case."""
    assert encode_token(octets) == text
    assert parse_token(text) == octets


@given(OCTETS)
def test_round_trip(octets: bytes) -> None:
    """Every token has one text form of 26 characters of the alphabet, and comes back from it."""
    text = encode_token(octets)
    assert len(text) == TOKEN_LENGTH
    assert set(text) <= set(ALPHABET)
    assert parse_token(text) == octets


@given(OCTETS, st.data())
def test_what_people_make_of_it(octets: bytes, data: st.DataObject) -> None:
    """Case, look-alikes, hyphens, blanks and full-width letters change nothing."""
    heard = {"0": "0oOＯ０", "1": "1iIlLＩ", "-": "- \n"}
    written = []
    for character in encode_token(octets):
        written.append(data.draw(st.sampled_from(heard.get(character, character + character.upper()))))
        written.append(data.draw(st.sampled_from(["", "", "", "-", " "])))
    assert parse_token("".join(written)) == octets


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 25,
        "0" * 27,
        "8" + "0" * 25,
        "u" + "0" * 25,
        "0" * 25 + "é",
        "0" * 25 + "\0",
        "0" * 25 + "_",
        "{token}",
        " " * 1_000_000,
        "ﷺ" * 100,
    ],
)
def test_no_token(text: str) -> None:
    """Anything else is a ValueError that doesn't repeat the input."""
    with pytest.raises(ValueError, match="token") as caught:
        parse_token(text)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("octets", [b"", bytes(15), bytes(17)])
def test_wrong_length(octets: bytes) -> None:
    """A token has 16 octets."""
    with pytest.raises(ValueError, match="16 octets"):
        encode_token(octets)
