"""What a check gives, and what several of them look at."""

from collections.abc import Callable, Iterable, Iterator

from gateway.config.model import Config
from gateway.config.traffic import NextHop

#: Key path, message, remedy.
Found = Iterator[tuple[str, str, str]]
Check = Callable[[Config], Found]

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def hops(config: Config) -> list[tuple[str, NextHop]]:
    """All next hops with their key paths."""
    return [("next_hop", config.next_hop), *((f"route[{i}]", route) for i, route in enumerate(config.route))]


def one_of(names: Iterable[str]) -> str:
    """The remedy where a name is none of these."""
    return f"write one of: {', '.join(names)}"
