"""The schema's revision: which one a database has, and the way to the newest.

An upgrade is one transaction under a lock: a failure, or a kill -9, leaves the old state. A revision that
this version of the package doesn't know was made by a newer one; then the ledger counts as faulty, and
nothing is written to it.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, text

from gateway.errors import LedgerFault, SchemaFault
from gateway.store.database import Database, faults_as_ledger_faults
from gateway.store.schema import REVISION, meta

if TYPE_CHECKING:
    from alembic.config import Config

# Any number, the same in all versions: whoever changes the schema on PostgreSQL holds this advisory lock.
_UPGRADE_LOCK = 0x43415245
_LOCK_SECONDS = 30.0
_KEY_ID = "key_id"


class KeyMatch(Enum):
    """Whether the ledger was begun with the key file at hand."""

    SAME = "same"
    OTHER = "other"
    UNSET = "unset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What `prepare` found and did.

    Attributes:
        before: the revision that the database had; None for an empty one.
        after: the one that it has now.
        key: `OTHER` means that nothing in this ledger can be found with that key: tell the admin.
    """

    before: str | None
    after: str
    key: KeyMatch


def revision_of(connection: Connection) -> str | None:
    """The revision of the database behind `connection`; None for an empty one.

    Raises:
        LedgerFault: there are several: somebody changed it by hand.
    """
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    rows = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(rows) > 1:
        raise LedgerFault(f"the ledger's schema has several revisions at once: {', '.join(sorted(rows))}")
    return str(rows[0]) if rows else None


def require_current(connection: Connection, name: str) -> None:
    """Refuse a database with another schema than the one that this version writes.

    Raises:
        LedgerFault: it is empty, older, or unknown. The text says what to run.
    """
    found = revision_of(connection)
    if found == REVISION:
        return
    if found is None:
        # The parent made it ready at the start, so somebody has emptied it since.
        raise SchemaFault(
            f"the ledger {name} is empty: stop the gateway and restore it from a backup,"
            " or begin a new one with `careerrelay db upgrade`"
        )
    _refuse_unknown(found, name)
    raise SchemaFault(
        f"the ledger {name} has the schema {found}, older than {REVISION}: run `careerrelay db upgrade`"
    )


def prepare(url: str, *, key_id: str | None = None, wait_seconds: float = _LOCK_SECONDS) -> Prepared:
    """Make the ledger ready to be served: file, schema, the id of the key.

    For the parent process, before it forks.

    Args:
        url: as in the config.
        key_id: is written where the ledger has none yet, and compared where it has.
        wait_seconds: how long to wait for others who write. A ledger that is ready already is only read.

    Raises:
        LedgerFault: it can't be opened, locked or upgraded, or its schema is unknown.
    """
    database = Database(url)
    database.create_file()
    with faults_as_ledger_faults(database):
        return _ready(database, key_id) or _prepare(database, key_id, wait_seconds)


def _ready(database: Database, key_id: str | None) -> Prepared | None:
    """What there is to say without waiting for anybody; None where something has to be written."""
    with database.reader().connect() as connection:
        if revision_of(connection) != REVISION:
            return None
        key = _match_key(connection, key_id, write=False)
        return None if key is KeyMatch.UNSET else Prepared(before=REVISION, after=REVISION, key=key)


def _prepare(database: Database, key_id: str | None, wait_seconds: float) -> Prepared:
    with database.writer(wait_seconds).connect() as connection:
        if database.sqlite:
            _write_ahead(connection)
        with connection.begin():
            if not database.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
                # An upgrade of a large ledger may take its time.
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            before = revision_of(connection)
            if before is not None:
                _refuse_unknown(before, database.name)
            if before != REVISION:
                _upgrade(connection)
            return Prepared(before=before, after=REVISION, key=_match_key(connection, key_id, write=True))


def _write_ahead(connection: Connection) -> None:
    """WAL is kept in the file.

    The switch needs the file for itself, so it is asked for only where it is missing.
    """
    raw = connection.connection.driver_connection
    if raw is None or raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    mode = raw.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerFault(f"SQLite can't use its write-ahead log on this file system (mode {mode})")


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - only an upgrade pays for loading it

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_unknown(found: str, name: str) -> None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    if found == REVISION:
        return
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found not in known:
        raise SchemaFault(
            f"the ledger {name} has the schema {found}, which this version of the gateway does not know "
            f"(it knows {REVISION}): a newer one has changed it; upgrade the package on this node"
        )


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _match_key(connection: Connection, key_id: str | None, *, write: bool) -> KeyMatch:
    found = connection.execute(select(meta.c.value).where(meta.c.name == _KEY_ID)).scalar_one_or_none()
    if found is None:
        if write and key_id is not None:
            connection.execute(meta.insert().values(name=_KEY_ID, value=key_id))
            return KeyMatch.SAME
        return KeyMatch.UNSET
    return KeyMatch.SAME if key_id in (None, found) else KeyMatch.OTHER


def check_key_id(url: str, key_id: str) -> KeyMatch:
    """Whether the ledger at `url` was begun with the key of that id. Reads only, and makes nothing.

    Raises:
        LedgerFault: it can't be read, or its schema isn't the current one.
    """
    database = Database(url)
    if database.file is not None and not database.file.exists():
        return KeyMatch.UNSET
    with faults_as_ledger_faults(database), database.reader().connect() as connection:
        if revision_of(connection) is None:
            return KeyMatch.UNSET
        require_current(connection, database.name)
        return _match_key(connection, key_id, write=False)


def state_of(url: str) -> str | None:
    """The revision of the ledger at `url`; None where it is empty or not there.

    Raises:
        LedgerFault: it can't be read.
    """
    database = Database(url)
    if database.file is not None and not database.file.exists():
        return None
    with faults_as_ledger_faults(database), database.reader().connect() as connection:
        return revision_of(connection)
