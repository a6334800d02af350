"""Referrals by campaign, department and contract, from one index alone."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0003 to 0004."""
    op.drop_index("ix_postings_company_kind_contract_from_ratio", table_name="postings")
    op.create_index(
        "ix_postings_counted",
        "postings",
        ["company", "kind", "campaign", "department", "contract_from", "ratio"],
    )
