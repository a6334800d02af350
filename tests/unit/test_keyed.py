import hmac

from hypothesis import given
from hypothesis import strategies as st

from gateway.keyed import keyed_hash


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_it_is_hmac_sha256(key: bytes, text: bytes) -> None:
    """RFC 2104, with keys of any length: what others compute with their own libraries."""
    assert keyed_hash(key, text) == hmac.digest(key, text, "sha256")
    assert keyed_hash(key, text) == hmac.digest(key, text, "sha256"), "the second time too"
