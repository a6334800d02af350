"""What `doctor` finds, as values."""

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: a stable name; `grade`: ``fail`` has to be mended, ``warn`` looked at.
        detail: what was found; `remedy`: what to do, empty where all is well.
    """

    check: str
    grade: Grade
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check=check, grade="ok", detail=detail)


def warn(check: str, detail: str, remedy: str) -> Finding:
    """It is to be looked at."""
    return Finding(check=check, grade="warn", detail=detail, remedy=remedy)


def fail(check: str, detail: str, remedy: str) -> Finding:
    """It is to be mended."""
    return Finding(check=check, grade="fail", detail=detail, remedy=remedy)
