"""Real programs that tests use as peers: where they are, and what to do without them.

A test names what it needs with ``@pytest.mark.peer("postfix", "swaks")`` (obeyed by ``tests/conftest.py``)
and gets the path of a program from `find`. A machine without them skips and says which package to install;
with ``CI=true`` the same is a failure, so that CI cannot go green by testing nothing. Nothing is started
here.

A package whose installation would push another peer out, or start a service, is unpacked into ``.peers/``
instead, by ``scripts/peers.sh``.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

PEERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # name in the marker: (Debian package, program or file that must be there)
        "altermime": ("altermime", "altermime"),
        "chromium": ("chromium", "chromium"),
        "debootstrap": ("debootstrap", "debootstrap"),
        "exim": ("exim4-daemon-light", "exim4"),
        "haproxy": ("haproxy", "haproxy"),
        "mail-dkim": ("libmail-dkim-perl", "/usr/share/perl5/Mail/DKIM/Verifier.pm"),
        "gmime": ("gir1.2-gmime-3.0", "/usr/lib/*/girepository-1.0/GMime-3.0.typelib"),
        "gobject": ("python3-gi", "/usr/lib/python3/dist-packages/gi/__init__.py"),
        "mime-tools": ("libmime-tools-perl", "/usr/share/perl5/MIME/Parser.pm"),
        "node": ("nodejs", "node"),
        "npm": ("npm", "npm"),
        "noto-cjk": ("fonts-noto-cjk", "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
        "openssl": ("openssl", "openssl"),
        "postfix": ("postfix", "postfix"),
        "postgresql": ("postgresql", "initdb"),
        "promtool": ("prometheus", "promtool"),
        "smtp-source": ("postfix", "smtp-source"),
        "swaks": ("swaks", "swaks"),
        "systemd": ("systemd", "systemd-analyze"),
        "testssl": ("testssl.sh", "testssl"),
    }
)
"""Every real peer of the tests; `.ci/run` installs the packages, and a test holds the two lists together."""

ONLY_UNPACKED = frozenset({"exim4-daemon-light", "prometheus"})
"""Of these, the packages that are unpacked and never installed: Debian has one mail server at a time, and
nobody wants a Prometheus for its promtool."""

UNPACKED = Path(__file__).resolve().parents[1] / ".peers"
"""Where `scripts/peers.sh` unpacks packages."""

BESIDE_PATH = (
    "/usr/sbin", "/sbin", "/usr/lib/postfix/sbin", str(UNPACKED / "usr/sbin"), str(UNPACKED / "usr/bin"),
)  # fmt: skip
"""Folders of server programs that an ordinary user's PATH leaves out."""


def find(name: str) -> Path | None:
    """Return the program's path, or None; looks on PATH, beside it and in PostgreSQL's own folders."""
    if name.startswith("/"):
        return next(Path("/").glob(name.removeprefix("/")), None)  # the folder of a library names the machine
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    folders = (os.environ.get("PATH", os.defpath), *BESIDE_PATH, *map(str, versions))
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found) if found else None


def remedy(packages: Iterable[str]) -> str:
    """What brings these packages."""
    names = " ".join(package for package in packages if package not in ONLY_UNPACKED)
    unpack = any(package in ONLY_UNPACKED for package in packages)
    return "; ".join([f"apt-get install {names}"] * bool(names) + ["sh scripts/peers.sh"] * unpack)


def missing(peers: Iterable[str]) -> tuple[str, ...]:
    """Debian packages of those `peers` that are not on this machine. Raises KeyError for an unknown name."""
    return tuple(
        sorted({package for package, program in map(PEERS.__getitem__, peers) if find(program) is None})
    )


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdigit())
