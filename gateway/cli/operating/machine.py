"""What `doctor` looks at on this machine, without asking anybody else."""

import ctypes
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.check import find
from gateway.cli.operating.findings import Finding, fail, ok, warn
from gateway.config import Config, HostPort, load_keys

_SECONDS = 2.0
_DAYS = 14
_FREE_OCTETS, _FREE_SHARE = 500 << 20, 0.05
#: adjtimex(2): the clock is not synchronised.
_TIME_ERROR = 5


def files(path: Path) -> Iterator[Finding]:
    """Config, rules and footers, as `careerrelay check` sees them; and who may read the config."""
    found = find(path)
    for problem in found.problems:
        yield fail("config", f"{problem.file}: {problem.key} {problem.message}", problem.remedy)
    for warning in found.warnings:
        yield warn("config", f"{warning.file}: {warning.key} {warning.message}", warning.remedy)
    if not found.problems:
        yield ok("config", f"{path} is good")
    rules, footers = found.facts.get("rule_count"), found.facts.get("footer_count")
    if rules:
        yield ok("rules", f"{rules} rules, {footers} footers, set {found.facts['rule_set']}")
    elif rules is not None:
        yield warn("rules", "there are no rules", "look at [rules] directory")


def ports(config: Config) -> Iterator[Finding]:
    """Whether we listen, or could."""
    places = [(f"listen {one.label}", HostPort(one.address, one.port), True) for one in config.listen]
    if config.web.listen is not None:
        places.append(("web", config.web.listen, False))
    for name, place, smtp in places:
        yield _port(name, place, smtp=smtp)


def _port(name: str, place: HostPort, *, smtp: bool) -> Finding:
    from gateway.cli.operating.monitor import reachable

    target = reachable(place)
    try:
        with socket.create_connection(target, _SECONDS) as connection:
            connection.settimeout(_SECONDS)
            try:
                said = connection.recv(512) if smtp else b""
            except TimeoutError:
                said = b""
    except ConnectionRefusedError:
        return _bindable(name, place)
    except OSError as error:
        return warn("ports", f"{name}: {error}", "is that an address of this machine?")
    if smtp and said.startswith(b"220") and b"CareerRelay" not in said:
        return fail(
            "ports", f"{name}: another program listens on port {place.port}", "stop it, or take another port"
        )
    return ok("ports", f"{name}: somebody listens on port {place.port}")


def _bindable(name: str, place: HostPort) -> Finding:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((place.host, place.port))
        except PermissionError:
            remedy = "run as the service does (CAP_NET_BIND_SERVICE), or use careerrelay.socket"
            return warn("ports", f"{name}: you may not open port {place.port}", remedy)
        except OSError as error:
            return fail(
                "ports", f"{name}: port {place.port}: {error.strerror}", "write an address of this machine"
            )
    return warn("ports", f"{name}: nobody listens on port {place.port}", "systemctl start careerrelay")


def permissions(config: Config) -> Iterator[Finding]:
    """The key file, and the folders that are written to."""
    key = config.gateway.key_file
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & 0o077:
            yield fail("permissions", f"others may read {key} (mode {mode:04o})", f"chmod 600 {key}")
        else:
            yield ok("permissions", f"{key} is the gateway's alone; keep a copy elsewhere")
    except OSError as error:
        yield warn(
            "permissions", f"{key}: {error.strerror}", "the first start makes it; keep a copy of it then"
        )
    for folder in _folders(config):
        if not os.access(folder, os.W_OK | os.X_OK):
            yield fail(
                "permissions",
                f"{folder} can't be written to by you",
                "run as the gateway's user, or chown it",
            )


def _folders(config: Config) -> list[Path]:
    from gateway.store import Database

    file = Database(config.ledger.url).file
    return [*([file.parent] if file is not None else []), config.limits.spool_directory]


