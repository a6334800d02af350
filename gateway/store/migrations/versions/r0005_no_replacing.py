"""What is only appended to can't be replaced on SQLite either.

``INSERT OR REPLACE`` deletes the row that is in the way without asking a DELETE trigger. PostgreSQL has
nothing like it: there ON CONFLICT DO UPDATE asks the UPDATE trigger.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: By table: when a new row would take the place of one. Footers that are known already come again, and change
#: nothing.
_TAKEN = {
    "events": "id = NEW.id",
    "registration_events": "id = NEW.id OR (partner = NEW.partner AND event_id = NEW.event_id)",
    "postings": "id = NEW.id",
    "entries": "posting_id = NEW.posting_id AND line = NEW.line",
    "audit": "id = NEW.id",
    "settings": "digest = NEW.digest",
    "footers": "hash = NEW.hash AND content <> NEW.content",
}
_GUARD = """
CREATE TRIGGER {table}_INSERT BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken})
BEGIN SELECT RAISE(ABORT, '{table} is only appended to'); END
"""


def upgrade() -> None:
    """From 0004 to 0005."""
    if op.get_bind().dialect.name == "sqlite":
        for table, taken in _TAKEN.items():
            op.execute(_GUARD.format(table=table, taken=taken))
