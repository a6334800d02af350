"""The running gateway tells of what somebody else wrote to its books."""

import asyncio
import email
import email.policy
import re
from collections import Counter
from pathlib import Path

import pytest

from gateway.config import load_keys
from gateway.config.load import load_config
from gateway.ledger.intake import Reported
from gateway.service.notifier import LOOK_SECONDS
from gateway.store.credit import Operator
from gateway.store.programme import open_credit
from tests.integration.running import running
from tests.peers.postgres import running_postgres
from tests.peers.scripted import ScriptedHop

PATIENCE = 30
WHO = Operator(name="x")


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


@pytest.mark.peer("postgresql")
@pytest.mark.timeout(240)
async def test_two_nodes_tell_of_each_thing_once(tmp_path: Path) -> None:
    """Both look into the one PostgreSQL, both may tell; each slot and each dispute is in one mail alone."""
    rounds = 6
    for node in ("one", "two"):
        (tmp_path / node).mkdir()
    with running_postgres("fsync=off") as server:
        settings = {
            "ledger": {"url": server.create()},
            "gateway": {"key_file": str(tmp_path / "shared.key")},
            "notify": {
                "slot_granted": ["saiyo@example.co.jp"],
                "dispute_opened": ["hr@example.co.jp"],
                "every_seconds": 1,
            },
        }
        async with (
            ScriptedHop() as hop,
            running(hop, settings, folder=tmp_path / "one") as one,
            running(hop, settings, folder=tmp_path / "two"),
        ):
            config = load_config(one.config)
            keys = load_keys(config.gateway.key_file, create=False)
            with open_credit(config, keys) as store:
                for number in range(rounds):
                    said = Reported(id=f"A-{number}", registered_at=1, email=f"a{number}@example.com")
                    store.receive_registrations("default", [said], source="test")
                    store.dispute(f"A-{number}", WHO, by="company", reason="no")
                    store.adjust("default", WHO, referrals=10, reason="moved")
                    await asyncio.sleep(2 * LOOK_SECONDS / rounds)

            def told() -> Counter[str]:
                texts = [
                    email.message_from_bytes(mail.content, policy=email.policy.default).get_content()
                    for mail in list(hop.taken)
                ]
                return Counter(re.findall(r"slot \d+|registration A-\d+", "\n".join(texts)))

            await hop.wait(lambda: len(told()) == 2 * rounds, patience=60)
            await asyncio.sleep(2 * LOOK_SECONDS)  # time for a second telling
            assert set(told().values()) == {1}
            mails = len(hop.taken)
    assert mails < 2 * 2 * rounds
