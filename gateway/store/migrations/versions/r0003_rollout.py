"""Safety and roll-out: rule sets, counts for the brake, observations and reviews; events say about what."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From 0002 to 0003."""
    op.add_column("events", sa.Column("subject", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "rulesets",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rulesets"),
    )
    op.create_table(
        "tallies",
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("process", sa.LargeBinary(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("links", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("since", "process", "rule", name="pk_tallies"),
    )
    _observations()


def _observations() -> None:
    op.create_table(
        "observations",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("ruleset", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("matched", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("hits", sa.Text(), nullable=False),
        sa.Column("snippets", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_observations"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_observations_at", "observations", ["at"])
    op.create_index("ix_observations_rule_id", "observations", ["rule", "id"])
    op.create_table(
        "reviews",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("observation", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reviews_observation", "reviews", ["observation"])
    op.create_index("ix_reviews_rule_observed_at", "reviews", ["rule", "observed_at"])
