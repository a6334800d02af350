"""Keyed hashes of many short texts under few keys: HMAC-SHA256 (RFC 2104) and BLAKE2b (RFC 7693).

HMAC is for what others see or the ledger keeps. A key's own block is hashed once and copied for each text:
less than half the time of `hmac.digest`, which has OpenSSL look for its parts at each call. A mail takes ten
of them. BLAKE2b is for what a process remembers.
"""

from functools import lru_cache
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

# Of more octets at once hashlib lets other threads have the interpreter, and getting it back costs more than
# hashing a letter does.
_AT_ONCE = 2_047
_BLOCK = 64
_INNER = bytes(octet ^ 0x36 for octet in range(256))
_OUTER = bytes(octet ^ 0x5C for octet in range(256))


@lru_cache(maxsize=64)
def _begun(key: bytes) -> "tuple[_Hash, _Hash]":
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))


def keyed_hash(key: bytes, text: bytes) -> bytes:
    """32 octets. The last keys that were used are kept, in what they made of the first block."""
    inner, outer = _begun(key)
    inner, outer = inner.copy(), outer.copy()
    if len(text) <= _AT_ONCE:
        inner.update(text)
    else:
        for at in range(0, len(text), _AT_ONCE):
            inner.update(text[at : at + _AT_ONCE])
    outer.update(inner.digest())
    return outer.digest()


def short_hash(key: bytes, text: bytes) -> bytes:
    """16 octets by which a process knows a text again that it doesn't keep. Nobody else sees them."""
    made = blake2b(text[:_AT_ONCE], digest_size=16, key=key)
    for at in range(_AT_ONCE, len(text), _AT_ONCE):
        made.update(text[at : at + _AT_ONCE])
    return made.digest()
