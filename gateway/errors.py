"""The exception tree: every fault that one part of the gateway reports to another.

Each error has a text for the log (``str(error)``), which may name hosts, files and causes. What a peer
is told is decided elsewhere (``gateway.smtp.reply``), never taken from here. What is not derived from
`GatewayError` is a fault in the program; the edge answers it like any unknown fault, as transient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.reason import Reason


class GatewayError(Exception):
    """Root of all errors that the gateway raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a config, rule or footer file, worded for the person who will mend it.

    `key` is the path to the value (``listen[0].port``), empty where the whole file is meant.
    `remedy` says what to write instead.
    """

    file: str
    key: str
    message: str
    remedy: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f" {self.key}:" if self.key else ""
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return f"{place}:{key} {self.message}{remedy}"


class ConfigError(GatewayError):
    """A config, rule set or footer set that is refused whole.

    Carries every problem at once, never just the first.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MailUnreadable(GatewayError):
    """This mail, or this part of it, has to be left alone; `reason` says why."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class LedgerFault(GatewayError):
    """The ledger could not be read or written in time.

    Always transient: nothing is known about what it holds.
    """


class SchemaFault(LedgerFault):
    """The ledger has another schema than this version writes; the text says what to run."""


class NextHopFault(GatewayError):
    """The next hop could not be asked, or went away without an answer. Transient by definition.

    Raised only where there is no reply to pass on (SMTP.md rule 4). `busy` tells "no connection was
    free" apart from "no host answered", `lacks` tells that no host at hand can carry what the mail needs.
    """

    def __init__(self, detail: str, *, busy: bool = False, lacks: bool = False) -> None:
        self.busy = busy
        self.lacks = lacks
        super().__init__(detail)


class OutcomeUnknown(NextHopFault):
    """The final dot may have left and no reply came: the next hop may or may not have the mail."""
