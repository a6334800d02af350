"""Write plain values as TOML: just what configs in tests hold."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def to_toml(tables: Mapping[str, Any]) -> str:
    """A TOML document. Values: str, bool, int, float, lists of these, tables, lists of tables."""
    return "".join(_table(tables, ()))


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(key)} = {_value(value)}\n" for key, value in table.items() if not _nested(value)]
    for key, value in table.items():
        name = ".".join(map(_key, (*path, key)))
        if isinstance(value, Mapping):
            lines += [f"\n[{name}]\n", *_table(value, (*path, key))]
        elif _nested(value):
            for entry in value:
                lines += [f"\n[[{name}]]\n", *_table(entry, (*path, key))]
    return lines


def _nested(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return bool(value) and isinstance(value[0], Mapping)
    return isinstance(value, Mapping)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's strings, numbers and booleans are TOML's, but for the surrogate pairs of ensure_ascii.
    return json.dumps(value if isinstance(value, (bool, int, float)) else str(value), ensure_ascii=False)
