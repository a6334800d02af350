"""The regular expressions of a lexicon, searched for together by one RE2 set.

Theory of operation. The set says which of them match, at a cost that the lint bounds; where they do is looked
up for these alone. What a pattern may match is read off how it is written (`_extent`), with nothing taken for
granted: most hold no line feed, so that all of their matches are found in the lines one by one, and of others
it is mostly known how far they reach. Whatever is not plainly so counts as reaching anywhere.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import re2

MEMORY = 32 << 20
"""Bytes that RE2 may use for the states of the set; with its default 1,000 patterns thrash."""

MOST_PLACES = 4096
"""Places of one pattern looked at in one text."""

_FAR = 1 << 20
"""More characters than any text has that is judged."""

# What is not here has no known extent: classes with a name, flags, anchors at the beginning, other escapes.
_TOKEN = re.compile(
    r"(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))|(?P<bar>\|)|(?P<edge>\\b|\$)"
    r"|(?P<count>\?|\{(?P<least>\d+)(?:,(?P<most>\d+))?\})|(?P<endless>[*+]|\{\d+,\})"
    r"|(?P<other>\[\^(?:[^\[\]\\\x00-\x1f]|\\[^\w\x00-\x1f])+\]|\\s)"
    r"|(?P<one>\[(?!\^)(?:[^\[\]\\\x00-\x1f]|\\[^\w\x00-\x1f]|\\[dw])+\]|\\[^\w\x00-\x1f]|\\[dw]"
    r"|[^\[\]\\^$.*+?{}()|\x00-\x1f]|\.)"
)


class Patterns:
    """Compiled patterns, each with its position in the sequence that they were made from."""

    __slots__ = ("_compiled", "_set", "over", "reach")

    def __init__(self, texts: Sequence[str]) -> None:
        """Compile. Raises `ValueError` with RE2's own words for a pattern it cannot read.

        `over` are those of which a match may go over the end of a line, and no such match is longer than
        `reach`.
        """
        self._compiled = [_compile(text) for text in texts]
        self._set = _set_of(texts)
        extents = [_extent(text) for text in texts]
        self.over = frozenset(number for number, (_, over) in enumerate(extents) if over)
        self.reach = max((longest for longest, over in extents if over), default=0)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._compiled)

    def matching(self, text: str) -> Sequence[int]:
        """Which of them match in the text."""
        if self._set is None:
            return ()
        try:
            return self._set.Match(text) or ()
        except UnicodeEncodeError:
            return self._set.Match(encodable(text)) or ()

    def goes_over_lines(self, text: str) -> bool:
        """Does one of those match of which a match may go over the end of a line?"""
        return bool(self.over) and not self.over.isdisjoint(self.matching(text))

    def places(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Each match with its start and end, pattern by pattern."""
        matching = self.matching(text)
        if matching:
            text = encodable(text)
        for number in matching:
            for found, _ in zip(self._compiled[number].finditer(text), range(MOST_PLACES), strict=False):
                if found.end() > found.start():
                    yield number, found.start(), found.end()


def encodable(text: str) -> str:
    """The same text with the same length; half of a surrogate pair, which no word can hold, is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text)
    return text


def _extent(pattern: str) -> tuple[int, bool]:
    """How many characters a match has at most, and whether a line feed may be among them."""
    at = last = here = best = 0
    outside: list[tuple[int, int]] = []
    over = False
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return _FAR, True
        at = token.end()
        match token.lastgroup:
            case "one" | "other":
                over = over or token.lastgroup == "other"
                here, last = here + 1, 1
            case "edge":
                last = 0
            case "count":
                here += last * max(0, int(token["most"] or token["least"] or 1) - 1)
            case "endless":
                here += _FAR
            case "open":
                outside.append((here, best))
                here = best = last = 0
            case "bar":
                here, best, last = 0, max(here, best), 0
            case _ if outside:
                last = max(here, best)
                here, best = outside.pop()
                here += last
            case _:
                return _FAR, True
    return (_FAR, True) if outside else (min(_FAR, max(here, best)), over)


def _options() -> Any:  # noqa: ANN401 - the library has no type information
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    return options


def _compile(pattern: str) -> Any:  # noqa: ANN401 - the library has no type information
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        raise ValueError(_words_of(error)) from error


def _words_of(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _set_of(patterns: Sequence[str]) -> Any:  # noqa: ANN401 - the library has no type information
    if not patterns:
        return None
    compiled = re2.Set.SearchSet(_options())
    for pattern in patterns:
        compiled.Add(pattern)
    compiled.Compile()
    return compiled
