"""A process that reports registrations, in the hands of a test: reads a round from each line of its input.

Usage: credit_process.py URL NAME. Every line ``N`` reports the registrations R-0 to R-(N-1), in an order of
the process's own, and says ``done`` when the last is in the ledger.
"""

import random
import sys

from gateway.ledger.intake import Reported
from tests.store.crediting import START, Ledger, token_of


def main() -> None:
    """Report until told to stop, or killed."""
    url, name = sys.argv[1:]
    ledger = Ledger(url, now=START + 10 * 86_400_000_000)
    order = random.Random(name)  # noqa: S311 - another order in each process
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        numbers = list(range(int(line)))
        order.shuffle(numbers)
        for start in range(0, len(numbers), 5):
            part = numbers[start : start + 5]
            ledger.store.receive_registrations(
                "default",
                [
                    Reported(
                        id=f"R-{number}",
                        registered_at=START + 86_400_000_000,
                        token=token_of(f"s{number}"),
                        # every second person twice: one of the two counts, whoever comes first
                        person_id=f"P-{number // 2}",
                    )
                    for number in part
                ],
                source="test",
            )
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
