"""The pages and files for operators know every metric and every reason code, and no other."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from gateway.reason import Reason
from gateway.service.eyes.cells import EVENTS, PROMISES
from gateway.service.eyes.exposition import exposition
from gateway.service.eyes.table import Table
from tests.programs import find

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


def promtool(*words: str, given: str = "") -> str:
    """What Prometheus's own checker says; it must be content."""
    done = subprocess.run(
        [str(find("promtool")), *words],
        input=given, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT / "contrib",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.peer("promtool")
def test_prometheus_takes_the_alerts() -> None:
    """Each rule is one for Prometheus, fires when it should and else not."""
    assert "11 rules found" in promtool("check", "rules", "alerts.yml")
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "contrib/alerts.yml").read_text("utf-8"))
    tested = (ROOT / "contrib/alerts_test.yml").read_text("utf-8")
    for alert in alerts:
        assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", tested), f"{alert}: silent when well"
        assert re.search(rf"alertname: {alert}\n +exp_alerts:.*\n +- exp_labels", tested), f"{alert}: fires"


@pytest.mark.peer("promtool")
def test_prometheus_understands_the_board(tmp_path: Path) -> None:
    """What the panels ask is PromQL."""
    board = json.loads((ROOT / "contrib/grafana.json").read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}), "utf-8")  # YAML too
    assert f"{len(asked)} rules found" in promtool("check", "rules", str(file))


@pytest.mark.peer("promtool")
def test_prometheus_likes_the_metrics() -> None:
    """Format, names and units as its conventions have them."""
    text = exposition(Table(workers=2), certificates={"mx.pem": 3.0}, version="1")
    assert promtool("check", "metrics", given=text) == ""
