"""``careerrelay rules``: the table of its commands."""

import click

from gateway.cli.lazy import Entry, LazyGroup

COMMANDS = {
    "lint": Entry(
        "gateway.cli.rules_lint", "lint", "Every mistake in a folder of rules and footers at once."
    ),
    "test": Entry("gateway.cli.rules_test", "test", "The verdict on mails in files, one JSON line each."),
    "resume": Entry("gateway.cli.rules_resume", "resume", "End the brake: rules add links again."),
}


@click.command(cls=LazyGroup, entries=COMMANDS)
def rules() -> None:
    """Look at rules, try them on mails, and end the brake."""
