"""docs/rules.md and rules.ja.md: their rules load, their examples hold, and they name every key there is."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.ruleset import schema
from gateway.ruleset.load import load_rules

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("rules.md", "rules.ja.md")}
BLOCKS = [
    (name, number, block)
    for name, page in PAGES.items()
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
]
TABLES = [
    table for table in vars(schema).values() if isinstance(table, type) and issubclass(table, BaseModel)
]


@pytest.mark.parametrize(("name", "number", "block"), BLOCKS)
def test_every_block_of_rules_loads_and_its_examples_hold(name: str, number: int, block: str) -> None:
    """As a folder of its own; loading runs the examples."""
    ruleset = load_rules({"page.toml": block.encode()}, footers={"default-ja", "default-en"})
    assert "[[example]]" in block, (name, number)
    assert len(ruleset.rules) == 1


@pytest.mark.parametrize("name", PAGES)
def test_every_key_is_documented(name: str) -> None:
    """STYLE.md, habit 16."""
    keys = {key for table in TABLES for key in table.model_fields}
    page = PAGES[name]
    assert [key for key in sorted(keys) if not re.search(rf"`[^`]*\b{key}\b[^`]*`", page)] == []


def test_both_languages_teach_the_same() -> None:
    """The same blocks in the same order, and the same keys in the tables."""
    blocks = {name: [one for other, one, _ in BLOCKS if other == name] for name in PAGES}
    assert blocks["rules.md"] == blocks["rules.ja.md"]
    keys = {name: set(re.findall(r"^\| `([a-z_]+)`", page, re.MULTILINE)) for name, page in PAGES.items()}
    assert keys["rules.md"] == keys["rules.ja.md"]
