"""What a scripted peer does at one point of a session, and how a test says so.

A script is a table, or a callable for what a table can't say::

    ScriptedHop({"rcpt": reply(450, "4.2.1 full")})  # always
    ScriptedHop({("rcpt", 3): reply(550, "5.1.1 unknown")})  # the third RCPT of each transaction
    ScriptedHop({("rcpt", b"c@x.example"): silent()})  # that recipient, wherever it stands
    ScriptedHop({"dot": [lost(), reply(451, "4.3.0 later")]})  # the first time, the second; then as usual
    ScriptedHop(lambda moment: lost() if moment.connection == 2 and moment.stage == "mail" else None)
    ScriptedHop(connections=[{"banner": lost()}, {}])  # by connection; past the list: the common script

None, from a callable or as an entry of a table: the peer does what a well-behaved one does. The most exact
key wins: (stage, address), then (stage, nth), then the stage.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Stage = Literal[
    "connect", "banner", "ehlo", "helo", "lhlo", "starttls", "auth", "auth-answer", "mail", "rcpt", "data",
    "content", "dot", "rset", "noop", "quit", "unknown",
]  # fmt: skip
End = Literal["", "close", "reset", "half-close"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a scripted peer does instead of answering as usual.

    `pieces` are written one by one with a turn of the loop (or `pause` seconds) between them; none: no
    answer at all. `hold` is waited for first, so that a test decides when, without sleeping. `end` is what
    becomes of the connection afterwards. `after` counts only at "content": it happens when so many octets
    (dots still stuffed) have come. `stall` at "content": nothing more is read from there on.
    """

    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0
    delay: float = 0.0
    hold: asyncio.Event | None = None
    end: End = ""
    after: int = 0
    stall: bool = False

    @property
    def answer(self) -> bytes:
        """All that is written, in one."""
        return b"".join(self.pieces)

    @property
    def code(self) -> int:
        """The reply's code; 0 where there is none to be read."""
        head = self.answer[:3]
        return int(head) if len(head) == 3 and head.isdigit() else 0

    def then(self, end: End) -> "Action":
        """The same, and the connection ends afterwards."""
        return replace(self, end=end)

    def when(self, event: asyncio.Event) -> "Action":
        """The same, but not before `event` is set."""
        return replace(self, hold=event)

    def later(self, seconds: float) -> "Action":
        """The same, `seconds` later."""
        return replace(self, delay=seconds)

    def at(self, octets: int) -> "Action":
        """The same, once `octets` of content have come (stage "content" only)."""
        return replace(self, after=octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where a session stands when the script is asked.

    `connection` and `transaction` count from 0 (`transaction` within its connection), `nth` from 1: which
    RCPT of the transaction; elsewhere how often this stage was reached on this connection. `address` is
    what stands between the angle brackets of MAIL or RCPT; at the dot of an LMTP peer, the recipient
    answered for.
    """

    stage: Stage
    connection: int
    transaction: int
    nth: int
    line: bytes
    address: bytes


Entry = Action | Sequence[Action | None] | None
Table = Mapping[Any, Entry]  # keys: a stage, (stage, nth) or (stage, address); Mapping has invariant keys
Script = Table | Callable[[Moment], Action | None]


def reply(code: int, *texts: str | bytes) -> Action:
    """A reply, of several lines if there are several texts (RFC 5321 §4.2.1)."""
    lines = [text.encode() if isinstance(text, str) else text for text in texts] or [b"as scripted"]
    last = len(lines) - 1
    return Action(
        pieces=(
            b"".join(
                b"%d%s%s\r\n" % (code, b" " if at == last else b"-", text) for at, text in enumerate(lines)
            ),
        )
    )


def raw(*pieces: bytes, pause: float = 0.0) -> Action:
    """Any bytes, as they stand, in these pieces."""
    return Action(pieces=pieces, pause=pause)


def split(action: Action, size: int = 1, *, pause: float = 0.0) -> Action:
    """The same answer in pieces of `size` octets."""
    answer = action.answer
    return replace(
        action, pieces=tuple(answer[at : at + size] for at in range(0, len(answer), size)), pause=pause
    )


def too_long(code: int = 250, *, octets: int = 100_000, lines: int = 1) -> Action:
    """A reply far past the 512 octets of a line (RFC 5321 §4.5.3.1.5), or of very many lines."""
    return reply(code, *[b"x" * octets] * lines)


def nonsense() -> Action:
    """A line that is no SMTP reply at all."""
    return raw(b"\x00\xff hello, is it me?\r\n")


def silent() -> Action:
    """No answer, ever; the connection stays open."""
    return Action()


def lost() -> Action:
    """The connection is closed instead of an answer."""
    return Action(end="close")


def broken() -> Action:
    """The connection is reset (RST) instead of an answer."""
    return Action(end="reset")


class Lookup:
    """A script made ready: which action, if any, belongs to a moment. Sequences are used up once."""

    def __init__(self, common: Script | None, connections: Sequence[Script | None]) -> None:
        self._common = common
        self._connections = connections
        self._used: dict[tuple[int, object], int] = {}

    def find(self, moment: Moment) -> Action | None:
        """The action scripted for this moment, or None: behave."""
        own = self._connections[moment.connection] if moment.connection < len(self._connections) else None
        script = self._common if own is None else own
        if script is None:
            return None
        if callable(script):
            return script(moment)
        for key in ((moment.stage, moment.address), (moment.stage, moment.nth), moment.stage):
            if key in script:
                return self._entry(script, key)
        return None

    def _entry(self, script: Table, key: str | tuple[str, int | bytes]) -> Action | None:
        entry = script[key]
        if entry is None or isinstance(entry, Action):
            return entry
        place = (id(script), key)
        used = self._used.get(place, 0)
        self._used[place] = used + 1
        return entry[used] if used < len(entry) else None
