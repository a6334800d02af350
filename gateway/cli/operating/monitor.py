"""The running gateway, asked over its private web listener (`[web] listen`): readiness and numbers."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config import Config, HostPort

_SECONDS = 3.0
_MOST = 4 << 20
#: Addresses to listen on that are none to connect to.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What it said. `fault`: why there is nothing; empty when there is.

    Attributes:
        readiness: the answer of /readyz.
        samples: name with labels, as Prometheus writes it -> value.
    """

    fault: str = ""
    readiness: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, float] = field(default_factory=dict)

    def total(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return sum(value for sample, value in self.samples.items() if sample.partition("{")[0] == name)

    def by_label(self, name: str) -> dict[str, float]:
        """A metric by the value of its one label, without those that are zero."""
        found = {
            sample.partition('="')[2].removesuffix('"}'): value
            for sample, value in self.samples.items()
            if sample.startswith(f"{name}{{") and value
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def reachable(place: HostPort) -> tuple[str, int]:
    """Where to connect to, to reach what listens there."""
    return _EVERYWHERE.get(place.host, place.host), place.port


def look(config: Config) -> Seen:
    """Ask it. Never raises: a gateway that does not answer is something to be told."""
    if config.web.listen is None:
        return Seen(fault="web.listen is not set, so a running gateway can't be asked")
    host, port = reachable(config.web.listen)
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        readiness = json.loads(_get(connection, "/readyz"))
        text = _get(connection, "/metrics").decode("utf-8")
        return Seen(readiness=readiness, samples=_samples(text))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Seen(fault=f"nobody answers at {config.web.listen}: {error}")
    finally:
        connection.close()


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read(_MOST)


def _samples(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
