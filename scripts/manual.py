"""The manual page careerrelay(8), written from what the commands say of themselves."""

from collections.abc import Iterator

import click

from gateway.cli.main import main

FILES = {
    "/etc/careerrelay/config.toml": "the config",
    "/usr/share/doc/careerrelay/examples/config.example.toml": "every key of it, with comments",
    "/var/lib/careerrelay": "the key of this installation and the ledger, if the config says nothing else",
}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name, in the order of ``--help``."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield " ".join((*path, name)), command


def literal(text: str) -> str:
    """Text as roff shows it unchanged."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line[:1] in {".", "'"} else line for line in lines)


def manual_page() -> str:
    """The page, in roff."""
    parts = [
        ".TH CAREERRELAY 8",
        ".SH NAME",
        "careerrelay \\- SMTP relay that adds a personal referral link to rejection mails",
        ".SH SYNOPSIS",
        ".B careerrelay\n.I COMMAND\n[\\fIOPTIONS\\fR]",
        ".SH DESCRIPTION",
        literal(" ".join((main.help or "").split())),
        ".SH COMMANDS",
    ]
    for name, command in commands(main):
        context = click.Context(
            command, info_name=f"careerrelay {name}", max_content_width=76, terminal_width=76
        )
        parts += [f".SS {literal(name)}", ".nf", literal(command.get_help(context)), ".fi"]
    parts.append(".SH FILES")
    for path, what in FILES.items():
        parts += [".TP", f".I {path}", literal(what)]
    parts += [
        ".SH ENVIRONMENT",
        ".TP\n.B CAREERRELAY_CONFIG",
        literal("the config that commands read without --config"),
        ".SH SEE ALSO",
        literal("/usr/share/doc/careerrelay/docs/admin.md: installing, running, and what to do when"),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(manual_page(), end="")
