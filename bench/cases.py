"""What is measured: each case is a measurement with its parameters, and where it makes sense."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bench.measure import Load, Numbers, Sink, latency, memory, source, throughput
from bench.systems import System

Measurement = Callable[[System, Sink, Numbers, float], dict[str, float]]
_MEGA = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`key` is the number that stands for the case, in `unit`; `less`: less of it is better.

    `fresh`: the system is started for this case alone, since memory that another case left would count.
    `sink` is the next hop: ours, or Postfix's ``smtp-sink``.
    """

    title: str
    run: Measurement
    key: str
    unit: str
    less: bool = False
    without: frozenset[str] = frozenset()
    fresh: bool = False
    sink: str = "own"


def _rate(kind: str, octets: int, sessions: int, *, single: bool = False, recipients: int = 1) -> Measurement:
    def run(system: System, sink: Sink, numbers: Numbers, effort: float) -> dict[str, float]:
        # A filter that takes mail much faster than it hands it on would leave minutes of queue behind.
        seconds = effort / 4 if system.name == "altermime" else effort
        load = Load(
            kind=kind, octets=octets, sessions=sessions, seconds=seconds, single=single, recipients=recipients
        )
        return throughput(system, sink, numbers, load)

    return run


def _source(octets: int, sessions: int = 20) -> Measurement:
    def run(system: System, sink: Sink, numbers: Numbers, effort: float) -> dict[str, float]:  # noqa: ARG001
        return source(system, octets=octets, sessions=sessions, seconds=effort)

    return run


def _latency(kind: str) -> Measurement:
    return lambda system, sink, numbers, effort: latency(
        system, sink, numbers, kind=kind, mails=int(effort * 200)
    )


def _memory(kind: str, system: System, sink: Sink, numbers: Numbers, effort: float) -> dict[str, float]:  # noqa: ARG001
    return memory(system, numbers, kind=kind, octets=20 * _MEGA, mails=50)


# Several nodes are measured where there is something to share, and what the ledger costs where there is one:
# in the cases with a ledger row for each mail.
_NODES = frozenset({"nodes-1", "nodes-2", "unrecorded-1"})
# The memory of mails for several is in the ledger as ever.
_SEVERAL = frozenset({"unrecorded-1"})
_PROXIES_ONLY = frozenset({"direct", "postfix", "altermime"}) | _NODES
_NOT_DIRECT = frozenset({"direct", "altermime"}) | _NODES
_NO_FILTER = frozenset({"altermime"})


def _throughput(title: str, run: Measurement, *, without: frozenset[str] = frozenset()) -> Case:
    return Case(title=title, run=run, key="per_second", unit="mails/s", without=without)


CASES: Mapping[str, Case] = {
    "rejection-100": _throughput("4 KB rejections, 100 sessions", _rate("rejection", 4096, 100)),
    "rejection-20": _throughput("4 KB rejections, 20 sessions", _rate("rejection", 4096, 20)),
    "rejection-single": _throughput(
        "4 KB rejections, one mail a session", _rate("rejection", 4096, 100, single=True)
    ),
    "recipients-10": _throughput(
        "4 KB rejections to 10 candidates at once, 20 sessions", _rate("rejection", 4096, 20, recipients=10),
        without=_SEVERAL,
    ),
    "recipients-100": _throughput(
        "4 KB rejections to 100 candidates at once, 5 sessions", _rate("rejection", 4096, 5, recipients=100),
        without=_NO_FILTER | _SEVERAL,
    ),
    "ordinary-100": _throughput(
        "4 KB ordinary mail, 100 sessions", _rate("ordinary", 4096, 100), without=_NODES
    ),
    "ordinary-100k": _throughput(
        "100 KB ordinary mail, 20 sessions", _rate("ordinary", 100_000, 20), without=_NODES
    ),
    "ordinary-5m": _throughput(
        "5 MB ordinary mail, 20 sessions", _rate("ordinary", 5 * _MEGA, 20), without=_NO_FILTER | _NODES
    ),
    "source-5m": Case(
        title="5 MB ordinary mail, smtp-source and smtp-sink, 20 sessions", run=_source(5 * _MEGA),
        key="per_second", unit="mails/s", without=_NO_FILTER | _NODES, sink="smtp-sink",
    ),
    "source-4k": Case(
        title="4 KB ordinary mail, smtp-source and smtp-sink, 100 sessions", run=_source(4096, 100),
        key="per_second", unit="mails/s", without=_NO_FILTER | _NODES, sink="smtp-sink",
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
        title="50 ordinary mails of 20 MB in flight, memory each", run=partial(_memory, "ordinary"),
        key="each_mb", unit="MB", less=True, without=_NOT_DIRECT, fresh=True,
    ),
    "memory-rejection": Case(
        title="50 rejections of 20 MB in flight, memory each", run=partial(_memory, "rejection"),
        key="each_mb", unit="MB", less=True, without=_NOT_DIRECT, fresh=True,
    ),
}  # fmt: skip
"""All cases, in order."""
