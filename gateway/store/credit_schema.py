"""The tables of credit: registrations and what became of them, the books, and what surrounds them.

Times and octets are as in `gateway.store.schema`. What is only appended to (triggers refuse the rest):
`registration_events`, `postings`, `entries`, `audit`, `settings`, `footers`. None of these holds anything
about a person, not even a person's reference: they name a registration by its number.

Writers of these tables take one lock for all nodes first (`gateway.store.credit`), so that numbers, times
and hash chains have one order.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.store.base import Number, metadata

registrations = Table(
    "registrations",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    # What the partner said. `external_id` is its own number of the registration; `digest` is keyed, and says
    # whether the same was said again; it goes with the person (erase).
    Column("partner", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("digest", LargeBinary),
    Column("token", LargeBinary),
    Column("registered_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("source", String(16), nullable=False),
    Column("known", String(16), nullable=False, server_default=""),
    # Who it is about, as `people` has it: by address, and by the partner's id of the person.
    Column("address_ref", LargeBinary, index=True),
    Column("person_id_ref", LargeBinary, index=True),
    # "own": an address of the company's own; companies in which an erased person had counted before.
    Column("own_address", Boolean, nullable=False),
    Column("barred", Text, nullable=False, server_default=""),
    # What people said since: a state that holds whatever matching says, the partner's yes, an open dispute.
    Column("hold", String(16), nullable=False, server_default=""),
    Column("confirmed", Boolean, nullable=False),
    Column("disputed", Boolean, nullable=False),
    Column("dispute_until", BigInteger),
    Column("placed_at", BigInteger),
    # "erased" or "forgotten": the person is gone, the decision stays as it is.
    Column("frozen", String(16), nullable=False, server_default=""),
    # The decision of now, and what it was made with.
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("flags", Text, nullable=False, server_default=""),
    Column("counts", Boolean, nullable=False),
    Column("company", Text, nullable=False, server_default=""),
    Column("campaign", Text, nullable=False, server_default=""),
    Column("department", Text, nullable=False, server_default=""),
    Column("matched_by", String(8), nullable=False, server_default=""),
    Column("send_token", LargeBinary, index=True),
    Column("send_ref", LargeBinary, index=True),
    Column("sent_at", BigInteger),
    Column("ratio", Integer, nullable=False, server_default="0"),
    Column("contract_from", BigInteger, nullable=False, server_default="0"),
    Column("matcher", Text, nullable=False, server_default=""),
    Column("settings", Text, nullable=False, server_default=""),
    Column("ruleset", Text, nullable=False, server_default=""),
    Column("decided_at", BigInteger, nullable=False),
    UniqueConstraint("partner", "external_id"),
    Index(None, "token"),
    Index(None, "company", "state"),
    Index(None, "state", "received_at"),
    Index(None, "company", "registered_at"),
    sqlite_autoincrement=True,
)

registration_events = Table(
    "registration_events",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("registration_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    # received, decided, withdrawn, refused, reinstated, confirmed, placed, dispute, resolve, conflict, erased
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("operator", Text, nullable=False),
    # JSON: versions, evidence, deadline. Nothing about a person.
    Column("detail", Text, nullable=False),
    # What the partner sent, when it did: its id of the event, and the digest of the content.
    Column("partner", Text),
    Column("event_id", Text),
    Column("digest", LargeBinary),
    Column("occurred_at", BigInteger),
    UniqueConstraint("partner", "event_id"),
    Index(None, "registration_id", "id"),
    Index(None, "kind", "at"),
    sqlite_autoincrement=True,
)

postings = Table(
    "postings",
    metadata,
    # Numbered without gaps, in the order of `at`; each hash covers the one before and the posting's entries.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("effective_at", BigInteger, nullable=False),
    # count, uncount, adjust, grant, take-back, reprice, reserve, release, use, return, expire
    Column("kind", String(16), nullable=False),
    Column("company", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("registration_id", BigInteger),
    Column("slot_id", BigInteger),
    Column("operator", Text, nullable=False),
    Column("second", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ratio", Integer, nullable=False),
    Column("contract_from", BigInteger, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index(None, "company", "at"),
    # Referrals by campaign, by department and by contract, from the index alone.
    Index("ix_postings_counted", "company", "kind", "campaign", "department", "contract_from", "ratio"),
    Index(None, "registration_id"),
    Index(None, "slot_id"),
)

entries = Table(
    "entries",
    metadata,
    Column("posting_id", BigInteger, primary_key=True, autoincrement=False),
    Column("line", SmallInteger, primary_key=True, autoincrement=False),
    Column("company", Text, nullable=False),
    Column("account", String(16), nullable=False),
    Column("commodity", String(8), nullable=False),
    Column("amount", BigInteger, nullable=False),
    # A balance, from the index alone.
    Index(None, "company", "account", "commodity", "amount"),
)

slots = Table(
    "slots",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("company", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("price", Integer, nullable=False),
    Column("granted_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("requisition", Text, nullable=False, server_default=""),
    Column("reserved_at", BigInteger),
    Column("used_at", BigInteger),
    Column("changed_at", BigInteger, nullable=False),
    Index(None, "company", "state"),
    sqlite_autoincrement=True,
)
"""Where each slot stands; what it went through is in `postings`. Ids are never used again."""

settings = Table(
    "settings",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Contract settings that decisions were made with, by the hash of their content (JSON)."""

footers = Table(
    "footers",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Footers as they were sent, with the names in them, by the hash of their content (JSON)."""

clicks = Table(
    "clicks",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("token", LargeBinary, nullable=False),
    # human, head, prefetch, scanner, early, crowd, opt-out: who it probably was.
    Column("label", String(16), nullable=False),
    # A keyed hash of the network that it came from, for "many tokens from one place"; never the address.
    Column("place", LargeBinary),
    Index(None, "token", "at"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

suppressions = Table(
    "suppressions",
    metadata,
    # The same hash as in `people`, so that the mail path asks with what it has in hand.
    Column("hash", LargeBinary, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("source", String(16), nullable=False),
    sqlite_with_rowid=False,
)

tombstones = Table(
    "tombstones",
    metadata,
    # Keyed hash, under a key of its own, of a hash that stood in `people`.
    Column("hash", LargeBinary, primary_key=True),
    Column("company", Text, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
)

matching_keys = Table(
    "matching_keys",
    metadata,
    Column("partner", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
)
"""From when on sends carry the hash of their recipient under a partner's matching key."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("operator", Text, nullable=False),
    Column("second", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("company", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""What people did to the ledger by commands, hash-chained like `postings`. Names nobody but operators."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("partner", Text, nullable=False),
    Column("message_id", Text, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("payload", Text, nullable=False),
    # waiting, sent, dead
    Column("state", String(8), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("settled_at", BigInteger),
    Column("error", Text, nullable=False, server_default=""),
    Column("claimed_until", BigInteger),
    Index(None, "state", "due_at"),
    sqlite_autoincrement=True,
)
"""What is pushed to partners: token and campaign of sends, never anything about a person."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("partner", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
)
"""Ids of webhooks that were taken: the same one again is a replay. Kept while their timestamps are valid."""
