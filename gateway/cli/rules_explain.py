"""``careerrelay rules explain``: why a mail has the verdict that it has."""

from pathlib import Path

import click

from gateway.cli.options import (
    json_option,
    recipients_option,
    rules_option,
    sender_option,
    some_config_option,
)
from gateway.cli.printing import print_json


@click.command()
@click.argument("mail", metavar="MAIL", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@sender_option
@recipients_option
@some_config_option
@rules_option
@json_option
def explain(
    *,
    mail: Path,
    sender: str | None,
    recipients: tuple[str, ...],
    config_path: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Show why the rules say what they say of MAIL (- for standard input).

    For each rule that saw something: its score and threshold, what its scope says, a veto, and every signal
    and objection with its weight, its line, and the words around it. Then what would change in the mail, line
    by line, with a sample link.

    Words are shown as rules see them: width, case and spaces made one. Exit 0 whatever the verdict, 1 when
    the mail cannot be read, 2 on wrong usage.
    """
    from gateway.cli.judging.explain import explain as explain_mail
    from gateway.cli.judging.judge import make_judge
    from gateway.cli.judging.mails import read_one
    from gateway.cli.rewriting.envelope import check_given

    check_given(sender, recipients)
    judge, _ = make_judge(config_path, rules=directory)
    try:
        raw = read_one(mail, judge.rewriter.limit)
    except OSError as error:
        raise click.ClickException(f"{mail}: {error.strerror or error}") from error
    told = explain_mail(judge, str(mail), raw, sender=sender, recipients=recipients or None)
    if as_json:
        print_json(told.as_json())
        return
    for line, colour in told.lines():
        click.secho(line, fg=colour or None)
