"""What is measured. A case is a name, a measurement with its parameters, and the systems for which it makes sense."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bench.measure import Numbers, Sink, latency, memory, throughput
from bench.systems import System

Measurement = Callable[[System, Sink, Numbers, float], dict[str, float]]
_MEGA = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`key` is the number that stands for the case, in `unit`; `less`: less of it is better."""

    title: str
    run: Measurement
    key: str
    unit: str
    less: bool = False
    without: frozenset[str] = frozenset()


def _rate(kind: str, octets: int, sessions: int, *, single: bool = False) -> Measurement:
    def run(system: System, sink: Sink, numbers: Numbers, effort: float) -> dict[str, float]:
        # A filter that takes mail much faster than it hands it on would leave minutes of queue behind.
        seconds = effort / 4 if system.name == "altermime" else effort
        return throughput(
            system, sink, numbers, kind=kind, octets=octets, sessions=sessions, seconds=seconds, single=single
        )

    return run


def _latency(kind: str) -> Measurement:
    return lambda system, sink, numbers, effort: latency(
        system, sink, numbers, kind=kind, mails=int(effort * 200)
    )


def _memory(kind: str, system: System, sink: Sink, numbers: Numbers, effort: float) -> dict[str, float]:  # noqa: ARG001
    return memory(system, numbers, kind=kind, octets=20 * _MEGA, mails=50)


_PROXIES_ONLY = frozenset({"direct", "postfix", "altermime"})
_NOT_DIRECT = frozenset({"direct", "altermime"})
_NO_FILTER = frozenset({"altermime"})


def _throughput(title: str, run: Measurement, **more: frozenset[str]) -> Case:
    return Case(title=title, run=run, key="per_second", unit="mails/s", **more)


CASES: Mapping[str, Case] = {
    "rejection-100": _throughput("4 KB rejections, 100 sessions", _rate("rejection", 4096, 100)),
    "rejection-20": _throughput("4 KB rejections, 20 sessions", _rate("rejection", 4096, 20)),
    "rejection-single": _throughput(
        "4 KB rejections, one mail a session", _rate("rejection", 4096, 100, single=True)
    ),
    "ordinary-100": _throughput("4 KB ordinary mail, 100 sessions", _rate("ordinary", 4096, 100)),
    "ordinary-100k": _throughput("100 KB ordinary mail, 20 sessions", _rate("ordinary", 100_000, 20)),
    "ordinary-5m": _throughput(
        "5 MB ordinary mail, 20 sessions", _rate("ordinary", 5 * _MEGA, 20), without=_NO_FILTER
    ),
    "latency-ordinary": Case(
        title="Added to an ordinary 4 KB mail, one session", run=_latency("ordinary"), key="added_median",
        unit="ms", less=True, without=_PROXIES_ONLY,
    ),
    "latency-rejection": Case(
        title="Added to a 4 KB rejection, one session", run=_latency("rejection"), key="added_median",
        unit="ms", less=True, without=_PROXIES_ONLY,
    ),
    "memory-ordinary": Case(
        title="50 ordinary mails of 20 MB in flight, memory each", run=partial(_memory, "ordinary"), key="each_mb",
        unit="MB", less=True, without=_NOT_DIRECT,
    ),
    "memory-rejection": Case(
        title="50 rejections of 20 MB in flight, memory each", run=partial(_memory, "rejection"), key="each_mb",
        unit="MB", less=True, without=_NOT_DIRECT,
    ),
}  # fmt: skip
"""All cases, in order."""
