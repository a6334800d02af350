"""From a host's name to a connection that is past EHLO, TLS and AUTH.

aiosmtplib does that part, and only that part (its transaction code is not safe for a relay, see
PITFALLS.md). Then its transport is handed to a `Connection` with ``set_protocol``; aiosmtplib's objects are
emptied, and never see another octet. What is private of it and relied on here: ``SMTPProtocol._buffer``
(octets that it took and nobody asked for) and ``SMTPProtocol.transport``. tests/unit/relay/test_contract.py
holds it to that.

Policy (`NextHopSettings.tls`). ``required``: STARTTLS must be offered and work, and the certificate be
good, or the host counts as failed. ``opportunistic``: any certificate will do, since a forged one is no
worse than clear text; where TLS fails the host is asked again without it (RFC 7435). The login is sent
under TLS only, whatever the policy. Certificates and authorities are read again when their files change.

REQUIRETLS (RFC 8689) counts as a host's own word only where its certificate was checked: a host without that
can't carry such a mail, whatever it says.
"""

import asyncio
import hashlib
import logging
import ssl
from functools import partial
from typing import cast

import aiosmtplib

from gateway.config.certificates import load_key_pair
from gateway.config.watched import Watched
from gateway.relay.connection import Connection, Owner
from gateway.relay.settings import Host, NextHopSettings
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.reply import Reply

_log = logging.getLogger(__name__)

#: How often it is looked whether certificates have changed on disk, when there is something to connect.
LOOK_SECONDS = 2.0
#: An EHLO line longer than this says nothing that we know.
MAX_KEYWORD_LINE = 512
#: A server that does not know EHLO says one of these; then HELO is said (RFC 5321 §3.2).
_NO_EHLO = (500, 502, 504)
#: "Not this mechanism": another may do. Everything else (535 above all) is about the login itself.
_OTHER_MECHANISM = (500, 501, 502, 504, 534)


class ConnectFault(Exception):
    """This host can't be used now.

    Attributes:
        reply: what it said to AUTH, where that is why: the gateway is refused then, and somebody has to know.
    """

    def __init__(self, reason: str, *, reply: Reply | None = None) -> None:
        self.reply = reply
        super().__init__(reason)


class _TlsFault(Exception):
    """TLS can't be had on this connection, which is of no use any more."""


