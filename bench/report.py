"""Numbers to read: medians with their least and greatest, ratios, and whether the promises are kept."""

import json
import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.cases import CASES

Runs = list[dict[str, float]]
_FAMILIES = ("direct", "postfix", "haraka")


@dataclass(slots=True)
class Results:
    """All that was measured: ``runs[case][system]`` has one entry a round. `missing`: what was not run."""

    options: Mapping[str, object]
    runs: dict[str, dict[str, Runs]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, case: str, system: str, numbers: dict[str, float]) -> None:
        """One more run."""
        self.runs.setdefault(case, {}).setdefault(system, []).append(numbers)

    def median(self, case: str, system: str, key: str = "") -> float | None:
        """The median of the case's own number, or of another."""
        runs = self.runs.get(case, {}).get(system, [])
        name = key or CASES[case].key
        return statistics.median(run[name] for run in runs) if runs else None

    def best(self, case: str, family: str) -> tuple[float, str] | None:
        """The best median among systems of a family (``haraka``: with one worker or two), and whose it is.

        The name of one system is a family of its own.
        """
        found = [
            (value, system)
            for system in self.runs.get(case, {})
            if family in (system, system.split("-")[0]) and (value := self.median(case, system)) is not None
        ]
        return (min if CASES[case].less else max)(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was promised: a case's number `of` a system, as it is or `over` another's, against a bound."""

    case: str
    text: str
    bound: float
    of: str = "gateway"
    over: str = ""
    at_most: bool = False


PROMISES: Sequence[Promise] = (
    Promise(case="rejection-100", text="4 KB rejections, over Haraka at its best", bound=4, over="haraka"),
    Promise(case="rejection-100", text="4 KB rejections, over Postfix as a relay", bound=3, over="postfix"),
    Promise(
        case="rejection-100", text="4 KB rejections with a ledger in SQLite, over none", bound=0.6,
        of="gateway-1", over="unrecorded-1",
    ),
    Promise(
        case="rejection-100", text="the same with a ledger in PostgreSQL", bound=0.6, of="nodes-1",
        over="unrecorded-1",
    ),
    Promise(case="source-5m", text="5 MB ordinary mail, over direct", bound=0.7, over="direct"),
    Promise(
        case="memory-ordinary", text="MB for each of 50 x 20 MB in flight, ordinary", bound=1, at_most=True
    ),
    Promise(
        case="memory-rejection", text="MB for each of 50 x 20 MB in flight, rejections", bound=1, at_most=True
    ),
    Promise(case="latency-ordinary", text="ms added to an ordinary mail, median", bound=1, at_most=True),
    Promise(case="latency-rejection", text="ms added to a rejection, median", bound=2.5, at_most=True),
)  # fmt: skip


def lines(results: Results) -> Iterator[str]:
    """The report."""
    for name, systems in results.runs.items():
        case = CASES[name]
        yield ""
        yield f"{case.title} ({case.unit})   [{name}]"
        heads = "".join(f"{'/' + family:>9}" for family in _FAMILIES)
        yield f"  {'':<12}{'median':>10}{'min':>10}{'max':>10}{heads}"
        for system, runs in systems.items():
            values = [run[case.key] for run in runs]
            middle = statistics.median(values)
            ratios = "".join(_ratio(results, name, middle, family) for family in _FAMILIES)
            figures = "".join(map(_figure, (middle, min(values), max(values))))
            yield f"  {system:<12}{figures}{ratios}   {_more(runs)}"
    if results.missing:
        yield ""
        yield "Not measured:"
        for what, why in results.missing.items():
            yield f"  {what}: {why}"
    promised = list(_promises(results))
    if promised:
        yield ""
        yield "Promised:"
        yield from promised


def _promises(results: Results) -> Iterator[str]:
    for promise in PROMISES:
        found = results.best(promise.case, promise.of)
        other = results.best(promise.case, promise.over) if promise.over else (1.0, "")
        if found is None or other is None:
            continue
        value = found[0] / other[0]
        kept = value <= promise.bound if promise.at_most else value >= promise.bound
        word = "kept  " if kept else "BROKEN"
        sign = "at most" if promise.at_most else "at least"
        yield f"  {word} {promise.text}: {value:.2f}, promised {sign} {promise.bound:g}   ({found[1]})"


def _ratio(results: Results, case: str, value: float, family: str) -> str:
    other = results.best(case, family)
    return f"{value / other[0]:>9.2f}" if other is not None and other[0] > 0 else f"{'':>9}"


def _figure(value: float) -> str:
    return f"{value:>10,.0f}" if abs(value) >= 100 else f"{value:>10.2f}"


def _more(runs: Runs) -> str:
    """The other numbers that matter, medians."""
    shown = {
        "cpu_per_1000": "CPU s/1,000 {:.2f}", "pss_mb": "PSS {:.0f} MB", "direct_median": "direct {:.2f}",
        "through_median": "through {:.2f}", "through_p99": "p99 {:.2f}", "peak_each_mb": "peak {:.2f}",
        "total_each_mb": "with the idle program {:.2f}",
    }  # fmt: skip
    return ", ".join(
        text.format(statistics.median(run[key] for run in runs))
        for key, text in shown.items()
        if key in runs[0]
    )


def save(results: Results, folder: Path) -> Path:
    """Write all numbers as JSON; the file's name is the time."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    try:
        own = version("careerrelay-gateway")
    except PackageNotFoundError:
        own = "unknown"
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "gateway": own,
    }
    everything = {
        "when": now.isoformat(timespec="seconds"),
        "machine": machine,
        "options": results.options,
        "runs": results.runs,
        "missing": results.missing,
        "report": list(lines(results)),
    }
    path.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path
