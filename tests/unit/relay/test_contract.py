"""What the relay relies on of aiosmtplib and of the loops' transports, public or not.

Pinned: ``aiosmtplib==5.1.3``.
"""

import asyncio
import gc
import inspect
from importlib.metadata import version

import aiosmtplib
import pytest
from aiosmtplib.protocol import SMTPProtocol

from tests.peers.action import raw
from tests.peers.certificate import make_certificate
from tests.peers.scripted import ScriptedHop


async def greeted(hop: ScriptedHop, **options: object) -> aiosmtplib.SMTP:
    """A client past EHLO."""
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=hop.port, start_tls=False, timeout=None, **options)  # type: ignore[arg-type]
    await client.connect()
    await client.ehlo(hostname="gw.example")
    return client


class Reader(asyncio.Protocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.came = b""
        self.more = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.came += data
        self.more.set()


def test_version() -> None:
    """The contract was read from this version; another has to be read again."""
    assert version("aiosmtplib") == "5.1.3"


def test_nothing_closes_on_collection() -> None:
    """Neither client nor protocol has a finaliser that could close a transport that is ours by then."""
    assert not hasattr(aiosmtplib.SMTP, "__del__")
    assert not hasattr(SMTPProtocol, "__del__")


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_transport_can_be_handed_over(tls: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """``set_protocol`` works on each loop's transports, clear and under TLS.

    What was left behind may be collected.
    """
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    server = None if tls == "none" else certificate.server()
    async with ScriptedHop(tls=server, implicit=tls == "implicit") as hop:
        options = {} if tls == "none" else {"tls_context": certificate.client()}
        client = await greeted(hop, use_tls=tls == "implicit", **options)
        if tls == "starttls":
            await client.starttls()
            await client.ehlo(hostname="gw.example")
        transport, protocol = client.transport, client.protocol
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "set_protocol")
        assert protocol is not None
        assert protocol.transport is transport
        reader = Reader()
        transport.set_protocol(reader)  # type: ignore[union-attr]
        client.protocol = client.transport = None
        protocol.transport = None
        del client, protocol
        gc.collect()
        transport.set_write_buffer_limits(1 << 18)  # type: ignore[union-attr]
        transport.write(b"RSET\r\n")  # type: ignore[union-attr]
        await reader.more.wait()
        assert reader.came == b"250 2.0.0 reset\r\n"
        transport.abort()  # type: ignore[union-attr]
        await hop.wait(lambda: hop.sessions[0].ended != "")


async def test_unasked_octets_stay_in_the_buffer() -> None:
    """``SMTPProtocol._buffer`` holds what stood behind the reply that was asked for.

    Nothing is left of a clean one.
    """
    script = {("ehlo", 2): raw(b"250 mx.example\r\n250 surplus\r\n")}
    async with ScriptedHop(script) as hop:
        client = await greeted(hop)
        assert client.protocol is not None
        assert client.protocol._buffer == b""
        await client.ehlo(hostname="gw.example")
        assert client.protocol._buffer == b"250 surplus\r\n"
        client.close()


async def test_ehlo_reply_keeps_its_lines() -> None:
    """The text of a reply is its lines joined by LF, octets outside UTF-8 escaped.

    Enough to get the octets back.
    """
    async with ScriptedHop({"ehlo": raw(b"250-mx.example\r\n250-SIZE 1000\r\n250 X\xff\r\n")}) as hop:
        client = await greeted(hop)
        response = client.last_ehlo_response
        assert response is not None
        assert response.message.encode("utf-8", "surrogateescape") == b"mx.example\nSIZE 1000\nX\xff"
        client.close()


def test_errors_are_what_they_were() -> None:
    """A refused login is told apart by its own error, with the code.

    No timeout of the library's own is set by us.
    """
    assert issubclass(aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPResponseException)
    assert inspect.signature(aiosmtplib.SMTP).parameters["timeout"].default == 60
    assert {"code", "message"} <= set(vars(aiosmtplib.SMTPAuthenticationError(535, "no")))
