"""The tables of the ledger, on SQLite and PostgreSQL alike.

* Times are whole microseconds since 1970 UTC, taken from the database's clock (`gateway.store.batch`), so
  that several nodes with clocks of their own write comparable ones. Columns with a time end in ``_at`` or
  ``_until``.
* Tokens, mail keys and hashes are octets.
* `people` is the one place with anything about a person that could lead back to them. Each row is
  something by which a person is known again: the keyed hash of the address (`kind` empty; the address too,
  where the admin chose to keep it), the same under a partner's matching key (``match``, `scope` is the key's
  id), or a partner's own id of the person (``person-id``, `scope` is the partner). Rows of one address have
  one ``ref``. Everything that lasts names a person by that, 16 octets that mean nothing once the rows in
  `people` are gone (CREDIT.md, "People's data"). There is no foreign key, so that they can go. The first six
  octets of a ref are the milliseconds of its making: rows of one moment lie together in the index, which
  makes the ledger's most frequent write a third cheaper.
* `mails` and `copies` hold the memory of mails whose reply is still owed (SMTP.md rules 18 to 21). They
  are short-lived: closed records are deleted, forgotten ones expire. Copies name the recipient by hash,
  for as long as that.
* `events` is only appended to; triggers refuse everything else.

The migration that makes these tables is written by hand (`gateway.store.migrations`); a test compares the
two.
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

from gateway.store import credit_schema, rollout_schema
from gateway.store.base import Number, metadata

__all__ = [
    "REVISION",
    "copies",
    "credit_schema",
    "events",
    "mails",
    "meta",
    "metadata",
    "people",
    "processes",
    "refusals",
    "rollout_schema",
    "sends",
]

#: The newest revision that this version of the package knows, and the only one that it writes to.
REVISION = "0005"

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about the ledger itself: `key_id`, the id of the key file that its hashes were made with."""

people = Table(
    "people",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("ref", LargeBinary, nullable=False, index=True),
    Column("address", Text),
    Column("kind", String(16), nullable=False, server_default=""),
    Column("scope", Text, nullable=False, server_default=""),
    Column("person_id", Text),
    sqlite_with_rowid=False,
)

sends = Table(
    "sends",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("token", LargeBinary, nullable=False, unique=True),
    Column("mail_key", LargeBinary, nullable=False),
    Column("person_ref", LargeBinary, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("footer", Text, nullable=False),
    Column("ruleset", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    # How often it was intended, and how often put off after the dot with 4.6.x or 4.7.x (rule 15).
    Column("attempts", Integer, nullable=False),
    Column("put_off", Integer, nullable=False),
    # What became of the last attempt, in the words of transaction.ports.SendState, with the next hop's reply.
    Column("state", String(16), nullable=False),
    Column("reply", Text, nullable=False),
    Column("host", Text, nullable=False),
    # First intent, last intent, first time it was taken with its link, last outcome.
    Column("intended_at", BigInteger, nullable=False),
    Column("attempted_at", BigInteger, nullable=False),
    Column("accepted_at", BigInteger),
    Column("settled_at", BigInteger),
    # Whose mail it was, and for which partner's link: ids of the config.
    Column("company", Text, nullable=False, server_default="default"),
    Column("partner", Text, nullable=False, server_default="default"),
    # The key of the footer in `footers`; none on sends from before that table.
    Column("footer_hash", LargeBinary),
    # "mail", or "issue" for links that an ATS sends by itself.
    Column("origin", String(8), nullable=False, server_default="mail"),
    # Person first: the same index finds all sends of a person.
    UniqueConstraint("person_ref", "mail_key"),
    Index(None, "intended_at"),
    sqlite_autoincrement=True,
)

mails = Table(
    "mails",
    metadata,
    Column("mail_key", LargeBinary, primary_key=True),
    Column("opened_at", BigInteger, nullable=False, index=True),
    # "taken" or "refused" once there was a final answer to the failure notice (rule 16).
    Column("notice", String(16)),
)

copies = Table(
    "copies",
    metadata,
    Column("mail_key", LargeBinary, primary_key=True),
    Column("person", LargeBinary, primary_key=True),
    Column("linked", Boolean, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("footer", Text, nullable=False),
    Column("ruleset", Text, nullable=False),
    # "taken" or "refused" once settled, with the reply: its lines, joined by LF.
    Column("fate", String(16)),
    Column("reply_code", SmallInteger),
    Column("reply_lines", LargeBinary),
    # The process that is sending it now, and until when that can be.
    Column("claimed_by", LargeBinary, index=True),
    Column("lease_until", BigInteger),
)

processes = Table(
    "processes",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("node", Text, nullable=False, index=True),
    Column("boot", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("node", Text, nullable=False),
)
"""Copies that went through only without their link: the brake counts those of the last minutes (rule 15)."""

events = Table(
    "events",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("node", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # The rule that it is about, or the rule set; empty for the whole gateway.
    Column("subject", Text, nullable=False, server_default=""),
    Index(None, "kind", "id"),
    sqlite_autoincrement=True,
)
"""What happened to the installation: brakes, resumes, steps of the roll-out, changes of the rule set.

`gateway.ledger.controls` says what they come to.
"""
