"""The bounds of a listener by name: which setting, what a peer is told, which counter counts it.

A peer that is inside all of them can do no harm to the machine; each has its reason in docs/config.md and
docs/security.md, and a test holds this table and that page together.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

from gateway.smtp import failure
from gateway.smtp.reply import Reply

#: Senders whose mails are counted at once; of more, the one that was silent longest is forgotten.
SENDERS = 10_000
_HOUR = 3_600.0


class Limit(StrEnum):
    """A bound that a peer ran into; the value is its counter."""

    CONNECTIONS = "limit-connections"
    PEER_CONNECTIONS = "limit-peer-connections"
    COMMANDS = "limit-commands"
    ERRORS = "limit-errors"
    LINE = "limit-line"
    RECIPIENTS = "limit-recipients"
    SIZE = "limit-size"
    SENDER = "limit-sender"
    IDLE = "limit-idle"
    SESSION = "limit-session"
    UPLOAD = "limit-upload"


#: Limit -> the key that sets it, and the reply.
TABLE: Mapping[Limit, tuple[str, Reply]] = MappingProxyType(
    {
        Limit.CONNECTIONS: ("limits.connections", failure.TOO_MANY_CONNECTIONS),
        Limit.PEER_CONNECTIONS: ("limits.connections_per_peer", failure.TOO_MANY_CONNECTIONS),
        Limit.COMMANDS: ("limits.commands", failure.TOO_MANY_COMMANDS),
        Limit.ERRORS: ("limits.errors", failure.TOO_MANY_ERRORS),
        Limit.LINE: ("limits.command_line_bytes", failure.LINE_TOO_LONG),
        Limit.RECIPIENTS: ("limits.recipients", failure.TOO_MANY_RECIPIENTS),
        Limit.SIZE: ("limits.mail_bytes", failure.TOO_BIG),
        Limit.SENDER: ("limits.sender_mails_per_hour", failure.SENDER_TOO_FAST),
        Limit.IDLE: ("timeouts.command_seconds", failure.IDLE),
        Limit.SESSION: ("timeouts.session_seconds", failure.SESSION_OVER),
        Limit.UPLOAD: ("timeouts.upload_seconds", failure.UPLOAD_SLOW),
    }
)

#: Those that are seen by the reply alone, wherever it was made.
BY_REPLY: Mapping[Reply, Limit] = MappingProxyType(
    {TABLE[limit][1]: limit for limit in (Limit.LINE, Limit.RECIPIENTS, Limit.SIZE, Limit.SENDER)}
)


class Rates:
    """How many mails each sender has sent in its hour.

    Args:
        per_hour: mails at most.
        clock: seconds that never go back.
    """

    def __init__(self, per_hour: int, clock: Callable[[], float]) -> None:
        self.per_hour = per_hour
        self._clock = clock
        self._sent: OrderedDict[str, tuple[int, float]] = OrderedDict()  # sender -> mails, since when

    def take(self, sender: str) -> bool:
        """Count one more mail; False if it is one too many (then it doesn't count)."""
        now = self._clock()
        count, since = self._sent.get(sender, (0, now))
        if now - since >= _HOUR:
            count, since = 0, now
        if count >= self.per_hour:
            return False
        self._sent[sender] = (count + 1, since)
        self._sent.move_to_end(sender)
        if len(self._sent) > SENDERS:
            self._sent.popitem(last=False)
        return True
