"""``python -m bench``: the whole comparison in one run, on loopback; ends by itself.

Systems take turns: in each round every system is started, measured in every case, and stopped, so that what else the
machine does hits all alike. Only ratios mean anything on another day.
"""

import argparse
import sys
import time
from pathlib import Path

from bench.cases import CASES
from bench.measure import FailedError, Numbers, Sink
from bench.report import Results, lines, save
from bench.systems import SYSTEMS, UnavailableError

_RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run what was asked for; 0 if anything could be measured."""
    arguments = _arguments()
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    effort = 2.0 if arguments.quick else 5.0
    results = Results({"rounds": rounds, "seconds": effort})
    numbers = Numbers()
    begin = time.monotonic()
    sink = Sink()
    try:
        for turn in range(1, rounds + 1):
            for system in arguments.systems:
                _turn(system, arguments.only, sink, numbers, effort, results, f"{turn}/{rounds}")
    except KeyboardInterrupt:
        print("\ninterrupted: what was measured so far", file=sys.stderr)
    finally:
        sink.stop()
    for line in lines(results):
        print(line)
    print(f"\n{time.monotonic() - begin:.0f} s; all numbers: {save(results, arguments.results)}")
    return 0 if results.runs else 1


def _turn(
    name: str, cases: list[str], sink: Sink, numbers: Numbers, effort: float, results: Results, turn: str
) -> None:
    """One system, all cases, once."""
    wanted = [case for case in cases if name not in CASES[case].without]
    if not wanted or name in results.missing:
        return
    try:
        with SYSTEMS[name](sink.port) as system:
            for case in wanted:
                if f"{name}, {case}" in results.missing:
                    continue
                try:
                    found = CASES[case].run(system, sink, numbers, effort)
                except (FailedError, OSError) as error:
                    results.missing[f"{name}, {case}"] = str(error)
                    print(f"  {turn} {name:<12}{case:<20}failed: {error}", file=sys.stderr)
                    continue
                results.add(case, name, found)
                value = f"{found[CASES[case].key]:,.2f} {CASES[case].unit}"
                print(f"  {turn} {name:<12}{case:<20}{value}", file=sys.stderr)
    except (UnavailableError, TimeoutError) as error:
        results.missing[name] = str(error)
        print(f"  {turn} {name:<12}not run: {error}", file=sys.stderr)


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
