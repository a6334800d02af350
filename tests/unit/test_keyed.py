import hmac
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keyed import keyed_hash, short_hash


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_it_is_hmac_sha256(key: bytes, text: bytes) -> None:
    """RFC 2104, with keys of any length: what others compute with their own libraries."""
    assert keyed_hash(key, text) == hmac.digest(key, text, "sha256")
    assert keyed_hash(key, text) == hmac.digest(key, text, "sha256"), "the second time too"


@pytest.mark.parametrize("octets", [2_046, 2_047, 2_048, 4_094, 4_095, 100_000])
def test_long_texts_are_hashed_whole(octets: int) -> None:
    """However many portions they are hashed in."""
    text = bytes(range(251)) * (octets // 251 + 1)
    assert keyed_hash(b"k" * 32, text[:octets]) == hmac.digest(b"k" * 32, text[:octets], "sha256")


@pytest.mark.parametrize("octets", [0, 1, 2_046, 2_047, 2_048, 4_094, 4_095, 100_000])
def test_a_short_hash_is_blake2b(octets: int) -> None:
    """RFC 7693 with a key, of 128 bits."""
    text = (bytes(range(251)) * (octets // 251 + 1))[:octets]
    assert short_hash(b"k" * 32, text) == blake2b(text, digest_size=16, key=b"k" * 32).digest()
