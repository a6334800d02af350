"""What a scan can find wrong with a mail. One defect is enough for the mail to be left as it came.

A defect does not mean that the mail is broken: it means that two readers could see different things in it,
so that an edit might land where somebody does not expect it.
"""

from dataclasses import dataclass
from enum import StrEnum


class DefectKind(StrEnum):
    """The doubts, by name. The texts show in logs and in `explain`."""

    # the stream
    NUL = "nul"
    BARE_LINE_END = "bare-cr-or-lf"
    # header fields
    NO_HEADER = "no-header"
    NO_COLON = "header-line-without-colon"
    OBSOLETE_FIELD = "space-before-colon"
    OBSOLETE_FOLD = "fold-of-blanks"
    HEADER_TOO_LARGE = "header-too-large"
    NO_BLANK_LINE = "header-without-blank-line"
    DUPLICATE_FIELD = "duplicate-mime-field"
    BAD_VERSION = "mime-version"
    BAD_CONTENT_TYPE = "content-type"
    BAD_PARAMETER = "content-type-parameter"
    BAD_ENCODING = "transfer-encoding"
    # multipart structure
    NO_BOUNDARY = "multipart-without-boundary"
    BAD_BOUNDARY = "boundary-value"
    SAME_BOUNDARY = "boundary-used-twice"
    BOUNDARY_PREFIX = "boundary-is-prefix"
    LOOKALIKE = "line-like-a-boundary"
    NO_PARTS = "multipart-without-parts"
    NOT_CLOSED = "close-delimiter-missing"
    AFTER_CLOSE = "boundary-after-close"
    EMPTY_PART = "part-without-header-end"
    ENCODED_MULTIPART = "multipart-encoded"
    # limits
    TOO_DEEP = "nested-too-deep"
    TOO_MANY = "too-many-parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One doubt, and the offset in the mail where it was met."""

    kind: DefectKind
    at: int

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"
