"""Credit: registrations, the books, slots, clicks, suppressions, tombstones, audit, the partner's outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: Only appended to: no UPDATE, no DELETE, and on PostgreSQL no TRUNCATE.
_APPEND_ONLY = ("registration_events", "postings", "entries", "audit", "settings", "footers")

_SQLITE_GUARD = """
CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is only appended to'); END
"""
# The function is of revision 0001.
_POSTGRESQL_GUARD = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION careerrelay_append_only()
"""


def upgrade() -> None:
    """From 0001 to 0002."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    _people(sqlite=sqlite)
    _sends()
    _registrations()
    _books()
    _around()
    for table in _APPEND_ONLY:
        if sqlite:
            for verb in ("UPDATE", "DELETE"):
                op.execute(_SQLITE_GUARD.format(table=table, verb=verb))
        else:
            op.execute(_POSTGRESQL_GUARD.format(table=table))


def _people(*, sqlite: bool) -> None:
    """A person is known by more than one hash now, so a reference may stand in several rows."""
    if not sqlite:
        op.add_column("people", sa.Column("kind", sa.String(16), nullable=False, server_default=""))
        op.add_column("people", sa.Column("scope", sa.Text(), nullable=False, server_default=""))
        op.add_column("people", sa.Column("person_id", sa.Text()))
        op.drop_constraint("uq_people_ref", "people", type_="unique")
        op.create_index("ix_people_ref", "people", ["ref"])
        return
    # SQLite can't drop a constraint: the table is made anew.
    op.create_table(
        "people_0002",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("ref", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("kind", sa.String(16), nullable=False, server_default=""),
        sa.Column("scope", sa.Text(), nullable=False, server_default=""),
        sa.Column("person_id", sa.Text()),
        sa.PrimaryKeyConstraint("hash", name="pk_people"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO people_0002 (hash, ref, address) SELECT hash, ref, address FROM people")
    op.drop_table("people")
    op.rename_table("people_0002", "people")
    op.create_index("ix_people_ref", "people", ["ref"])


def _sends() -> None:
    op.add_column("sends", sa.Column("company", sa.Text(), nullable=False, server_default="default"))
    op.add_column("sends", sa.Column("partner", sa.Text(), nullable=False, server_default="default"))
    op.add_column("sends", sa.Column("footer_hash", sa.LargeBinary()))
    op.add_column("sends", sa.Column("origin", sa.String(8), nullable=False, server_default="mail"))


def _registrations() -> None:
    op.create_table(
        "registrations",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("token", sa.LargeBinary()),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("known", sa.String(16), nullable=False, server_default=""),
        sa.Column("address_ref", sa.LargeBinary()),
        sa.Column("person_id_ref", sa.LargeBinary()),
        sa.Column("own_address", sa.Boolean(), nullable=False),
        sa.Column("barred", sa.Text(), nullable=False, server_default=""),
        sa.Column("hold", sa.String(16), nullable=False, server_default=""),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("dispute_until", sa.BigInteger()),
        sa.Column("placed_at", sa.BigInteger()),
        sa.Column("frozen", sa.String(16), nullable=False, server_default=""),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False, server_default=""),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False, server_default=""),
        sa.Column("campaign", sa.Text(), nullable=False, server_default=""),
        sa.Column("department", sa.Text(), nullable=False, server_default=""),
        sa.Column("matched_by", sa.String(8), nullable=False, server_default=""),
        sa.Column("send_token", sa.LargeBinary()),
        sa.Column("send_ref", sa.LargeBinary()),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("ratio", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("contract_from", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("matcher", sa.Text(), nullable=False, server_default=""),
        sa.Column("settings", sa.Text(), nullable=False, server_default=""),
        sa.Column("ruleset", sa.Text(), nullable=False, server_default=""),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registrations"),
        sa.UniqueConstraint("partner", "external_id", name="uq_registrations_partner_external_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_registrations_address_ref", "registrations", ["address_ref"])
    op.create_index("ix_registrations_company_registered_at", "registrations", ["company", "registered_at"])
    op.create_index("ix_registrations_company_state", "registrations", ["company", "state"])
    op.create_index("ix_registrations_person_id_ref", "registrations", ["person_id_ref"])
    op.create_index("ix_registrations_send_ref", "registrations", ["send_ref"])
    op.create_index("ix_registrations_send_token", "registrations", ["send_token"])
    op.create_index("ix_registrations_state_received_at", "registrations", ["state", "received_at"])
    op.create_index("ix_registrations_token", "registrations", ["token"])
    op.create_table(
        "registration_events",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("registration_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("partner", sa.Text()),
        sa.Column("event_id", sa.Text()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("occurred_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_registration_events"),
        sa.UniqueConstraint("partner", "event_id", name="uq_registration_events_partner_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_registration_events_kind_at", "registration_events", ["kind", "at"])
    op.create_index(
        "ix_registration_events_registration_id_id", "registration_events", ["registration_id", "id"]
    )


def _books() -> None:
    op.create_table(
        "postings",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("registration_id", sa.BigInteger()),
        sa.Column("slot_id", sa.BigInteger()),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("second", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ratio", sa.Integer(), nullable=False),
        sa.Column("contract_from", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_postings"),
    )
    op.create_index("ix_postings_at", "postings", ["at"])
    op.create_index("ix_postings_company_at", "postings", ["company", "at"])
    op.create_index(
        "ix_postings_company_kind_contract_from_ratio",
        "postings",
        ["company", "kind", "contract_from", "ratio"],
    )
    op.create_index("ix_postings_registration_id", "postings", ["registration_id"])
    op.create_index("ix_postings_slot_id", "postings", ["slot_id"])
    op.create_table(
        "entries",
        sa.Column("posting_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("account", sa.String(16), nullable=False),
        sa.Column("commodity", sa.String(8), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("posting_id", "line", name="pk_entries"),
    )
    op.create_index(
        "ix_entries_company_account_commodity_amount",
        "entries",
        ["company", "account", "commodity", "amount"],
    )
    op.create_table(
        "slots",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("price", sa.Integer(), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("requisition", sa.Text(), nullable=False, server_default=""),
        sa.Column("reserved_at", sa.BigInteger()),
        sa.Column("used_at", sa.BigInteger()),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_slots"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_slots_company_state", "slots", ["company", "state"])
    op.create_table(
        "settings",
        sa.Column("digest", sa.String(64), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_settings"),
    )


def _around() -> None:
    op.create_table(
        "footers",
        sa.Column("hash", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_footers"),
    )
    op.create_table(
        "clicks",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("place", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_clicks"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_clicks_at", "clicks", ["at"])
    op.create_index("ix_clicks_token_at", "clicks", ["token", "at"])
    op.create_table(
        "suppressions",
        sa.Column("hash", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_suppressions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tombstones",
        sa.Column("hash", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("company", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", "company", name="pk_tombstones"),
    )
    op.create_index("ix_tombstones_at", "tombstones", ["at"])
    op.create_table(
        "matching_keys",
        sa.Column("partner", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "key_id", name="pk_matching_keys"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("second", sa.Text(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "outbox",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("settled_at", sa.BigInteger()),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        sa.Column("claimed_until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_table(
        "webhooks",
        sa.Column("partner", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "message_id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_at", "webhooks", ["at"])
