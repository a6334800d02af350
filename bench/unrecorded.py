"""The gateway as it would be without a ledger: what the ledger costs a mail is the difference.

Run as ``python -m bench.unrecorded serve --config FILE``. A send is answered as soon as it is asked for, with
the token that it has, and its outcome is forgotten; all else is as ever. No gateway of anybody's runs so: a
link that nobody has written down is worth nothing.
"""

from collections.abc import Sequence

from gateway.cli.main import main
from gateway.store import LedgerStore
from gateway.transaction.ports import Issued, SendIntent, SendOutcome


async def intend(_store: LedgerStore, intents: Sequence[SendIntent]) -> list[Issued]:
    """In place of writing them down."""
    return [Issued(token=intent.token, attempts=0, put_off=0) for intent in intents]


def note(_store: LedgerStore, _outcome: SendOutcome) -> None:
    """In place of writing it down."""


if __name__ == "__main__":
    for name, stand_in in (("intend", intend), ("note", note)):
        setattr(LedgerStore, name, stand_in)
    main(prog_name="careerrelay")
