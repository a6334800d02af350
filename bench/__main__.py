"""``python -m bench``: the whole comparison in one run, on loopback; ends by itself.

Systems take turns: in each round every system is started, measured in every case, and stopped, so that what
else the machine does hits all alike. Only ratios mean anything on another day.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from bench.cases import CASES
from bench.measure import FailedError, Numbers, PostfixSink, Sink
from bench.report import Results, lines, save
from bench.systems import SYSTEMS, System, UnavailableError

_RESULTS = Path(__file__).parent / "results"


class Run:
    """What a run has in hand: the cases, the sinks (started when first needed), what was found."""

    def __init__(self, cases: list[str], effort: float, results: Results) -> None:
        self.cases = cases
        self.effort = effort
        self.results = results
        self.numbers = Numbers()
        self.sinks: dict[str, Sink] = {}

    def sink(self, kind: str) -> Sink:
        """The next hop of that kind. Raises UnavailableError."""
        if kind not in self.sinks:
            if kind != "own" and shutil.which(kind) is None:
                raise UnavailableError(f"no {kind} here")
            self.sinks[kind] = Sink() if kind == "own" else PostfixSink()
        return self.sinks[kind]

    def stop(self) -> None:
        """End the sinks."""
        for sink in self.sinks.values():
            sink.stop()


def main() -> int:
    """Run what was asked for; 0 if anything could be measured."""
    arguments = _arguments()
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    effort = 2.0 if arguments.quick else 5.0
    results = Results({"rounds": rounds, "seconds": effort})
    run = Run(arguments.only, effort, results)
    begin = time.monotonic()
    try:
        for turn in range(1, rounds + 1):
            for system in arguments.systems:
                _turn(run, system, f"{turn}/{rounds}")
    except KeyboardInterrupt:
        print("\ninterrupted: what was measured so far", file=sys.stderr)
    finally:
        run.stop()
    for line in lines(results):
        print(line)
    print(f"\n{time.monotonic() - begin:.0f} s; all numbers: {save(results, arguments.results)}")
    return 0 if results.runs else 1


def _turn(run: Run, name: str, turn: str) -> None:
    """One system, all cases, once; started anew where a case asks for it."""
    wanted = [case for case in run.cases if name not in CASES[case].without]
    together = [case for case in wanted if not CASES[case].fresh and CASES[case].sink == "own"]
    for cases in [together, *([case] for case in wanted if case not in together)]:
        if cases and name not in run.results.missing:
            _start(run, name, cases, turn)


def _start(run: Run, name: str, cases: list[str], turn: str) -> None:
    try:
        sink = run.sink(CASES[cases[0]].sink)
        with SYSTEMS[name](sink.port) as system:
            for case in cases:
                _measure(run, case, system, sink, turn)
    except (UnavailableError, TimeoutError) as error:
        run.results.missing[name] = str(error)
        print(f"  {turn} {name:<12}not run: {error}", file=sys.stderr)


def _measure(run: Run, case: str, system: System, sink: Sink, turn: str) -> None:
    place = f"{system.name}, {case}"
    if place in run.results.missing:
        return
    try:
        found = CASES[case].run(system, sink, run.numbers, run.effort)
    except (FailedError, OSError) as error:
        run.results.missing[place] = str(error)
        print(f"  {turn} {system.name:<12}{case:<20}failed: {error}", file=sys.stderr)
        return
    run.results.add(case, system.name, found)
    value = f"{found[CASES[case].key]:,.2f} {CASES[case].unit}"
    print(f"  {turn} {system.name:<12}{case:<20}{value}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="one short round: for a look, not for numbers to quote"
    )
    parser.add_argument("--only", action="append", choices=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument(
        "--systems", type=lambda text: text.split(","), metavar="A,B", help=", ".join(SYSTEMS)
    )
    parser.add_argument(
        "--rounds", type=int, default=0, metavar="N", help="how often each takes its turn (3)"
    )
    parser.add_argument(
        "--results", type=Path, default=_RESULTS, metavar="FOLDER", help="where the JSON goes"
    )
    arguments = parser.parse_args()
    arguments.only = arguments.only or list(CASES)
    arguments.systems = arguments.systems or list(SYSTEMS)
    unknown = set(arguments.systems) - set(SYSTEMS)
    if unknown:
        parser.error(f"no such system: {', '.join(sorted(unknown))}; there are: {', '.join(SYSTEMS)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
