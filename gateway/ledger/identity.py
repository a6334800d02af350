"""By which hashes the ledger knows a person, and how it remembers one who was erased. Pure.

Everything is HMAC-SHA256; each use has a key of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.keyed import keyed_hash
from gateway.ledger.intake import Reported
from gateway.ledger.person import normalise_address, person_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonKeys:
    """Keys for everything about people. Never shown.

    `matching` has each partner's live matching keys: pairs of the key's id and 32 octets.
    """

    person: bytes = field(repr=False)
    tombstone: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    matching: Mapping[str, tuple[tuple[str, bytes], ...]] = field(default_factory=dict, repr=False)

    def address(self, address: str) -> bytes:
        """The hash by which the ledger knows an address."""
        return person_hash(self.person, address)

    def matching_hashes(self, partner: str, address: str) -> tuple[tuple[str, bytes], ...]:
        """The hash of an address under each live matching key of a partner, with the key's id."""
        keys = self.matching.get(partner, ())
        if not keys:
            return ()
        text = normalise_address(address).encode("utf-8", "backslashreplace")
        return tuple((key_id, keyed_hash(key, text)) for key_id, key in keys)

    def person_id(self, partner: str, person_id: str) -> bytes:
        """The hash by which the ledger knows a partner's own id of a person."""
        text = f"person-id\0{partner}\0{person_id}"
        return keyed_hash(self.person, text.encode("utf-8", "backslashreplace"))

    def tombstone_of(self, known_by: bytes) -> bytes:
        """What is left of a hash by which an erased person was known."""
        return keyed_hash(self.tombstone, known_by)

    def digest_of(self, partner: str, reported: Reported) -> bytes:
        """Whether two reports say the same, without keeping what they say."""
        said = "\0".join(
            (
                partner,
                reported.id,
                reported.token.hex() if reported.token else reported.token_flag,
                normalise_address(reported.email) if reported.email else "",
                reported.email_hash.hex() if reported.email_hash else "",
                reported.person_id,
                str(reported.registered_at),
                reported.known,
            )
        )
        return keyed_hash(self.digest, said.encode("utf-8", "backslashreplace"))
