import hashlib
import time

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from gateway.dkim.body import BodyHash

#: Octets that canonicalisation looks at, and one that it doesn't. Line ends are whole, as in content.
UNITS = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"x", b"\xe6", b"\x1b$B"]), max_size=40)


def hashed(*pieces: bytes) -> str:
    """The hash of a body that comes in these pieces."""
    body = BodyHash()
    for piece in pieces:
        body.update(piece)
    return body.digest().hex()


@given(UNITS, st.data())
def test_pieces_hash_like_the_whole(units: list[bytes], data: st.DataObject) -> None:
    """However a body is cut, its hash is that of the canonical form that dkimpy makes of all of it."""
    body = b"".join(units) + (b"\r\n" if units else b"")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert hashed(*pieces) == hashlib.sha256(Relaxed.canonicalize_body(body)).hexdigest()


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" \t\r\n \r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # RFC 6376 §3.4.5
        (b"no line end", b"no line end\r\n"),
        (b"no line end  ", b"no line end\r\n"),
        (b"\r\n" * 20_000 + b"x\r\n", b"\r\n" * 20_000 + b"x\r\n"),
    ],
)
def test_canonical_form(body: bytes, canonical: bytes) -> None:
    """Blanks are one, none at line ends; empty lines at the end are nothing; nothing stays nothing."""
    assert hashed(body) == hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize("unit", [b" ", b" \t", b"\r\n", b" \r\n", b"x "])
def test_linear_time(unit: bytes) -> None:
    """A body made to be slow to read is not: five megabytes in a second (dkimpy's own order takes hours)."""
    begun = time.process_time()
    hashed(*[unit * (262_144 // len(unit))] * 20, b"x\r\n")
    assert time.process_time() - begun < 5
