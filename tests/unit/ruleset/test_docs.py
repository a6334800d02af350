"""docs/rules.md: its rules load, its examples hold, and it names every key that the language has."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.ruleset import schema
from gateway.ruleset.load import load_rules

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [
    table for table in vars(schema).values() if isinstance(table, type) and issubclass(table, BaseModel)
]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_of_rules_loads_and_its_examples_hold(number: int) -> None:
    """As a folder of its own; loading runs the examples."""
    ruleset = load_rules({"page.toml": BLOCKS[number].encode()}, footers={"default-ja", "default-en"})
    assert "[[example]]" in BLOCKS[number]
    assert len(ruleset.rules) == 1


def test_every_key_is_documented() -> None:
    """STYLE.md, habit 16."""
    keys = {key for table in TABLES for key in table.model_fields}
    assert [key for key in sorted(keys) if not re.search(rf"`[^`]*\b{key}\b[^`]*`", PAGE)] == []
