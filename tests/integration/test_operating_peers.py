"""`send-test` the whole way, and the Postfix connector on a real Postfix: one mailbox, and out again."""

import asyncio
import json
import os
import subprocess
import sys
import time

import pytest

from tests.integration.harness import ORDINARY
from tests.integration.running import running
from tests.peers.client import send_mail
from tests.peers.folder import free_port, wait_until
from tests.peers.gateway import Gateway
from tests.peers.postfix import Postfix
from tests.peers.scripted import ScriptedHop


async def test_send_test() -> None:
    """It gets a link where the rules are on, and says that it got none where they are not."""
    async with ScriptedHop() as hop, running(hop, {"rules": {"directory": None}}) as gateway:
        told = await asyncio.to_thread(
            gateway.command, "send-test", "--to", "me@example.com", "--json", check=False
        )
        found = json.loads(told)
        assert found["reply"].startswith("250"), found
        assert found["send"]["state"] == "accepted", found
        assert b"This is a test of the CareerRelay gateway" in hop.taken[0].content
        gateway.configure({"gateway": {"mode": "off"}})
        gateway.reload()
        await asyncio.to_thread(gateway.wait_for_log, "reloaded")
        told = await asyncio.to_thread(gateway.command, "send-test", "--to", "me@example.com", check=False)
        assert "link      none" in told
        assert "careerrelay trace" in told
        gateway.configure({"gateway": {"mode": "observe"}})
        gateway.reload()
        await asyncio.to_thread(wait_until, lambda: gateway.log().count("reloaded worker") == 2, "a reload")
        told = await asyncio.to_thread(gateway.command, "send-test", "--to", "me@example.com", check=False)
        assert "link      none\nreason    observe (en-rejection): all is well." in told


@pytest.mark.peer("postfix")
def test_postfix_connector() -> None:
    """Mail of one mailbox goes through the gateway and back, other mail does not; after the rollback none."""
    back = free_port()
    with Postfix.receiver() as postfix, Gateway(back) as gateway:
        environment = {**os.environ, "MAIL_CONFIG": str(postfix.folder)}

        def run(*options: str) -> None:
            command = [sys.executable, "-m", "gateway", "connector", "postfix", *options]
            text = subprocess.run(
                [*command, "--mailbox", "hr@example.co.jp", "--config", str(gateway.config)],
                check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip
            done = subprocess.run(
                ["sh"], input=text, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr

        def until_it(*, goes_through: bool, sender: bytes) -> None:
            """Postfix's processes take a change over when they are idle: the first mail may be too soon."""
            for _ in range(20):
                count = len(postfix.paths()) + 1
                assert asyncio.run(send_mail(postfix.port, ORDINARY, sender=sender))[-1].code == 250
                if (b"careerrelay-mark" in postfix.wait_for_mails(count)[-1].content) is goes_through:
                    return
                time.sleep(0.2)
            pytest.fail(f"mail of {sender!r} should {'' if goes_through else 'not '}go through the gateway")

        run()
        run()  # again, at will
        until_it(goes_through=True, sender=b"hr@example.co.jp")
        until_it(goes_through=False, sender=b"other@example.co.jp")
        run("--rollback")
        until_it(goes_through=False, sender=b"hr@example.co.jp")
