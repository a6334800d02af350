"""Every key is documented, in both places, with the default that holds."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from gateway.config import HostPort, load_config
from gateway.config.model import Config
from gateway.config.shape import entry_model, section_model, stands_alone
from gateway.config.traffic import NextHop, Route

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "config.example.toml"
REFERENCE = ROOT / "docs" / "config.md"


def sections(model: type[BaseModel] = Config, path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section as it stands in a file (``[rules.mode]`` counts as a key), with its model."""
    for name, field in model.model_fields.items():
        single, entry = section_model(field), entry_model(field)
        if single is not None:
            yield f"[{path}{name}]", single
            yield from sections(single, f"{path}{name}.")
        elif entry is not None:
            yield (f"[{path}{name}]" if stands_alone(field) else f"[[{path}{name}]]"), entry


def keys() -> Iterator[tuple[str, str, FieldInfo]]:
    """Every key: section, name, field. What a route shares with [next_hop] is told there."""
    for section, model in sections():
        for name, field in model.model_fields.items():
            if (
                section_model(field) is None
                and entry_model(field) is None
                and not (model is Route and name in NextHop.model_fields)
            ):
                yield section, name, field


KEYS = list(keys())
IDS = [f"{section}{name}" for section, name, _ in KEYS]


def toml(value: object) -> str:
    """A default as one writes it in the file."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return "[" + ", ".join(map(toml, value)) + "]"
        case Mapping():
            return "{}"
        case str() | Path() | HostPort() | Enum():
            return f'"{value}"'
        case _:
            return str(value)


def default(field: FieldInfo) -> str:
    """The default as the reference shows it: a value, a word for those without one, or nothing."""
    if field.is_required():
        return "*needed*"
    if field.default_factory is not None and field.default_factory is not dict:
        return ""
    value = field.get_default(call_default_factory=True)
    return "" if value is None else f"`{toml(value)}`"


def row(name: str, field: FieldInfo) -> str:
    """The line of the reference about one key."""
    return f"| `{name}` | {default(field)} | {field.description} |"


def reference(page: Path = REFERENCE) -> dict[str, str]:
    """The text below each heading of the reference."""
    parts = re.split(r"^## `(\[[^`]+\])`.*$", page.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(page: Path) -> list[tuple[str, str, str]]:
    """Section, key and default of every line of the reference."""
    return [
        (section, *line)
        for section, text in reference(page).items()
        for line in re.findall(r"^\| `([a-z_]+)` \| (.*?) \| .+ \|$", text, re.MULTILINE)
    ]


def example() -> dict[str, dict[str, str]]:
    """Section -> key -> value, of all keys in the example, those behind a ``#`` too."""
    found: dict[str, dict[str, str]] = {}
    section = ""
    for line in EXAMPLE.read_text("utf-8").splitlines():
        if header := re.fullmatch(r"(?:# )?(\[\[?[a-z_.]+\]\]?)", line):
            section = header[1]
        elif key := re.fullmatch(r'(?:# )?("\*"|[a-z_]+) = (.+)', line):
            found.setdefault(section, {})[key[1]] = key[2]
    return found


@pytest.mark.parametrize(("section", "name", "field"), KEYS, ids=IDS)
def test_reference_tells_every_key(section: str, name: str, field: FieldInfo) -> None:
    """docs/config.md has a line about each key, with the default and the meaning that the code has."""
    assert row(name, field) in reference()[section].splitlines()


def test_reference_tells_no_other_keys() -> None:
    """docs/config.md speaks of no key that is not there, and has each once."""
    told = [
        f"{section}{name}"
        for section, text in reference().items()
        for name in re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)
    ]
    assert told == IDS


def test_japanese_reference_tells_the_same_keys() -> None:
    """docs/config.ja.md has the same keys in the same order, with the same defaults."""
    assert rows(REFERENCE.with_name("config.ja.md")) == rows(REFERENCE)


@pytest.mark.parametrize(("section", "name", "field"), KEYS, ids=IDS)
def test_example_shows_every_key(section: str, name: str, field: FieldInfo) -> None:
    """config.example.toml has each key: needed, with its default, or with an example that is right."""
    if (section, name) == ("[rules]", "mode"):
        assert example()["[rules.mode]"] == {'"*"': '"inject"'}
        return
    shown = example()[section][name]
    commented = f"# {name} = {shown}" in EXAMPLE.read_text("utf-8").splitlines()
    value = field.get_default(call_default_factory=True)
    if commented and not field.is_required() and value not in (None, ()) and field.default_factory is None:
        assert shown == toml(value)
    annotation: Any = Annotated[field.annotation, field]
    TypeAdapter(annotation).validate_python(tomllib.loads(f"value = {shown}")["value"])


def test_example_is_a_config_as_it_stands() -> None:
    """config.example.toml can be loaded, and is the common case that the documentation speaks of."""
    config = load_config(EXAMPLE)
    assert config.gateway.own_domains == ("example.co.jp",)
    assert config.rules.mode == {}, "rules go further by roll-out, not by copying an example"


def test_example_has_no_unknown_key() -> None:
    """What stands in config.example.toml behind a ``#`` is a key of that section."""
    known = dict(sections())
    unknown = [
        f"{section}{name}"
        for section, values in example().items()
        if section != "[rules.mode]"
        for name in values
        if name not in known[section].model_fields
    ]
    assert unknown == []
