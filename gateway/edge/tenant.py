"""The proof of the tenant: on a listener that a shared cloud may use, only one tenant's mail is taken.

The addresses and the certificate of Microsoft 365 or Google are the same for all of their customers. What
tells our tenant from the others is a header field with a secret value that the tenant's own transport rule
sets on each mail (SMTP.md rule 28). It is looked for in the head of the mail, before anything goes on, and
taken out of it, so that it stands in no copy and the secret never reaches anybody else.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.smtp import failure
from gateway.transaction.source import ContentRefused, Source

#: A header without an end after so many octets is none of a mail system's.
MAX_HEAD = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantProof:
    """The field to be shown.

    Attributes:
        field: its name.
        secret: its value of now.
        refused: called for each mail that doesn't show it.
    """

    field: bytes
    secret: Callable[[], bytes]
    refused: Callable[[], None]

    def guard(self, source: Source) -> "ProvenSource":
        """The content less the field; reading it raises `ContentRefused` where the proof is missing."""
        return ProvenSource(source, self)

    def holds(self, values: list[bytes]) -> bool:
        """Whether one of these values is the secret."""
        secret = self.secret()
        return any(hmac.compare_digest(value, secret) for value in values) and bool(secret)


class ProvenSource:
    """Implements `gateway.transaction.source.Source` over another, whose mails have to prove their tenant."""

    __slots__ = ("_judged", "_proof", "_source")

    def __init__(self, source: Source, proof: TenantProof) -> None:
        self._source = source
        self._proof = proof
        self._judged = False

    @property
    def done(self) -> bool:
        """See `Source`."""
        return self._source.done and self._judged

    @property
    def bare(self) -> bool:
        """See `Source`."""
        return self._source.bare

    @property
    def octets(self) -> int:
        """See `Source`."""
        return self._source.octets

    @property
    def gone(self) -> bool:
        """See `Source`."""
        return self._source.gone

    async def read(self) -> bytes:
        """See `Source`; the first segment holds the whole header.

        Raises:
            ContentRefused: the header doesn't show the secret. What follows can still be read.
        """
        if self._judged:
            return await self._source.read()
        head, end = bytearray(), -1
        while end < 0 and not self._source.done and len(head) <= MAX_HEAD:
            looked = max(0, len(head) - 3)
            head += await self._source.read()
            end = head.find(b"\r\n\r\n", looked)
        self._judged = True
        at = end + 2 if end >= 0 else len(head)
        whole = at <= MAX_HEAD and (end >= 0 or self._source.done) and not head.startswith(b"\r\n")
        header, values = take_out(bytes(head[:at]), self._proof.field) if whole else (b"", [])
        if not self._proof.holds(values):
            self._proof.refused()
            raise ContentRefused(failure.NOT_THIS_TENANT)
        return header + head[at:]


def take_out(header: bytes, name: bytes) -> tuple[bytes, list[bytes]]:
    """The header less all fields of this name, and their values, unfolded and without blanks around them."""
    field = rb"^" + re.escape(name) + rb"[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)(?:\r\n|\Z)"
    pattern = re.compile(field, re.IGNORECASE | re.MULTILINE)
    values = [found[1].replace(b"\r\n", b"").strip(b" \t") for found in pattern.finditer(header)]
    return (pattern.sub(b"", header) if values else header), values
