"""The pages and files for operators know every metric and every reason code, and no other."""

import json
import re
from pathlib import Path

import pytest

from gateway.reason import Reason
from gateway.service.eyes.cells import EVENTS, PROMISES
from gateway.service.eyes.exposition import exposition
from gateway.service.eyes.table import Table

ROOT = Path(__file__).resolve().parents[2]
METRICS = set(
    re.findall(
        r"^# TYPE (\S+)", exposition(Table(workers=1), certificates={}, version="1"), re.MULTILINE
    )
)  # fmt: skip


def first_cells(name: str) -> list[str]:
    """What stands in the first column of the tables of a page."""
    return re.findall(r"^\| `?([\w:-]+)`? \|", (ROOT / name).read_text("utf-8"), re.MULTILINE)


def test_every_reason_is_explained() -> None:
    """docs/reasons.md has each code, once, in the order of the list."""
    assert first_cells("docs/reasons.md") == ["code", *(reason.value for reason in Reason)]


def test_every_metric_is_explained() -> None:
    """docs/metrics.md has each metric, event and promise once."""
    found = first_cells("docs/metrics.md")
    wanted = [*METRICS, *EVENTS, *PROMISES, "metric", "event", "promise"]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("page", ["reasons", "metrics"])
def test_japanese_pages_explain_the_same(page: str) -> None:
    """The Japanese page has the same codes, metrics, events and promises, in the same order."""
    rows = [
        re.findall(
            r"^\| (`[\w:-]+`|\d) \|", (ROOT / f"docs/{page}{language}.md").read_text("utf-8"), re.MULTILINE
        )
        for language in ("", ".ja")
    ]
    assert len(rows[0]) > 10
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", ["contrib/alerts.yml", "contrib/grafana.json"])
def test_examples_ask_for_what_there_is(name: str) -> None:
    """An alert on a metric that does not exist would never fire."""
    text = (ROOT / name).read_text("utf-8")
    asked = set(re.findall(r"careerrelay_[a-z_]+", text))
    assert asked
    assert {re.sub("_(bucket|sum|count)$", "", one) for one in asked} - METRICS == set()


def test_the_board_is_json_with_panels() -> None:
    """Grafana takes JSON; each panel asks something."""
    board = json.loads((ROOT / "contrib/grafana.json").read_text("utf-8"))
    assert all(panel["targets"] for panel in board["panels"])
