"""How far a long run is, for a person who waits: one line on standard error, on a terminal only."""

import sys
import time
from collections.abc import Callable

import click

_TICK_SECONDS = 0.2


def is_terminal() -> bool:
    """Whether somebody may be looking."""
    return sys.stderr.isatty()


class Ticker:
    """Shows what `text` says, which is asked only when there is somebody to show it to."""

    def __init__(self) -> None:
        self._shown = is_terminal()
        self._next = 0.0

    def tick(self, text: Callable[[], str]) -> None:
        """Show the state, not too often."""
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _TICK_SECONDS
            click.echo("\r" + text(), err=True, nl=False)

    def end(self, text: Callable[[], str]) -> None:
        """Show the sum."""
        if self._shown:
            click.echo("\r" + text(), err=True)
