"""Who is there: admission, TLS and logins of a session.

Who may send is one value: `_bar`, the reply that MAIL gets as long as the peer has not shown all that the
door asks for. It is set anew whenever the peer's standing changes, and costs an ordinary mail nothing.
"""

import asyncio
import secrets
from collections.abc import Collection
from types import MappingProxyType

from gateway.config.users import User
from gateway.edge.door import Door
from gateway.edge.limits import TABLE, Limit
from gateway.edge.login import credentials
from gateway.edge.proxy import read_header
from gateway.edge.registry import network_of
from gateway.edge.standing import Standing
from gateway.edge.transfer import Transfer
from gateway.edge.wire import TlsFailed
from gateway.smtp import failure
from gateway.smtp.client import XCLIENT, XFORWARD, Client, address_of, parse_attributes, shown_address
from gateway.smtp.command import Command
from gateway.smtp.reply import Reply
from gateway.transaction.context import SessionInfo
from gateway.transaction.policy import Policy

#: Wrong passwords in one session, after which it ends.
MAX_FAILED_LOGINS = 3


class Guard(Transfer):
    """The part of a session that finds out who the peer is."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door, loop)
        self._info = SessionInfo(id=secrets.token_hex(6), peer="", listener=door.label)
        self._standing = Standing(access=door.access)
        self._bar = self._standing.bar()
        self._failed_logins = 0
        self._forwarded: dict[bytes, bytes] = {}
        self._counted = ""

    def _policy(self) -> Policy:
        return self._door.policy()

    async def _greet(self) -> bool:
        peer = self._writer.get_extra_info("peername")
        self._info.peer = peer[0] if isinstance(peer, tuple) else ""
        access = self._door.access
        if access.is_proxy is not None and access.is_proxy(self._info.peer) and not await self._carried():
            return False
        if access.speaks_for is not None:
            self._standing.speaks_for = access.speaks_for(self._info.peer)
        refusal = self._refusal()
        if refusal is not None:
            if access.implicit:
                self._close()  # it would take our words for a broken handshake
            else:
                self._say_goodbye(refusal)
            return False
        self._start_clock()
        if access.implicit:
            await self._secure(self._stop_reading())
            if self._bar is not None and self._bar.code == 554 and not self._standing.nobody:
                self._say_goodbye(self._bar)
                return False
        await self._answer(self._banner())
        return True

    def _banner(self) -> Reply:
        kind = "LMTP" if self._door.lmtp else "ESMTP"
        return Reply.of(220, "", f"{self._policy().hostname} {kind} CareerRelay")

    async def _carried(self) -> bool:
        """Take whom the proxy carries for the peer; False without a valid header: then nothing is said."""
        carried = None
        if len(self._door.registry) <= self._door.registry.limit:
            carried = await read_header(self._held, self._more)
        if carried is None:
            self._door.services.journal.count("proxy-refused")
            self._close()
            return False
        self._info.peer = carried.address or self._info.peer
        self._standing.nobody = not carried.address
        self._bar = self._standing.bar()
        return True

    def _refusal(self) -> Reply | None:
        """Why this peer gets no session; counted. None if it gets one."""
        door = self._door
        if not (door.admits(self._info.peer) or self._standing.nobody):
            door.services.journal.count("peer-refused")
            return failure.ACCESS_DENIED
        if door.registry.draining:
            return failure.SHUTTING_DOWN
        limit = None
        self._counted = network_of(self._info.peer) or "unknown"
        if not door.registry.enter(self._counted):
            limit = Limit.PEER_CONNECTIONS
        elif len(door.registry) > door.registry.limit:
            limit = Limit.CONNECTIONS
        if limit is None:
            return None
        door.services.journal.count(limit)
        return TABLE[limit][1]

    async def _secure(self, first: bytes) -> None:
        """Shake hands, see who it is, and forget what was said in the clear (RFC 3207 §4.2).

        Raises:
            ConnectionError: there is no TLS with this peer.
        """
        access = self._door.access
        if access.context is None:
            raise TlsFailed("no certificate")
        try:
            secured = await self._start_tls(access.context(), first)
        except TlsFailed as error:
            self._door.services.journal.count("tls-failed")
            self._door.services.journal.fault("TLS with a sender failed", error)
            raise
        self._standing.secure = True
        certificate = secured.getpeercert(binary_form=True)
        self._standing.certificate = access.holder(certificate) if certificate else ""
        self._info.proven = self._standing.proven
        self._bar = self._standing.bar()
        self._greeted = False
        self._info.helo = b""
        self._offered = frozenset()

    async def _starttls(self, command: Command, before: list[Reply]) -> list[Reply]:
        """RFC 3207. Its reply leaves here; nothing that was said or queued before it counts afterwards."""
        if command.argument:
            return [failure.NO_ARGUMENT]
        if self._standing.secure:
            return [failure.TLS_ALREADY]
        if not self._standing.offers_tls:
            return [failure.NOT_IMPLEMENTED]
        await self._abandon()
        self._stop_reading()  # and forget what was queued behind it (RFC 3207 §4.2; CVE-2011-0411)
        await self._answer(*before, failure.TLS_READY)
        before.clear()
        await self._secure(b"")
        return []

    async def _identify(self, command: Command, before: list[Reply]) -> list[Reply]:
        """AUTH, XCLIENT or XFORWARD."""
        match command.verb:
            case b"AUTH":
                return [await self._auth(command, before)]
            case b"XCLIENT":
                return [await self._xclient(command)]
            case _:
                return [self._xforward(command)]

    async def _auth(self, command: Command, before: list[Reply]) -> Reply:
        """RFC 4954: one login a session, under TLS, between mails."""
        standing, logins = self._standing, self._door.access.logins
        if standing.access.auth == "none" or logins is None:
            return failure.NOT_IMPLEMENTED
        if not standing.secure:
            return failure.AUTH_NEEDS_TLS
        if standing.user is not None:
            return failure.AUTH_ALREADY
        if not self._greeted or self._transaction is not None:
            return failure.NEED_HELLO if not self._greeted else failure.AUTH_NOT_NOW

        async def ask(challenge: bytes) -> bytes | Reply:
            await self._answer(*before, Reply(334, (challenge,)))
            before.clear()
            line = await self._read_answer()
            return line if isinstance(line, Reply) else line[:-2]

        given = await credentials(command.argument, ask)
        if isinstance(given, Reply):
            return given
        name, password = given
        user = await logins.check(name, password, peer=self._info.peer, listener=self._door.label)
        return self._logged_in(user)

    def _logged_in(self, user: User | Reply) -> Reply:
        journal = self._door.services.journal
        if isinstance(user, Reply):
            # The name is not told: people type their passwords there (CWE-532).
            journal.count("login-failed" if user is failure.AUTH_FAILED else "login-refused")
            journal.fault(f"login failed: {self._info.peer} at {self._door.label}: {user}")
            self._failed_logins += 1
            if user.code == 421 or self._failed_logins >= MAX_FAILED_LOGINS:
                self._over = True
                return failure.AUTH_LOCKED
            return user
        journal.count("login")
        self._standing.user = user
        self._info.proven = self._standing.proven
        self._bar = self._standing.bar()
        self._info.protocol = self._standing.protocol("LMTP" if self._door.lmtp else "ESMTP")
        return failure.AUTH_DONE

    # --- for whom it speaks -------------------------------------------------------------------------------

    async def _xclient(self, command: Command) -> Reply:
        """The session is another client's from here on, as if it had connected itself."""
        given = self._attributes(command, XCLIENT)
        if isinstance(given, Reply):
            return given
        address = address_of(given.get(b"ADDR", self._info.peer.encode("ascii") or b"[UNAVAILABLE]"))
        if address is None:
            return failure.ATTRIBUTES
        await self._abandon()
        if self._counted:
            self._door.registry.leave(self._counted)
            self._counted = ""
        self._info.peer = address
        refusal = self._refusal()
        if refusal is not None:
            self._over = True
            return refusal
        login, logins = given.get(b"LOGIN", b""), self._door.access.logins
        self._standing.for_others = True
        self._standing.user = (
            logins.named(login.decode("ascii"), self._door.label) if logins and login else None
        )
        self._info.proven = self._standing.proven
        self._bar = self._standing.bar()
        self._greeted = False
        self._info.helo = b""
        self._offered = frozenset()
        return self._banner()

    def _xforward(self, command: Command) -> Reply:
        """For the log of whoever comes behind us: nothing is allowed or refused by it."""
        given = self._attributes(command, XFORWARD)
        if isinstance(given, Reply):
            return given
        self._forwarded |= given
        return failure.OK

    def _attributes(self, command: Command, known: Collection[bytes]) -> dict[bytes, bytes] | Reply:
        if not self._standing.speaks_for:
            return failure.NOT_FOR_OTHERS if self._door.access.speaks_for else failure.NOT_IMPLEMENTED
        if self._transaction is not None:
            return failure.AUTH_NOT_NOW
        return parse_attributes(command.argument, known) or failure.ATTRIBUTES

    def _client(self) -> Client:
        """Whose mail it is, for the next hop: what was said by XFORWARD, else what we see."""
        info = self._info
        protocol = b"SMTP" if info.protocol == "SMTP" else b"ESMTP"
        seen = {b"ADDR": shown_address(info.peer), b"HELO": info.helo, b"PROTO": protocol}
        if self._standing.user is not None:
            seen[b"LOGIN"] = self._standing.user.name.encode("ascii")
        forwarded, self._forwarded = self._forwarded, {}
        return Client(MappingProxyType({b"NAME": b"[UNAVAILABLE]", **seen, **forwarded}))