def certificates(config: Config) -> Iterator[Finding]:
    """Days left of each."""
    from gateway.service.eyes.look import certificate_files, seconds_left

    named = certificate_files(config)
    left = {file: seconds / 86_400 for file, seconds in seconds_left(named).items()}
    for path in named:
        days = left.get(str(path))
        if days is None:
            yield fail(
                "certificates", f"{path} can't be read as a certificate", "look at the file and its owner"
            )
        elif days < 0:
            yield fail(
                "certificates", f"{path} ended {-days:.0f} days ago", "renew it; it is read again by itself"
            )
        elif days < _DAYS:
            yield warn(
                "certificates", f"{path} ends in {days:.0f} days", "renew it; it is read again by itself"
            )
        else:
            yield ok("certificates", f"{path} has {days:.0f} days left")


def clock() -> Iterator[Finding]:
    """Whether the kernel says that the clock is kept by somebody. Windows of credit go by it."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(256))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        yield warn("clock", "the kernel does not say how the clock is", "look at it yourself: timedatectl")
    elif state == _TIME_ERROR:
        yield warn("clock", "nobody keeps the clock", "systemctl enable --now systemd-timesyncd, or chrony")
    else:
        yield ok("clock", "the clock is kept")


def disk(config: Config) -> Iterator[Finding]:
    """Room for ledger and large mails."""
    for folder in dict.fromkeys(_folders(config)):
        try:
            usage = shutil.disk_usage(folder)
        except OSError as error:
            yield fail("disk", f"{folder}: {error.strerror}", "make the folder")
            continue
        free = f"{folder}: {usage.free >> 20} MB free"
        if usage.free < _FREE_OCTETS or usage.free < usage.total * _FREE_SHARE:
            yield warn("disk", free, "make room: a full disk costs links, never mail")
        else:
            yield ok("disk", free)


def database(config: Config) -> Iterator[Finding]:
    """Whether it can be read, has our schema, and was begun with our key."""
    from gateway.errors import ConfigError, LedgerFault
    from gateway.store import KeyMatch, LedgerReader, check_key_id, state_of

    name, key = config.ledger.safe_url, config.gateway.key_file
    try:
        if state_of(config.ledger.url) is None:
            yield warn("database", f"{name}: there is no ledger yet", "the first start makes it")
            return
        with LedgerReader(config.ledger.url) as reader:
            brake = reader.brake()
        match = check_key_id(config.ledger.url, load_keys(key, create=False).id)
    except (LedgerFault, ConfigError) as fault:
        yield fail("database", f"{name}: {fault}", "careerrelay db check")
        return
    if match is KeyMatch.OTHER:
        yield fail("database", f"{name} was begun with another key than {key}", "put that key file back")
    else:
        yield ok("database", f"{name} can be used")
    if brake is not None:
        yield warn("brake", f"the brake is on: {brake.why}", "careerrelay rules resume")


def loop_mark(config: Config) -> Iterator[Finding]:
    """Whether a mail of ours would be known when it comes round again."""
    from gateway.errors import ConfigError
    from gateway.message.scan import scan
    from gateway.message.trace import count_marks, received_field

    try:
        keys = load_keys(config.gateway.key_file, create=False)
    except ConfigError as error:
        yield warn(
            "loop-mark", f"no key to mark mails with: {error.problems[0].message}", "the first start makes it"
        )
        return
    field = received_field(
        helo=b"doctor", peer="", hostname=config.gateway.hostname, protocol="ESMTP", recipient=None,
        session_id="doctor", date="Thu, 01 Jan 1970 00:00:00 +0000", mark_key=keys.mark,
    )  # fmt: skip
    if count_marks(scan(field + b"Subject: x\r\n\r\nx\r\n"), keys.mark) == 1:
        yield ok("loop-mark", "a mail that comes back is known by its mark (the same key file on all nodes)")
    else:
        yield fail("loop-mark", "our own mark is not known", "tell us: this is a fault of ours")
