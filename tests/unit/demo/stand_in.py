"""Takes the place of ``python -m gateway`` in tests of the demo: relays, and puts a link into some mails.

Usage: stand_in.py MODE serve|sends ... --config FILE. MODE ``good`` links what has one of `MARKS` and
none of `NEVER`; ``blind`` links nothing; ``dead`` ends at once; ``mute`` never gets ready.
"""

import asyncio
import base64
import hmac
import json
import signal
import smtplib
import sys
import tomllib
from email import message_from_bytes
from itertools import count
from pathlib import Path

from gateway.demo.capture import Capture, Captured

MARKS = ("見送らせて", "添いかね", "regret")
NEVER = ("内定", "発注", "DKIM-Signature", "pkcs7")
LINK = "https://careerrelay.example/r/{:026d}"


def judge(content: bytes) -> bool:
    """Whether this mail gets links."""
    text = content.decode("utf-8", "replace")
    for part in message_from_bytes(content).walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            text += payload.decode(part.get_content_charset("ascii"), "replace")
    return any(mark in text for mark in MARKS) and not any(mark in text for mark in NEVER)


class Relay(Capture):
    """A capture server that hands on what it gets before it answers."""

    def __init__(self, next_hop: int, *, blind: bool) -> None:
        super().__init__()
        self.next_hop = next_hop
        self.blind = blind
        self.numbers = count(1)
        self.mails = Handover(self)


class Handover(list[Captured]):
    """Hands on what is appended."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self.relay = relay

    def append(self, mail: Captured) -> None:
        """One mail for each recipient, before the sender is answered."""
        linked = judge(mail.content) and not self.relay.blind
        with smtplib.SMTP("127.0.0.1", self.relay.next_hop) as session:
            for recipient in mail.recipients:
                number = next(self.relay.numbers)
                link = f"X-Link: {LINK.format(number)}\r\n" if linked and "co.jp" not in recipient else ""
                content = b"Received: here\r\n" + link.encode() + mail.content
                session.sendmail(mail.sender, recipient, content, ["BODY=8BITMIME"])
        sys.stderr.write(f"mail reason={'injected' if linked else 'no-match'}\n")
        sys.stderr.flush()


async def serve(mode: str, config: Path) -> None:
    """As ``careerrelay serve``, as far as the demo sees it."""
    settings = tomllib.loads(config.read_text("utf-8"))
    if mode == "dead":
        sys.stderr.write("no luck today\n")
        return
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    relay = Relay(int(settings["next_hop"]["hosts"][0].rpartition(":")[2]), blind=mode == "blind")
    async with asyncio.timeout(60):
        server = await asyncio.start_server(relay._session, "127.0.0.1", settings["listen"][0]["port"])
        web = await asyncio.start_server(answer, *settings["web"]["listen"].split(":"))
        sys.stderr.write("starting\n" if mode == "mute" else "ready\n")
        sys.stderr.flush()
        await stop.wait()
        server.close()
        web.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As the web server does it: links lead on, registrations count, forgeries don't."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
    body = json.loads(await reader.readexactly(length) or b"{}")
    secret = base64.b64decode((Path(sys.argv[-1]).parent / "partner.secret").read_text()[6:])
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    if head.startswith("get "):
        answer = b"HTTP/1.1 302 Found\r\nlocation: https://agency.example/x\r\n"
        content = b""
    else:
        signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + json.dumps(body).encode()
        right = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode().lower()
        taken = fields["webhook-signature"] == f"v1,{right}"
        answer = b"HTTP/1.1 200 OK\r\n" if taken else b"HTTP/1.1 401 Unauthorized\r\n"
        told = [{"result": "new", "state": "counted"} for _ in body["registrations"]]
        content = json.dumps({"registrations": told}).encode()
    writer.write(answer + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(content) + content)
    await writer.drain()
    writer.close()


COMMANDS = {
    "sends": "the rows\n",
    "links": "external_id,token,link\r\nAPP-9,x,https://x\r\nAPP-10,y,https://y\r\n",
    "credits": '{"slots_granted": 1}\n',
    "registrations": "the story\n",
    "circle": "the circle\n",
    "statement": "the statement\n",
}

if __name__ == "__main__":
    if sys.argv[2] in COMMANDS:
        sys.stdout.write(COMMANDS[sys.argv[2]])
    else:
        asyncio.run(serve(sys.argv[1], Path(sys.argv[-1])))
