"""Regular expressions mean the same on every Python that the package runs on."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from re import _constants, _parser  # how a pattern is read is shown nowhere else
from typing import Any

import gateway

#: What takes one character at a time and cannot fail half way.
ONE = {_constants.ANY, _constants.IN, _constants.LITERAL, _constants.NOT_LITERAL}


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every pattern that a module of the package holds, with its name."""
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.startswith(("gateway.__main__", "gateway.store.migrations")):
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.name}.{name}", value


def nodes(parsed: object) -> Iterator[tuple[Any, Any]]:
    """Every node of a pattern as Python has read it: what it does, and with what."""
    if isinstance(parsed, _parser.SubPattern):
        parsed = list(parsed)
    if isinstance(parsed, tuple) and parsed and isinstance(parsed[0], type(_constants.ANY)):
        yield parsed[0], parsed[1] if len(parsed) > 1 else None
    if isinstance(parsed, tuple | list):
        for part in parsed:
            yield from nodes(part)


def has_possessive_group(pattern: re.Pattern[Any]) -> bool:
    """Whether more than a single character is repeated possessively somewhere in it."""
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    return any(
        what is _constants.POSSESSIVE_REPEAT and not (len(how[2]) == 1 and how[2][0][0] in ONE)
        for what, how in nodes(_parser.parse(pattern.pattern, flags))
    )


def test_no_group_is_possessive() -> None:
    """Before 3.11.5 (Debian 12 has 3.11.2) a possessive group that fails half way stays where it failed.

    That is CPython's issue 106052. ``(?>(?:...)*)`` is the same and right on all of them.
    """
    found = dict(patterns())
    assert len(found) > 50
    wrong = {name for name, pattern in found.items() if has_possessive_group(pattern)}
    assert wrong == set()
