"""``careerrelay rules new``: start a rule file from a mail."""

import sys
from pathlib import Path

import click

from gateway.cli.options import json_option, rules_option, some_config_option
from gateway.cli.printing import print_json


@click.command()
@click.argument("mail", metavar="MAIL", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--phrase", metavar="WORDS",
    help="What the mail says to turn somebody down; three dots stand for other words between its pieces.",
)  # fmt: skip
@click.option("--name", metavar="NAME", default="new-rule", show_default=True, help="The rule's id.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the file here, if it does not exist yet. Default: standard output.",
)  # fmt: skip
@some_config_option
@rules_option
@json_option
def new(
    *,
    mail: Path,
    phrase: str | None,
    name: str,
    out: Path | None,
    config_path: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Start a rule file from MAIL (- for standard input): terms, a signal, a rule, the mail as an example.

    The phrase that turns somebody down is yours to say with --phrase. Without it: the one that the rules know
    already, or on a terminal you choose a sentence. The file is clean to `rules lint`; it observes, and adds
    nothing to mail. Take names out of the example before you share it.

    Exit 0; 1 when the phrase is not in the mail or the file exists; 2 on wrong usage.
    """
    from gateway.cli.judging import start
    from gateway.cli.judging.judge import make_judge
    from gateway.cli.judging.mails import read_one

    if not start.NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no name: write small letters, digits and hyphens")
    judge, _ = make_judge(config_path, rules=directory)
    try:
        raw = read_one(mail, judge.rewriter.limit)
    except OSError as error:
        raise click.ClickException(f"{mail}: {error.strerror or error}") from error
    seen = judge.see(raw, sender=None, recipients=None)
    text = seen.reading.text
    if text is None or not text.bodies:
        raise click.ClickException(f"{mail}: there is no text in it")
    if phrase is None:
        phrase = start.known_phrase(seen.verdict, text) or _choose(start.sentences(text))
    made = start.start(name, text, phrase)
    if out is not None:
        try:
            with out.open("x", encoding="utf-8") as file:
                file.write(made.toml())
        except FileExistsError:
            raise click.ClickException(f"{out} exists; name another file") from None
        except OSError as error:
            raise click.ClickException(f"{out}: {error.strerror}") from error
    if as_json:
        answer = {"name": name, "phrase": list(made.pieces), "file": str(out) if out else None}
        print_json({**answer, "content": made.toml()})
    elif out is None:
        click.echo(made.toml(), nl=False)
    else:
        click.echo(
            f"{out}: a rule for {' ... '.join(made.pieces)!r}; it observes. Next: careerrelay rules lint"
        )


def _choose(sentences: list[str]) -> str:
    """Ask; without somebody to ask, say what can be said."""
    if not sentences:
        raise click.ClickException("there is no sentence in it")
    numbered = [f"{number:3}  {sentence}" for number, sentence in enumerate(sentences, 1)]
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = "the rules know no refusal in it; say with --phrase what it is. Its sentences:"
        raise click.ClickException("\n".join((why, *numbered)))
    for line in numbered:
        click.echo(line, err=True)
    number = click.prompt(
        "Which of them turns somebody down", type=click.IntRange(1, len(sentences)), err=True
    )
    return sentences[number - 1]
