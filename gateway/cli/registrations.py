"""``careerrelay registrations``: what partners reported, what became of it, and why."""

import click

from gateway.cli.lazy import Entry, LazyGroup

COMMANDS = {
    "import": Entry("gateway.cli.ledger.import_", "import_", "Take in a partner's list (CSV, JSON Lines)."),
    "list": Entry("gateway.cli.ledger.registrations", "list_", "The newest registrations."),
    "show": Entry("gateway.cli.ledger.registrations", "show", "The whole story of one."),
    "export": Entry("gateway.cli.ledger.registrations", "export", "All of them, as CSV or JSON Lines."),
    "event": Entry("gateway.cli.ledger.registrations", "event", "What a partner says of one by other ways."),
    "dispute": Entry("gateway.cli.ledger.registrations", "dispute", "Object to a decision."),
    "resolve": Entry("gateway.cli.ledger.registrations", "resolve", "End a dispute."),
}


@click.command(cls=LazyGroup, entries=COMMANDS)
def registrations() -> None:
    """What partners reported, what became of it, and why.

    Which states there are, and who may move a registration from one to another, is in docs/credit.md.
    """


command = registrations
