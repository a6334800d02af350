"""What an HTML mail does not show: elements with ``display: none`` and the like, and what is folded up.

A preheader and the words for scanners stand in such an element. One that is never closed hides all that
follows, and a footer with it. Where an element ends is told as a browser tells it, as far as mails need:
by its own end tag, by the end of what it stands in, and a paragraph by the next block.

HTML Living Standard §13.2.6.4.7.
"""

import re
from collections import Counter

_HIDES = re.compile(
    r"(?:display\s*+:\s*+none|visibility\s*+:\s*+hidden|opacity\s*+:\s*+0(?:\.0+)?(?![.\d]))\b", re.IGNORECASE
)
_FLAT = re.compile(r"max-height\s*+:\s*+0(?:px)?(?![.\d\w%])", re.IGNORECASE)
_CUT_OFF = re.compile(r"overflow\s*+:\s*+hidden\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?:^|[\s/])hidden(?=[\s/=]|$)", re.IGNORECASE)
_OPEN = re.compile(r"(?:^|[\s/])open(?=[\s/=]|$)", re.IGNORECASE)
_VALUES = re.compile(r""""[^"]*"|'[^']*'""")
_HINTS = ("none", "None", "NONE", "hidden", "Hidden", "HIDDEN", "opacity", "<details", "<dialog")
# Not shown but where it says `open`.
_FOLDED = frozenset({"details", "dialog"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "wbr"}
)
_CELLS = frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "table"})
_BLOCKS = _CELLS | frozenset(
    {"address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "div", "dl", "dt"}
    | {"fieldset", "footer"}
    | {"form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "li", "main", "nav", "ol", "p", "pre", "section"}
    | {"ul"}
)
# What ends an element of this kind by beginning.
_NEXT = {
    "p": _BLOCKS | {"hr"},
    "li": frozenset({"li"}),
    "dd": frozenset({"dd", "dt"}),
    "dt": frozenset({"dd", "dt"}),
    "td": frozenset({"td", "th", "tr"}),
    "th": frozenset({"td", "th", "tr"}),
    "tr": frozenset({"tr"}),
}
_NONE: frozenset[str] = frozenset()


def may_hide(source: str) -> bool:
    """Whether it is worth looking at the tags of `source`."""
    return any(hint in source for hint in _HINTS)


class Hidden:
    """The hidden spans of one page, told tag after tag; only the outermost of nested ones are noted."""

    __slots__ = ("_inside", "_name", "_start", "spans")

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self._name = ""  # of the hidden element that is open
        self._start = 0
        self._inside: Counter[str] = Counter()  # elements that are open in it

    def tag(self, name: str, attributes: str, at: int, *, closing: bool) -> None:
        """The tag of the element `name` (lower case) at `at` of the source."""
        if name in _VOID and not (self._name and name in _NEXT.get(self._name, _NONE)):
            return
        if self._name and self._ends(name, closing=closing):
            self.end(at)
        if self._name:
            self._inside[name] += -1 if closing else 1
        elif not closing and _is_hidden(name, attributes):
            self._name, self._start = name, at
            self._inside.clear()

    def end(self, at: int) -> None:
        """The open element, if there is one, ends here."""
        if self._name:
            self.spans.append((self._start, at))
            self._name = ""

    def _ends(self, name: str, *, closing: bool) -> bool:
        """Whether this tag ends the hidden element: never what was opened inside."""
        if not closing:
            nested = self._inside["table"] + self._inside["ul"] + self._inside["ol"] + self._inside["dl"]
            return nested <= 0 and name in _NEXT.get(self._name, _NONE)
        if self._inside[name] > 0 or name in {"body", "html"}:
            return False
        return name == self._name or name in _BLOCKS or self._name not in _BLOCKS


def _is_hidden(name: str, attributes: str) -> bool:
    return (
        _HIDES.search(attributes) is not None
        or (_FLAT.search(attributes) is not None and _CUT_OFF.search(attributes) is not None)
        or _has(_ATTRIBUTE, attributes)
        or (name in _FOLDED and not _has(_OPEN, attributes))
    )


def _has(attribute: re.Pattern[str], attributes: str) -> bool:
    """Whether it is among the attributes; what their values say does not count."""
    return (
        attribute.search(attributes) is not None
        and attribute.search(_VALUES.sub('""', attributes)) is not None
    )
