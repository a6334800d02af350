"""What the web process shows: the shared numbers, and the days that certificates have left."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cryptography import x509

from gateway.config import Config
from gateway.service.eyes.exposition import exposition
from gateway.service.eyes.readiness import troubles
from gateway.service.eyes.table import Table
from gateway.web.health import Trouble


class Look:
    """Implements `gateway.web.health.Eyes`. `config`: the one that holds now."""

    def __init__(self, table: Table, config: Callable[[], Config]) -> None:
        self._table = table
        self._config = config

    def metrics(self) -> str:
        """All of it."""
        return exposition(
            self._table,
            certificates=seconds_left(certificate_files(self._config())),
            version=running_version(),
        )

    def troubles(self) -> Sequence[Trouble]:
        """What is not as it should be."""
        config = self._config()
        defers, hops = config.ledger.fault == "defer", len(config.next_hops)
        return list(troubles(self._table, now=time.time(), defers=defers, hops=hops))


def running_version() -> str:
    """Of the package."""
    try:
        return version("careerrelay-gateway")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"


def certificate_files(config: Config) -> list[Path]:
    """The certificates that we show, on both sides."""
    named = [listen.certificate_file for listen in config.listen]
    named += [hop.certificate_file for hop in config.next_hops.values()]
    return sorted({path for path in named if path is not None})


def seconds_left(files: Sequence[Path]) -> Mapping[str, float]:
    """Seconds until each ends, by its file; one that cannot be read is not there."""
    now = datetime.now(UTC)
    found = {}
    for path in files:
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError):
            continue
        found[str(path)] = round((certificate.not_valid_after_utc - now).total_seconds())
    return found
