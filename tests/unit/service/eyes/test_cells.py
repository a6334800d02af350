"""Everything that the program counts is in the catalogue, and so in the metrics."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.service.eyes.cells import COUNTERS, EVENTS, GAUGES, HISTOGRAMS, PLACES, PROMISES, STANDING

GATEWAY = Path(__file__).resolve().parents[4] / "gateway"


def counted() -> Iterator[str]:
    """Each name that is given to `count` of a journal, as far as it stands in the source."""
    for path in GATEWAY.rglob("*.py"):
        if "store" in path.relative_to(GATEWAY).parts:  # counts rows
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            source = ast.unparse(node.func)
            if name == "Count" or (name in {"count", "_count"} and re.search(r"journal|_count$", source)):
                yield from (
                    one.value
                    for argument in node.args
                    for one in ast.walk(argument)
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                )


def test_every_event_is_known() -> None:
    """A name that nobody put into the catalogue would be counted as ``other``."""
    names = set(counted())
    assert len(names) > 15
    known = {*PLACES, "left-alone-", "click:"}  # these begin a name; the rest is in an enum
    assert names - known == set()


def test_every_event_happens() -> None:
    """The catalogue has nothing that the program never counts."""
    assert set(EVENTS) - {*counted(), "other", "signing-fault"} == set()


def test_promises_name_cells() -> None:
    """What a promise sums up is counted."""
    assert {cell for cells in PROMISES.values() for cell in cells} - set(PLACES) == set()


def test_names_are_proper() -> None:
    """Names as Prometheus wants them, each once; counters end in _total."""
    families = (*COUNTERS, *GAUGES, *STANDING)
    names = [family.name for family in families] + [name for name, _ in HISTOGRAMS.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"careerrelay_[a-z_]+", name) for name in names)
    assert all(family.name.endswith("_total") for family in COUNTERS)
