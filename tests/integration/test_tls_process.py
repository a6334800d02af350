"""TLS of the gateway as it is run: certificates renewed under way, on all workers, and users added."""

import asyncio
import base64
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

from tests.integration.harness import ORDINARY
from tests.integration.running import running
from tests.integration.test_tls import pair
from tests.peers.client import Client, transact
from tests.peers.folder import free_port
from tests.peers.scripted import ScriptedHop


async def shown(port: int) -> bytes:
    """The certificate that the gateway shows now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with await Client.connect(port, tls=context) as client:
        await client.expect(220)
        found: bytes = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found


async def test_renewed_without_a_signal_and_users_without_a_reload(tmp_path: Path) -> None:
    """An open session goes on; new ones get the new certificate, on both workers; a new user logs in."""
    server, renewed = pair(tmp_path, "server"), pair(tmp_path, "renewed")
    listen = {
        "address": "127.0.0.1", "networks": ["127.0.0.0/8"], "tls": "required", "tls_mode": "implicit",
        "certificate_file": str(server.certificate), "certificate_key_file": str(server.key),
        "auth": "required",
    }  # fmt: skip
    users = tmp_path / "users.toml"
    users.touch(0o600)
    async with ScriptedHop() as hop:
        port = free_port()
        settings = {
            "gateway": {"workers": 2},
            "listen": [{**listen, "port": port}],
            "auth": {"users_file": str(users)},
        }
        async with running(hop, settings, port=port) as gateway:
            open_one = await Client.connect(port, tls=server.client())
            await open_one.hello()
            before = await shown(port)
            command = [sys.executable, "-m", "gateway", "user", "add", "payroll", "--generate"]
            command += ["--config", str(gateway.config)]
            added = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, check=True
            )
            password = added.stdout.split()[1]
            # last, so that a worker which has seen the certificate has seen the user
            shutil.copy(renewed.certificate, server.certificate)
            shutil.copy(renewed.key, server.key)
            async with asyncio.timeout(20):
                fresh = 0
                while fresh < 8:  # one worker alone can't have answered all of these by chance
                    fresh = fresh + 1 if await shown(port) != before else 0
                    await asyncio.sleep(0.1)
            login = b"AUTH PLAIN " + base64.b64encode(f"\0payroll\0{password}".encode())
            assert (await open_one.command(login)).code == 235
            assert (await transact(open_one, ORDINARY))[-1].code == 250
            await open_one.quit()
            assert "read again" in gateway.log()
