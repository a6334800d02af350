"""What only a lint can afford: the measured cost of patterns on hostile text.

`load.load_rules` refuses what is wrong by its shape (counted gaps, programs too large). Cost is measured
here, with a clock that the caller gives, since two machines would not agree on it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import re2

from gateway.errors import Problem
from gateway.ruleset.parse import parse_files

DEAREST = 5.0
"""Times the cost of a plain pattern on the same text that one pattern may take."""

LEAST_SECONDS = 0.000_5
"""Below this nothing is dear, whatever the ratio: the noise of a clock is of that size."""

_TURNS = 5
_PLAIN = "不採用|unsuccessful"
_HOSTILE = (
    "採用を見送" * 800,
    "ああ、いいえ。" * 600,
    "not a b not a b c " * 250,
    "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(4000)),
)


def dear_patterns(files: Mapping[str, bytes], clock: Callable[[], float]) -> list[Problem]:
    """A problem for each pattern that costs more than `DEAREST` times a plain one. `clock` gives seconds."""
    parsed, _, _ = parse_files(files)
    bound = max(DEAREST * _cost(_alone(_PLAIN), clock), LEAST_SECONDS)
    problems: list[Problem] = []
    for file in parsed:
        for name, table in file.table.terms.items():
            for pattern in table.patterns:
                try:
                    re2.compile(pattern, _options())
                except re2.error:
                    continue  # load_rules says so
                if _cost(_alone(pattern), clock) > bound:
                    problems.append(
                        Problem(
                            file=file.name,
                            key=f"terms.{name}.patterns",
                            message=f"{pattern!r} takes too long on hostile text",
                            remedy="use plain words, or two terms and a `distance`",
                        )
                    )
    return problems


def _alone(pattern: str) -> Any:  # noqa: ANN401 - the library has no type information
    compiled = re2.Set.SearchSet(_options())
    compiled.Add(pattern)
    compiled.Compile()
    return compiled


def _cost(compiled: Any, clock: Callable[[], float]) -> float:  # noqa: ANN401 - the same
    """The best of some turns over all hostile texts."""
    best = float("inf")
    for _ in range(_TURNS):
        start = clock()
        for text in _HOSTILE:
            compiled.Match(text)
        best = min(best, clock() - start)
    return best


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options
