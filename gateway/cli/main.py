"""``careerrelay``: the table of commands."""

import click

from gateway.cli.lazy import Entry, LazyGroup

COMMANDS = {
    "serve": Entry("gateway.cli.serve", "serve", "Run the gateway until SIGTERM; SIGHUP reloads."),
    "check": Entry("gateway.cli.check", "check", "Every mistake in config, rules and footers at once."),
    "status": Entry("gateway.cli.operating.status", "status", "How the gateway is, and what to run."),
    "init": Entry("gateway.cli.operating.init", "init", "Config, key, rules and units for a first start."),
    "doctor": Entry("gateway.cli.operating.doctor", "doctor", "Look at everything that the gateway needs."),
    "send-test": Entry("gateway.cli.operating.send_test", "send_test", "A test mail, and what became of it."),
    "connector": Entry(
        "gateway.cli.operating.connector", "connector", "Scripts that lead a mail system's mail here."
    ),
    "top": Entry("gateway.cli.operating.top", "top", "The running gateway, live."),
    "trace": Entry("gateway.cli.operating.trace", "trace", "What happened to one mail."),
    "sends": Entry("gateway.cli.sends", "sends", "What was sent with a link: list it, export it."),
    "user": Entry("gateway.cli.user", "user", "Who may log in: add, list, remove."),
    "registrations": Entry(
        "gateway.cli.registrations",
        "registrations",
        "What partners reported: import it, look at it, dispute it.",
    ),
    "credits": Entry(
        "gateway.cli.credits", "credits_", "Referrals and slots: show, reserve, redeem, adjust."
    ),
    "circle": Entry("gateway.cli.ledger.monthly", "circle", "From rejections to hires, in figures."),
    "statement": Entry("gateway.cli.ledger.monthly", "statement", "A month of the books, to be signed."),
    "reconcile": Entry(
        "gateway.cli.ledger.reconcile", "reconcile", "Hold the partner's list against the ledger."
    ),
    "export": Entry("gateway.cli.ledger.export", "export", "Any table of the ledger, as CSV or JSON Lines."),
    "suppress": Entry("gateway.cli.ledger.people", "suppress", "Who wants no more links: add, list, remove."),
    "subject-report": Entry(
        "gateway.cli.ledger.people", "subject_report", "Everything that the ledger has about a person."
    ),
    "erase": Entry("gateway.cli.ledger.people", "erase", "Take a person out of the ledger; the books stay."),
    "purge": Entry("gateway.cli.ledger.people", "purge", "Delete what is older than the config says."),
    "links": Entry("gateway.cli.links", "links", "Links for mail that never passes the gateway: issue."),
    "outbox": Entry("gateway.cli.outbox", "outbox", "What is pushed to partners: look at it, send it again."),
    "db": Entry("gateway.cli.db", "db", "The ledger's database: upgrade it, check it."),
    "rules": Entry("gateway.cli.rules", "rules", "Rules: try them, apply them, go back."),
    "review": Entry("gateway.cli.review", "review", "What rules changed or would have: right or wrong?"),
    "rollout": Entry("gateway.cli.rollout", "rollout", "How far each rule has come: status, advance, stop."),
    "rewrite": Entry("gateway.cli.rewrite", "rewrite", "Show what would become of a mail, byte by byte."),
    "footer": Entry("gateway.cli.footer", "footer", "Look at footers: preview."),
    "demo": Entry("gateway.cli.demo", "demo", "A tour: the gateway and a capture server on this machine."),
}


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("careerrelay-gateway")
    except PackageNotFoundError:  # run from a checkout that was never installed
        number = "unknown"
    click.echo(f"careerrelay {number}")
    context.exit()


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: `careerrelay init` writes a config (config.example.toml shows every key), then "
    "`careerrelay check --config FILE`, then `careerrelay serve --config FILE`. "
    "`careerrelay COMMAND --help` tells more about each command.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """An SMTP relay that adds a personal referral link to rejection mails.

    It stands between a company's mail system and the next hop to the internet, recognises rejection mails by
    rules, adds a footer with a link of each candidate's own, and keeps the ledger of what was sent.
    """
