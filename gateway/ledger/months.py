"""Months of the books: Japanese time (UTC+9, no summer time), unless said otherwise. Pure.

Times are microseconds since 1970 UTC.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

JST = timezone(timedelta(hours=9), "JST")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def moment_of(microseconds: int) -> datetime:
    """A time of the ledger as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds_of(moment: datetime) -> int:
    """The reverse; `moment` is aware."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def month_of(microseconds: int, zone: timezone = JST) -> str:
    """The month that a moment lies in, as ``2026-12``."""
    return moment_of(microseconds).astimezone(zone).strftime("%Y-%m")


def month_bounds(month: str, zone: timezone = JST) -> tuple[int, int]:
    """From when to when (not included) a month goes.

    Raises:
        ValueError: it is none.
    """
    found = _MONTH.fullmatch(month)
    if found is None or not 1 <= int(found[2]) <= 12 or not 1970 <= int(found[1]) < 9999:
        raise ValueError(f"{month!r} is no month: write it as 2026-12")
    year, number = int(found[1]), int(found[2])
    begin = datetime(year, number, 1, tzinfo=zone)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone)
    return microseconds_of(begin), microseconds_of(end)


def parse_moment(text: str, *, zone: timezone | None = JST, end: bool = False) -> int:
    """A date or time in ISO 8601 (also with slashes, as Excel writes dates in Japan).

    Args:
        text: what somebody wrote.
        zone: the one that is meant where the text names none; None refuses such a text.
        end: a date means its last moment, not its first.

    Raises:
        ValueError: it is neither, or out of 1970 to 9998.
    """
    plain = text.strip().replace("/", "-")
    try:
        found = datetime.fromisoformat(_padded(plain))
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no time: write it as 2026-12-01T09:00:00+09:00") from None
    if found.tzinfo is None:
        if zone is None:
            raise ValueError(f"{text[:40]!r} names no time zone: write it as 2026-12-01T09:00:00+09:00")
        found = found.replace(tzinfo=zone)
        if end and _DATE.fullmatch(_padded(plain)):
            found += timedelta(days=1) - timedelta(microseconds=1)
    if not 1970 <= found.year < 9999:
        raise ValueError(f"{text[:40]!r} is out of range")
    return max(0, microseconds_of(found))


def _padded(text: str) -> str:
    """With two digits in month, day and hour, where a spreadsheet wrote one."""
    return re.sub(r"(?<![\d.])(\d)(?=[-T: ]|$)", r"0\1", text.replace("  ", " "), flags=re.ASCII)
