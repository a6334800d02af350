"""Telling a next hop who the client is, before MAIL: by XFORWARD for its log, by XCLIENT as if it were there.

Only where the admin chose it and the host offers it. A host that refuses gets the mail all the same.
"""

from gateway.relay.connection import Connection
from gateway.relay.settings import NextHopSettings
from gateway.smtp.envelope import Mail


async def introduce(connection: Connection, mail: Mail, settings: NextHopSettings, deadline: float) -> None:
    """Tell the host about the client of `mail`, if that is to be told.

    Raises:
        ConnectionLost: the connection broke meanwhile.
    """
    verb = settings.forward_client.upper().encode("ascii")
    if mail.client is None or verb not in connection.extensions:
        return
    wanted = connection.capabilities.parameters(verb).upper().split()
    taken = False
    for line in mail.client.lines(verb, wanted):
        (reply,) = await connection.exchange(line + b"\r\n", 1, deadline)
        taken = reply.positive
    if verb == b"XCLIENT":
        # The session begins anew, as that client's: it is nobody else's from now on (SMTP.md rule 8).
        connection.mails = settings.max_mails
        if taken:
            await connection.exchange(b"EHLO " + settings.helo.encode("ascii") + b"\r\n", 1, deadline)
