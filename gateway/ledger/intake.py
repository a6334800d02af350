"""A registration as a partner reports it: named values become a `Reported`, or what is wrong is said. Pure.

The same for the webhook (JSON) and for files (CSV, JSON Lines). What can't be read is refused with a reason
that names the field and never repeats an address.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone

from gateway.ledger.months import parse_moment
from gateway.token import parse_token

#: Names of the fields, in JSON and as CSV headers. `already_known` is ours: it serves that contract setting.
FIELDS = ("id", "token", "email", "email_hash", "registered_at", "person_id", "already_known")

MAX_ID = 200
MAX_EMAIL = 1_024

_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_KNOWN = {
    "": "",
    "false": "",
    "no": "",
    "0": "",
    "true": "active",
    "yes": "active",
    "1": "active",
    "active": "active",
    "inactive": "inactive",
}


class Unreadable(ValueError):
    """What a partner sent can't be taken; the text says which field and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a partner says of one registration.

    `registered_at` is in microseconds since 1970 UTC; `token_flag` says that a token was given that is none.
    """

    id: str
    registered_at: int
    token: bytes | None = None
    token_flag: str = ""
    email: str = ""
    email_hash: bytes | None = None
    person_id: str = ""
    known: str = ""


def read_reported(values: Mapping[str, object], *, zone: timezone | None = None) -> Reported:
    """What `values` say; names that are not `FIELDS` are passed over.

    Args:
        values: by field.
        zone: the one that times without a zone are in; None refuses them.

    Raises:
        Unreadable: with the first thing that is wrong.
    """
    found = Reported(
        id=_id(values, "id"),
        registered_at=_registered_at(values, zone),
        **_token(_text(values, "token", MAX_ID)),  # type: ignore[arg-type]  # the two of `_token`
        email=_email(_text(values, "email", MAX_EMAIL)),
        email_hash=_hash(_text(values, "email_hash", MAX_ID)),
        person_id=_id(values, "person_id") if _text(values, "person_id", MAX_ID) else "",
        known=_known(values.get("already_known")),
    )
    if found.token is None and not found.email and found.email_hash is None and not found.person_id:
        if found.token_flag:
            raise Unreadable("token: this is no token, and there is neither email nor person_id")
        raise Unreadable("token, email, email_hash and person_id are all missing")
    return found


def _text(values: Mapping[str, object], name: str, limit: int) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and name in ("id", "person_id"):
        value = str(value) if abs(value) < 10**18 else "x" * (limit + 1)
    if not isinstance(value, str):
        raise Unreadable(f"{name}: text is wanted")
    if len(value) > limit:
        raise Unreadable(f"{name}: longer than {limit} characters")
    return value.strip()


def _id(values: Mapping[str, object], name: str) -> str:
    text = _text(values, name, MAX_ID)
    if not text:
        raise Unreadable(f"{name}: missing")
    if not _ID.fullmatch(text):
        raise Unreadable(f"{name}: control characters are in it")
    return text


def _registered_at(values: Mapping[str, object], zone: timezone | None) -> int:
    text = _text(values, "registered_at", MAX_ID)
    if not text:
        raise Unreadable("registered_at: missing")
    try:
        return parse_moment(text, zone=zone)
    except ValueError as error:
        raise Unreadable(f"registered_at: {error}") from None
    except OverflowError:
        raise Unreadable("registered_at: out of range") from None


def _token(text: str) -> dict[str, bytes | str | None]:
    if not text:
        return {}
    try:
        return {"token": parse_token(text)}
    except ValueError:
        return {"token_flag": "token-unreadable"}


def _email(text: str) -> str:
    if text and ("@" not in text or not _ID.fullmatch(text)):
        raise Unreadable("email: this is no address")
    return text


def _hash(text: str) -> bytes | None:
    if not text:
        return None
    if not _HASH.fullmatch(text.lower()):
        raise Unreadable("email_hash: 64 hexadecimal digits are wanted (HMAC-SHA256)")
    return bytes.fromhex(text)


def _known(value: object) -> str:
    if isinstance(value, bool):
        return "active" if value else ""
    if value is None:
        return ""
    found = _KNOWN.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise Unreadable('already_known: write true, false, "active" or "inactive"')
    return found
