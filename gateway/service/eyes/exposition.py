"""The numbers as Prometheus reads them (text format 0.0.4)."""

from collections.abc import Iterable, Iterator, Mapping

from gateway.service.eyes.cells import (
    BOUNDS,
    BUILD,
    CERTIFICATE_LEFT,
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    PROMISE_FAULTS,
    PROMISES,
    STANDING,
    Family,
)
from gateway.service.eyes.table import Table


def exposition(table: Table, *, certificates: Mapping[str, float], version: str) -> str:
    """All metrics. `certificates`: seconds left by the file's name."""
    lines: list[str] = []
    for family in COUNTERS:
        lines += _family(family, [(value, table.total(cell)) for value, cell in family.samples.items()])
    for family in GAUGES:
        (cell,) = family.samples.values()
        one = Family(name=family.name, kind="gauge", help=family.help, samples={}, label="worker")
        lines += _family(one, [(str(at), value) for at, value in enumerate(table.of_workers(cell))])
    for family in STANDING:
        lines += _family(family, [(value, table.parent.get(cell)) for value, cell in family.samples.items()])
    for name in HISTOGRAMS:
        lines += _histogram(table, name)
    lines += _family(
        Family(
            name=PROMISE_FAULTS,
            kind="counter",
            help="Faults that a promise of docs/design.md was there for, by its number.",
            samples={},
            label="promise",
        ),
        [(number, sum(map(table.total, cells))) for number, cells in PROMISES.items()],
    )
    lines += _family(
        Family(
            name=CERTIFICATE_LEFT,
            kind="gauge",
            help="Seconds until a certificate in the config ends; negative once it has.",
            samples={},
            label="file",
        ),
        list(certificates.items()),
    )
    lines += _family(
        Family(name=BUILD, kind="gauge", help="Always 1.", samples={}, label="version"), [(version, 1.0)]
    )
    return "\n".join(lines) + "\n"


def _family(family: Family, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for value, number in samples:
        label = f'{{{family.label}="{_escaped(value)}"}}' if family.label else ""
        yield f"{family.name}{label} {_number(number)}"


def _histogram(table: Table, cell: str) -> Iterator[str]:
    name, text = HISTOGRAMS[cell]
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} histogram"
    below = 0.0
    for at, bound in enumerate((*BOUNDS, float("inf"))):
        below += table.total(f"{cell}:{at}")
        shown = "+Inf" if bound == float("inf") else f"{bound:g}"
        yield f'{name}_bucket{{le="{shown}"}} {_number(below)}'
    yield f"{name}_sum {_number(table.total(f'{cell}:sum'))}"
    yield f"{name}_count {_number(below)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
