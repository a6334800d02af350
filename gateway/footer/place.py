"""Where the footer stands in the decoded text of a body, and what separates it from the text around it.

By default at the end of the newly written text: after the signature, before a quoted original; or where a
placeholder stands; or at the end or the top, if a rule says so. Everything here is positions in
`Body.decoded`; `place_html` finds them in HTML.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

_PLACEHOLDER: Final = re.compile(r"\{\{[ \t]{0,3}careerrelay[ \t]{0,3}\}\}", re.IGNORECASE)
PLACEHOLDER_WORD: Final = "careerrelay"
MAX_PLACEHOLDERS: Final = 50
"""More than anybody writes; each is looked up in the encoded body by itself."""
_BLANKS: Final = " \t\u3000"
_BLANK_START: Final = re.compile(r"[ \t\u3000]*(?:\r?\n|\Z)")
_LINE_END: Final = re.compile(r"[ \t\u3000]*\r?\n")


Around = tuple[str, str, str, bool]
"""What a text around a footer asks of it: its line end, the footer's lead and trail, whether it is flowed."""


class Where(StrEnum):
    """What a rule can ask for. AUTO: at a placeholder, or else at the end of the newly written text."""

    AUTO = "auto"
    END = "end"
    TOP = "top"


class Placement(StrEnum):
    """Where the footer went; the texts show in `rewrite --json`."""

    AFTER_TEXT = "after-text"
    BEFORE_QUOTE = "before-quote"
    PLACEHOLDER = "placeholder"
    END = "end"
    TOP = "top"
    REMOVED = "removed"
    """Nothing went in: a placeholder was taken out."""


class Spot(NamedTuple):
    """A place: the footer replaces ``decoded[start:end]``, between `lead` and `trail` (line ends).

    `removed` are other spans that are taken out: further placeholders, and the rest of one that is cut up
    by tags.
    """

    start: int
    end: int
    how: Placement
    lead: str
    trail: str
    removed: tuple[tuple[int, int], ...] = ()


def newline_of(decoded: str) -> str:
    """The line end that a text is written with; CRLF if it has none."""
    return "\n" if "\r\n" not in decoded and "\n" in decoded else "\r\n"


def plain_spot(decoded: str, new_end: int, where: Where, *, newline: str, flowed: bool) -> Spot:
    """The place in a text/plain body whose newly written text ends at `new_end`."""
    if where is Where.AUTO and "{" in decoded:
        found = plain_placeholders(decoded)
        if found:
            fresh = (span for span in found if span[1] <= new_end and not _in_quoted_line(decoded, span[0]))
            start, end = next(fresh, found[0])
            others = tuple(span for span in found if span[0] != start)
            lead, trail = _around(decoded, start, end, newline)
            return Spot(
                start=start, end=end, how=Placement.PLACEHOLDER, lead=lead, trail=trail, removed=others
            )
    at = new_end if where is Where.AUTO else 0 if where is Where.TOP else len(decoded)
    if 0 < at < len(decoded) and decoded[at - 1] != "\n":
        line_end = _LINE_END.match(decoded, at)
        if line_end is not None:
            at = line_end.end()
    if at == 0 and decoded[:1] == "\ufeff":
        at = 1
    lead = _lead(decoded, at, newline, flowed=flowed)
    trail = _trail(decoded, at, newline)
    if where is not Where.AUTO:
        how = Placement(where.value)
    else:
        how = Placement.BEFORE_QUOTE if decoded[at:].strip() else Placement.AFTER_TEXT
    return Spot(at, at, how, lead, trail)


def plain_placeholders(decoded: str) -> list[tuple[int, int]]:
    """The spans of all placeholders in a text."""
    return [found.span() for found in _PLACEHOLDER.finditer(decoded)]


def _in_quoted_line(decoded: str, at: int) -> bool:
    return decoded[decoded.rfind("\n", 0, at) + 1 : at].lstrip().startswith((">", "＞"))


def _lead(decoded: str, at: int, newline: str, *, flowed: bool) -> str:
    """Line ends that make the line before `at` complete and leave one blank line."""
    before = decoded[max(0, at - 200) : at]
    if at == 0 or before == "\ufeff":
        return ""
    lead = newline * 2
    if before.endswith("\n"):
        lead = newline
        last = before[:-1].removesuffix("\r")
        if not last[last.rfind("\n") + 1 :].strip(_BLANKS):
            return ""  # that line is blank
    if flowed:
        # Such a line is joined with the next: one blank line would only end the paragraph (RFC 3676 §4.1).
        line = before.rstrip("\r\n")
        if line.endswith(" ") and not line.endswith("\n-- ") and line != "-- ":
            lead += newline
    return lead


def _trail(decoded: str, at: int, newline: str) -> str:
    """Line ends that set the footer apart from what follows."""
    if at == len(decoded):
        return newline if decoded[at - 1 : at] == "\n" else ""
    return newline if _BLANK_START.match(decoded, at) else newline * 2


def _around(decoded: str, start: int, end: int, newline: str) -> tuple[str, str]:
    """Lead and trail for a footer in a placeholder's place: none where that had its line to itself."""
    line_start = decoded.rfind("\n", 0, start) + 1
    lead = newline * 2 if decoded[line_start:start].strip() else ""
    trail = "" if _BLANK_START.match(decoded, end) else newline * 2
    return lead, trail


def set_apart(footer: str, around: Around) -> str:
    """What goes in for `footer`, whose line ends are LF."""
    newline, lead, trail, flowed = around
    if flowed:
        footer = stuffed(footer)
    if newline != "\n":
        footer = footer.replace("\n", newline)
    return f"{lead}{footer}{trail}"


def stuffed(text: str) -> str:
    """Space-stuffing: no line of a flowed text looks quoted, stuffed or like an mbox line (RFC 3676 §4.4)."""
    return _STUFF.sub(" ", text)


_STUFF: Final = re.compile(r"^(?=[ >]|From )", re.MULTILINE)