class Connector:
    """Opens connections by the policy of one next hop.

    Raises:
        OSError, ValueError: (when made) a file can't be read, or holds no certificate (`ssl.SSLError`).
    """

    def __init__(self, settings: NextHopSettings) -> None:
        self._settings = settings
        self._verifies = settings.tls == "required" and (settings.verify or bool(settings.fingerprints))
        files = (settings.ca_file, settings.certificate_file, settings.certificate_key_file)
        self._watched = (
            None
            if settings.tls == "none"
            else Watched([file for file in files if file is not None], partial(_context, settings))
        )
        self._context = None if self._watched is None else self._watched.value
        self._next_look = 0.0

    def _look(self) -> None:
        """Take over files that have changed; what can't be used leaves the last good ones in place."""
        now = asyncio.get_running_loop().time()
        if self._watched is None or now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        try:
            self._watched.refresh()
        except (OSError, ValueError) as error:
            _log.error(
                "next hop %s: certificates can't be used, the last good ones stay: %s",
                self._settings.name,
                error,
            )
        self._context = self._watched.value

    async def open(self, host: Host, owner: Owner, deadline: float) -> Connection:
        """Connect to `host`, until `deadline` on the loop's clock.

        Raises:
            ConnectFault: it can't be had.
        """
        self._look()
        try:
            async with asyncio.timeout_at(deadline):
                try:
                    return await self._open(host, owner, use_tls=self._context is not None)
                except _TlsFault:
                    if self._settings.tls == "required":
                        raise
                    return await self._open(host, owner, use_tls=False)
        except ConnectFault:
            raise
        except TimeoutError:
            raise ConnectFault("no connection in time") from None
        except Exception as error:
            # Whatever a library raises while it connects means that this host can't be used, and no more
            # than that.
            raise ConnectFault(_worded(error)) from error

    async def _open(self, host: Host, owner: Owner, *, use_tls: bool) -> Connection:
        settings = self._settings
        implicit = use_tls and settings.implicit
        client = aiosmtplib.SMTP(
            hostname=host.name,
            port=host.port,
            local_hostname=settings.helo,
            timeout=None,
            use_tls=implicit,
            start_tls=False,
            tls_context=self._context,
        )
        try:
            try:
                await client.connect()
            except OSError as error:
                if implicit and isinstance(error.__cause__ or error, ssl.SSLError):
                    raise _TlsFault(_worded(error)) from error
                raise
            if implicit:
                self._check_fingerprint(client)
            capabilities = await _greet(client)
            if use_tls and not implicit:
                capabilities = await self._start_tls(client, capabilities)
            if settings.login is not None:
                capabilities = await self._log_in(client)
            if not (use_tls and self._verifies):
                capabilities = capabilities.without(b"REQUIRETLS")
            return _hand_over(client, host, capabilities, owner)
        except BaseException:
            _discard(client)
            raise

    async def _start_tls(self, client: aiosmtplib.SMTP, capabilities: Capabilities) -> Capabilities:
        required = self._settings.tls == "required"
        if b"STARTTLS" not in capabilities:
            if required:
                raise ConnectFault("STARTTLS is required and not offered")
            return capabilities
        try:
            await client.starttls()
        except aiosmtplib.SMTPResponseException as error:
            if required:
                raise ConnectFault(f"STARTTLS refused: {error.code} {error.message}") from error
            if error.code == 421 or not client.is_connected:
                raise _TlsFault(_worded(error)) from error
            return capabilities
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _TlsFault(f"TLS failed: {_worded(error)}") from error
        self._check_fingerprint(client)
        try:
            # RFC 3207 §4.2: what was said before TLS is forgotten.
            return await _greet(client)
        except aiosmtplib.SMTPServerDisconnected as error:
            # With TLS 1.3 a server learns last that it can't go on, after the client's handshake is done.
            raise _TlsFault(f"TLS failed: {_worded(error)}") from error

    def _check_fingerprint(self, client: aiosmtplib.SMTP) -> None:
        wanted = self._settings.fingerprints
        if not wanted:
            return
        secured = client.get_transport_info("ssl_object")
        shown = secured.getpeercert(binary_form=True) if secured is not None else None
        if shown is None or hashlib.sha256(shown).hexdigest() not in wanted:
            raise ConnectFault("its certificate is none of those in `fingerprints`")

    async def _log_in(self, client: aiosmtplib.SMTP) -> Capabilities:
        login = self._settings.login
        if login is None or client.get_transport_info("sslcontext") is None:
            raise ConnectFault("not logged in: no TLS")
        offered = set(client.server_auth_methods)
        refusal: aiosmtplib.SMTPAuthenticationError | None = None
        for mechanism, log_in in (("plain", client.auth_plain), ("login", client.auth_login)):
            if mechanism not in offered:
                continue
            try:
                await log_in(login.user, login.password)
            except aiosmtplib.SMTPAuthenticationError as error:
                refusal = error
                if error.code not in _OTHER_MECHANISM:
                    break
            else:
                # Some hosts offer more to whom they know (SMTP.md rule 10: what was said after TLS and AUTH).
                return await _greet(client)
        if refusal is None:
            raise ConnectFault("not logged in: neither AUTH PLAIN nor AUTH LOGIN is offered")
        reply = _reply(refusal.code, refusal.message)
        raise ConnectFault(f"login refused: {reply}", reply=reply) from refusal


def _context(settings: NextHopSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    pinned = bool(settings.fingerprints) and settings.ca_file is None
    if settings.tls == "opportunistic" or not settings.verify or pinned:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate_file is not None:
        load_key_pair(context, settings.certificate_file, settings.certificate_key_file)
    return context


async def _greet(client: aiosmtplib.SMTP) -> Capabilities:
    try:
        response = await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code not in _NO_EHLO or not client.is_connected:
            raise
        await client.helo()
        return Capabilities()
    return Capabilities.parse(_reply(response.code, response.message))


def _reply(code: int, message: str) -> Reply:
    """The text of aiosmtplib as the octets that it was; a line too long to mean anything is left out."""
    lines = message.encode("utf-8", "surrogateescape").split(b"\n")
    return Reply(code, tuple(line for line in lines if len(line) <= MAX_KEYWORD_LINE) or (b"",))


def _hand_over(client: aiosmtplib.SMTP, host: Host, capabilities: Capabilities, owner: Owner) -> Connection:
    protocol = client.protocol
    transport = cast("asyncio.Transport | None", client.transport)
    if protocol is None or transport is None or transport.is_closing():
        raise ConnectFault("closed by the next hop after EHLO")
    if protocol._buffer:  # noqa: SLF001 - the only place where unasked octets show; pinned, contract test
        raise ConnectFault(f"unasked: {bytes(protocol._buffer[:80])!r}")  # noqa: SLF001 - the same
    secure = transport.get_extra_info("sslcontext") is not None
    connection = Connection(host, capabilities, owner, secure=secure)
    transport.set_protocol(connection)
    client.protocol = client.transport = None
    protocol.transport = None
    connection.connection_made(transport)
    return connection


def _discard(client: aiosmtplib.SMTP) -> None:
    transport = cast("asyncio.Transport | None", client.transport)
    client.close()
    if transport is not None:
        transport.abort()


def _worded(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
