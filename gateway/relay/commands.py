"""Saying commands to a host: what it doesn't know is left out.

And what it doesn't let us group is said line by line.
"""

from collections.abc import Awaitable, Sequence

from gateway.relay.connection import Connection, ConnectionLost
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.parameters import EXTENSION_OF_PARAMETER
from gateway.smtp.reply import Reply

#: Parameters that may be left out where the host doesn't know them: hints, and BODY=7BIT, which says nothing.
_LEFT_OUT = (b"SIZE", b"AUTH", b"BODY")


def line_for(command: Mail | Rcpt, extensions: frozenset[bytes]) -> bytes:
    """The command for this host.

    Less the hints that it doesn't know and that may be left out (`Parameters.needs`).
    """
    if isinstance(command, Mail):
        for keyword, _ in command.parameters.items:
            if keyword in _LEFT_OUT and EXTENSION_OF_PARAMETER[keyword] not in extensions:
                return line_for(Mail(command.path, command.parameters.without(keyword)), extensions)
    return command.line


def say(connection: Connection, commands: Sequence[Mail | Rcpt], deadline: float) -> Awaitable[list[Reply]]:
    """Say these, in one group where the host takes groups; one reply each, in order.

    Raises:
        ConnectionLost: with the replies that came. At once, or when it is awaited.
    """
    if len(commands) == 1:
        return connection.exchange(line_for(commands[0], connection.extensions), 1, deadline)
    lines = [line_for(command, connection.extensions) for command in commands]
    if connection.pipelining:
        return connection.exchange(b"".join(lines), len(lines), deadline)
    return one_by_one(connection, lines, deadline)


async def one_by_one(connection: Connection, lines: Sequence[bytes], deadline: float) -> list[Reply]:
    """One reply a line, from a host that lets nobody pipeline.

    Raises:
        ConnectionLost: with the replies that came; also after a 421, behind which nothing is asked any more.
    """
    replies: list[Reply] = []
    for line in lines:
        try:
            replies += await connection.exchange(line, 1, deadline)
        except ConnectionLost as lost:
            lost.replies = [*replies, *lost.replies]
            raise
        if replies[-1].code == 421 and len(replies) < len(lines):
            connection.quit()
            raise ConnectionLost("421", replies)
    return replies
