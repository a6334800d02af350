"""Tokens: 128 random bits as 26 characters that survive line wraps, case changes and dictation.

Crockford's base32 in lower case: digits and letters without i, l, o and u. What people make of it on the
phone or on paper is read back: any case, i and l for 1, o for 0, blanks and hyphens anywhere, full-width
characters. The first character stands for three bits only (26 × 5 = 130), so it is one of 0 to 7.
"""

import unicodedata

#: Octets in a token.
TOKEN_OCTETS = 16
#: Characters of its text form.
TOKEN_LENGTH = 26
#: What stands in a link; each place holds five bits.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: Longer input is not looked at: 26 characters with a blank after each, and then some.
_MAX_INPUT = 128

_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
_THIRTY_BITS = (1 << 30) - 1
_VALUES = {character: value for value, character in enumerate(ALPHABET)} | {"i": 1, "l": 1, "o": 0}
_IGNORED = {ord(character): None for character in " \t\r\n-"}


def encode_token(bits: bytes) -> str:
    """The text form of 16 octets.

    Raises:
        ValueError: `bits` has another length.
    """
    if len(bits) != TOKEN_OCTETS:
        raise ValueError(f"a token has {TOKEN_OCTETS} octets, not {len(bits)}")
    number = int.from_bytes(bits, "big")
    # Six characters each, the first eight: to shift all of the number for each pair costs twice as much.
    a, b, c, d = number >> 90, number >> 60 & _THIRTY_BITS, number >> 30 & _THIRTY_BITS, number & _THIRTY_BITS
    pair = _PAIRS
    return (
        f"{pair[a >> 30]}{pair[a >> 20 & 1023]}{pair[a >> 10 & 1023]}{pair[a & 1023]}"
        f"{pair[b >> 20]}{pair[b >> 10 & 1023]}{pair[b & 1023]}"
        f"{pair[c >> 20]}{pair[c >> 10 & 1023]}{pair[c & 1023]}"
        f"{pair[d >> 20]}{pair[d >> 10 & 1023]}{pair[d & 1023]}"
    )


def parse_token(text: str) -> bytes:
    """The 16 octets behind a token as somebody wrote it.

    Raises:
        ValueError: `text` is no token. Its text says what is wrong and doesn't repeat the input.
    """
    if len(text) > _MAX_INPUT:
        raise ValueError("too long for a token")
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    characters = plain.lower().translate(_IGNORED)
    if len(characters) != TOKEN_LENGTH:
        raise ValueError(f"a token has {TOKEN_LENGTH} letters and digits, not {len(characters)}")
    number = 0
    for character in characters:
        value = _VALUES.get(character)
        if value is None:
            raise ValueError("a character that is in no token")
        number = number << 5 | value
    if number >> 128:
        raise ValueError("the first character of a token is one of 0 to 7")
    return number.to_bytes(TOKEN_OCTETS, "big")
