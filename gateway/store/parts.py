"""Values in parts of a size that one statement can hold."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

#: Values of one IN: below every limit, and few enough for a plan that looks each of them up.
VALUES = 400

_T = TypeVar("_T")


def parts(values: Sequence[_T], size: int = VALUES) -> Iterator[Sequence[_T]]:
    """`values` in their order, at most `size` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
