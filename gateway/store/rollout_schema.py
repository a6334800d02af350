"""The tables of safety and roll-out: rule sets, counts for the brake, what the rules saw, what people said.

* `rulesets` holds the content of every set that was ever active, by its hash: rules, footers, lists.
* `tallies` is what each process has counted for the brake, minute by minute; it is kept for two hours.
* `observations` are the ids of the signals that the rules saw in a mail, and their verdict: no text, no
  recipient. They are kept for `[rules.review] days`; their `snippets`, where an admin wants any, for less.
* `reviews` is what people said of them. It stays: a roll-out rests on it.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from gateway.store.base import Number, metadata

rulesets = Table(
    "rulesets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

tallies = Table(
    "tallies",
    metadata,
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("process", LargeBinary, primary_key=True),
    # Empty: mails of any kind.
    Column("rule", Text, primary_key=True),
    Column("mails", Integer, nullable=False),
    Column("links", Integer, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("mail", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("ruleset", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("matched", Boolean, nullable=False),
    Column("reason", String(32), nullable=False),
    # JSON: the statements that hold, by text and sentence (`gateway.ruleset.kept`).
    Column("hits", Text, nullable=False),
    # JSON: the sentences that matched, with names and numbers masked.
    Column("snippets", Text),
    Index(None, "rule", "id"),
    sqlite_autoincrement=True,
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("observation", BigInteger, nullable=False, index=True),
    Column("rule", Text, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("operator", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "rule", "observed_at"),
    sqlite_autoincrement=True,
)
