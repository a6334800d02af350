"""The address of the ledger's database: SQLite or PostgreSQL, as SQLAlchemy writes it.

A relative path in a SQLite URL counts from the folder of the config file, so the loaded URL has four slashes.
A database in memory is refused: each worker would have a ledger of its own, and each restart a new one.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Strict, ValidationInfo

from gateway.config.fault import Fault

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql", "postgresql+psycopg")
_REMEDY = 'write "sqlite:////var/lib/careerrelay/ledger.db" (four slashes: absolute) or "postgresql://user@host/name"'


def parse_ledger_url(text: str, info: ValidationInfo) -> str:
    """The URL with an absolute path or the name of the PostgreSQL driver in it.

    Raises:
        Fault: it is neither SQLite with a file nor PostgreSQL with a database's name.
    """
    if text.startswith("sqlite:"):
        return _sqlite(text, (info.context or {}).get("folder"))
    scheme, separator, rest = text.partition("://")
    if scheme not in _POSTGRESQL or not separator:
        raise Fault("this is no URL of a ledger", _REMEDY)
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise Fault(f"this is no PostgreSQL URL: {error}", _REMEDY) from None
    if not parts.path.strip("/") or any(character.isspace() for character in text):
        raise Fault("this PostgreSQL URL names no database", 'write "postgresql://user@host/name"')
    return f"postgresql+psycopg://{rest}"


def _sqlite(text: str, folder: Path | None) -> str:
    name = text.removeprefix(_SQLITE)
    if name == text or not name or name.startswith((":memory:", "file:")):
        raise Fault("this SQLite URL names no file", _REMEDY)
    if "?" in name or "#" in name or "\0" in name:
        raise Fault("this SQLite URL has options, or a ?, # or NUL in its path", "write the path alone")
    path = Path(name) if folder is None else folder / name
    if "?" in str(path):
        raise Fault(
            f"the path {str(path)!r} has a question mark in it", "keep the ledger in a folder without one"
        )
    return _SQLITE + str(path)


def file_of(url: str) -> Path | None:
    """The database file of an accepted SQLite URL; None for PostgreSQL."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def without_password(url: str) -> str:
    """An accepted URL with its password, if any, as ``***``."""
    if url.startswith(_SQLITE):
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return urlunsplit(parts._replace(netloc=f"{name}{colon and ':***'}{at}{host}", query=""))


LedgerUrl = Annotated[str, Strict(), AfterValidator(parse_ledger_url)]
