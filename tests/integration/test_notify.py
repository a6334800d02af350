"""The running gateway tells of what somebody else wrote to its books."""

import email
import email.policy
from pathlib import Path

from gateway.config import load_keys
from gateway.config.load import load_config
from gateway.store.credit import Operator
from gateway.store.programme import open_credit
from tests.integration.running import running
from tests.peers.scripted import ScriptedHop

PATIENCE = 30


async def test_a_slot_that_a_command_granted_is_told_of(tmp_path: Path) -> None:
    """One mail through the next hop, from nobody, to those named."""
    settings = {"notify": {"slot_granted": ["saiyo@example.co.jp", "hr@example.co.jp"]}}
    async with ScriptedHop() as hop, running(hop, settings, folder=tmp_path) as gateway:
        config = load_config(gateway.config)
        keys = load_keys(config.gateway.key_file, create=False)
        with open_credit(config, keys) as store:
            store.adjust("default", Operator(name="x"), referrals=20, reason="moved")
        await hop.wait(lambda: len(hop.taken) == 1, patience=PATIENCE)
        told = hop.taken[0]
        assert told.sender == b""
        assert told.recipients == [b"saiyo@example.co.jp", b"hr@example.co.jp"]
        message = email.message_from_bytes(told.content, policy=email.policy.default)
        assert "slot 1" in message.get_content()
        assert "slot 2" in message.get_content()
        assert "careerrelay credits show" in message.get_content()
