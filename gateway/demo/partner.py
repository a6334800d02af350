"""The partner's side of the demo: candidates register, and the agency reports it as a signed webhook.

Signs by itself, as an agency's own system would, by what Standard Webhooks says: HMAC-SHA256 over id,
timestamp and body.
"""

import base64
import hmac
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime

_SECONDS = 15.0
_PAUSE = 0.1


class Unreported(Exception):
    """The gateway did not take the report; the text says why."""


def make_secret() -> str:
    """A webhook secret as both sides keep it: ``whsec_`` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def report(url: str, secret: str, tokens: Sequence[str]) -> list[tuple[str, str]]:
    """Report that the candidates with these tokens have registered; gives (id, state) of each.

    Raises:
        Unreported: the gateway could not be asked, or refused.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    registrations = [
        {"id": f"A-{1001 + number}", "token": token, "registered_at": now, "person_id": f"P-{77 + number}"}
        for number, token in enumerate(tokens)
    ]
    body = json.dumps({"registrations": registrations}).encode()
    answer = json.loads(_post(url, body, secret))
    return [(str(one["id"]), str(one.get("state") or one.get("message"))) for one in answer["registrations"]]


def _post(url: str, body: bytes, secret: str) -> bytes:
    """One signed request; tried again while the web server is on its way up."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    deadline = time.monotonic() + _SECONDS
    while True:
        name, moment = f"msg_{secrets.token_hex(8)}", str(int(time.time()))
        signature = hmac.digest(key, f"{name}.{moment}.".encode() + body, "sha256")
        request = urllib.request.Request(  # noqa: S310 - loopback, by our own config
            url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "webhook-id": name,
                "webhook-timestamp": moment,
                "webhook-signature": "v1," + base64.b64encode(signature).decode(),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - as above
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            text = error.read(400).decode("utf-8", "replace")
            raise Unreported(f"the web server answered {error.code}: {text}") from error
        except OSError as error:
            if time.monotonic() > deadline:
                raise Unreported(f"the web server could not be asked: {error}") from error
            time.sleep(_PAUSE)
