"""Standard Webhooks signatures, both ways: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.

What is signed is ``id.timestamp.body`` with HMAC-SHA256; the header holds one or more ``v1,`` and base64,
with blanks between. The path is not signed: what an endpoint must not confuse stands in the body.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Seconds that a timestamp may be off, either way.
TOLERANCE = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

# With dots, as some senders' ids have; the timestamp behind has none, so what is signed can't be cut
# elsewhere.
_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
#: Signatures of one request; a sender that rotates has two.
_MAX_SIGNATURES = 8
_DIGEST_OCTETS = 32


class BadSignature(ValueError):
    """The request isn't signed as it has to be. Which way is for the log, never for the peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What the headers say, before it is known whether it is true."""

    id: str
    timestamp: str
    signatures: tuple[bytes, ...]


def read_claim(headers: Mapping[str, str], now: float) -> Claimed:
    """The headers of a request that comes `now` (seconds since 1970).

    Raises:
        BadSignature: one is missing or malformed, or the timestamp is off by more than `TOLERANCE`.
    """
    id_, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not _ID.fullmatch(id_):
        raise BadSignature("no webhook-id")
    if not _SECONDS.fullmatch(timestamp) or abs(int(timestamp) - now) > TOLERANCE:
        raise BadSignature("webhook-timestamp is missing, or too far off")
    signatures: list[bytes] = []
    for part in headers.get(SIGNATURE, "").split(" ")[:_MAX_SIGNATURES]:
        version, _, encoded = part.partition(",")
        if version != "v1":  # another version's; a sender may give several
            continue
        try:
            digest = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(digest) == _DIGEST_OCTETS:
            signatures.append(digest)
    if not signatures:
        raise BadSignature("no v1 signature")
    return Claimed(id=id_, timestamp=timestamp, signatures=tuple(signatures))


def signer_of(claim: Claimed, body: bytes, signers: Mapping[str, Sequence[bytes]]) -> str:
    """Who signed it: the key of `signers` one of whose secrets fits. Takes as long whoever it was.

    Raises:
        BadSignature: none of them.
    """
    found: str | None = None
    for name, secrets in signers.items():
        for secret in secrets:
            right = _digest(secret, claim.id, claim.timestamp, body)
            for digest in claim.signatures:
                if hmac.compare_digest(right, digest) and found is None:
                    found = name
    if found is None:
        raise BadSignature("no secret fits")
    return found


def signed_headers(secret: bytes, id_: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a webhook of ours."""
    digest = _digest(secret, id_, str(timestamp), body)
    return {
        ID: id_,
        TIMESTAMP: str(timestamp),
        SIGNATURE: "v1," + base64.b64encode(digest).decode("ascii"),
    }


def _digest(secret: bytes, id_: str, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(secret, f"{id_}.{timestamp}.".encode("ascii") + body, "sha256")
