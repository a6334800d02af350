"""``careerrelay rules``: the table of its commands."""

import click

from gateway.cli.lazy import Entry, LazyGroup

COMMANDS = {
    "lint": Entry(
        "gateway.cli.rules_lint", "lint", "Every mistake in a folder of rules and footers at once."
    ),
    "test": Entry("gateway.cli.rules_test", "test", "The verdict on mails in files, one JSON line each."),
    "eval": Entry("gateway.cli.rules_eval", "evaluate", "Precision and recall on labelled mails."),
    "explain": Entry("gateway.cli.rules_explain", "explain", "Why a mail has the verdict that it has."),
    "compare": Entry("gateway.cli.rules_compare", "compare", "Where another set of rules decides otherwise."),
    "new": Entry("gateway.cli.rules_new", "new", "Start a rule file from a mail."),
    "apply": Entry("gateway.cli.rules_apply", "apply", "Look at what a change does, then make it hold."),
    "history": Entry("gateway.cli.rules_history", "history", "The rule sets that were active."),
    "rollback": Entry("gateway.cli.rules_history", "rollback", "Go back to an earlier rule set, and pin it."),
    "resume": Entry("gateway.cli.rules_resume", "resume", "End the brake: rules add links again."),
}


@click.command(cls=LazyGroup, entries=COMMANDS)
def rules() -> None:
    """Look at rules, try them on mails, make them hold, go back, and end the brake."""
