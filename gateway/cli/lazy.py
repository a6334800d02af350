"""A group of commands that are loaded when they are called.

``careerrelay check`` must not wait for the relay, the database and the HTML parser to be imported, and a
fault in one command's module must not take the others along. So a group knows of each command where it is and
one line about it, and nothing more until somebody asks.
"""

from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from gateway.errors import ConfigError, GatewayError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is (module, and the name in it), and what it is for in one line."""

    module: str
    attribute: str
    summary: str


class _Commands(dict[str, click.Command]):
    """The commands of a `LazyGroup` as click expects them: names cost nothing, one asked for is loaded."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        super().__init__()
        self.entries = {name: entry for name, entry in entries.items() if find_spec(entry.module) is not None}

    def __getitem__(self, name: str) -> click.Command:
        entry = self.entries[name]
        command = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}:{entry.attribute} is no click command")
        return command

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict has it
        return self[name] if name in self.entries else default

    def items(self) -> ItemsView[str, click.Command]:  # type: ignore[override]  # a view of loaded ones
        return {name: self[name] for name in self.entries}.items()


class LazyGroup(click.Group):
    """A click group whose commands are `Entry` values."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **keywords: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **keywords)
        self.entries = dict(entries)
        self.commands = _Commands(entries)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own shape
        """The names in the order of the table: the common ones first."""
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now. A command of the table without a module ends with a clear error."""
        if cmd_name in self.entries and cmd_name not in self.commands:
            ctx.fail(
                f'"{cmd_name}" is not part of this version ({self.entries[cmd_name].module} is missing).'
            )
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, from the table: nothing is imported for it."""
        rows = [(name, self.entries[name].summary) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Runs the command. An error of ours is told in its own words, without a traceback; exit 1."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(str(problem), err=True)
        except GatewayError as error:
            click.echo(f"{ctx.info_name}: {error}", err=True)
        return ctx.exit(1)
