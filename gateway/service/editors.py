"""A mail to the editors of rules (`[rules] editors`) when what they saved was refused.

The parent says when, at most once in `EVERY_SECONDS`, with what is wrong then; a worker sends it as it sends
all `alerts`. A mail that cannot be sent is a line in the log, where the mistakes are too.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.service.alerts import Letter

EVERY_SECONDS = 600.0
#: Mistakes told in one mail, and characters of each: it is to be read, and `rules lint` tells all.
_MOST, _LONGEST = 50, 500


@dataclass(slots=True, kw_only=True)
class Editors:
    """When a mail is due. `clock` is monotonic, in seconds."""

    clock: Callable[[], float] = time.monotonic
    _sent: float | None = None
    _waiting: tuple[str, ...] | None = None

    def refused(self, problems: Sequence[str]) -> None:
        """This is wrong now, whatever was before."""
        self._waiting = tuple(problems)

    def good(self) -> None:
        """All is well again: nothing is left to be told."""
        self._waiting = None

    def wait(self) -> float | None:
        """Seconds until a mail is due; None when there is nothing to tell."""
        if self._waiting is None:
            return None
        return 0.0 if self._sent is None else max(0.0, self._sent + EVERY_SECONDS - self.clock())

    def take(self) -> tuple[str, ...] | None:
        """What to tell now, which counts as told; None when nothing is due."""
        if self.wait() != 0.0:
            return None
        told, self._waiting, self._sent = self._waiting, None, self.clock()
        return told


def refused_letter(problems: Sequence[str]) -> Letter:
    """What is wrong with the files that were saved, and that the last good set goes on."""
    lines = [
        "The rule files that were saved have mistakes. Nothing has changed: the last good set stays in force",
        "until they are mended. Mail goes on.",
        "",
        "保存されたルールファイルに誤りがあります。直るまでは、これまでのルールがそのまま使われます。",
        "メールの配送には影響ありません。",
        "",
        *(f"* {problem[:_LONGEST]}" for problem in problems[:_MOST]),
    ]
    if len(problems) > _MOST:
        lines.append(f"... and {len(problems) - _MOST} more")
    return Letter(
        subject="CareerRelay: mistakes in rule files, the last good set stays",
        lines=lines,
        commands=("careerrelay rules lint DIR",),
    )
