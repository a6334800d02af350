"""The Debian package's whole life in a clean root: installed, used, upgraded, removed, purged."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import LINK
from tests.packaging.pages import ROOT
from tests.packaging.service import Service
from tests.peers.clean_root import CleanRoot
from tests.peers.client import send_mail
from tests.peers.folder import free_port
from tests.peers.postgres import running_postgres
from tests.peers.scripted import ScriptedHop

pytestmark = [pytest.mark.long, pytest.mark.peer("debootstrap", "systemd"), pytest.mark.timeout(1_800)]

CONFIG = "/etc/careerrelay/config.toml"
#: A ledger as an older version left it. The names are ours: what alembic needs to stop at a revision.
OLD_LEDGER = """\
import sys
from alembic import command
from gateway.store import migrate
from gateway.store.database import Database

database = Database(sys.argv[1])
database.create_file()
config = migrate._config()
with database.writer(10).connect() as connection:
    if database.sqlite:
        migrate._write_ahead(connection)
    with connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
"""


def install(root: CleanRoot, package: Path) -> str:
    """Install or upgrade as an admin does, and give what was said."""
    root.bring(package, f"/root/{package.name}")
    done = root.run("apt-get", "install", "--no-install-recommends", f"/root/{package.name}")
    assert root.run("dpkg-query", "-W", "-f=${db:Status-Abbrev}", "careerrelay").stdout.strip() == "ii"
    return done.stdout + done.stderr


def newer(package: Path, folder: Path, version: str) -> Path:
    """The same package with a higher version."""
    stage, path = folder / "stage", folder / f"careerrelay_{version}_test.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(stage)], check=True)
    control = stage / "DEBIAN/control"
    control.write_text(
        re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text("utf-8")), "utf-8"
    )
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(stage), str(path)], check=True)
    return path


def configure(root: CleanRoot, port: int, hop: int, web: int) -> None:
    """`careerrelay init`, as a script runs it, and rules that add links."""
    root.run(
        "careerrelay", "init", "--yes", "--hostname", "gw.example.co.jp", "--own-domain", "example.co.jp",
        "--listen", f"127.0.0.1:{port}", "--next-hop", f"127.0.0.1:{hop}", "--tls", "none",
        "--web", f"127.0.0.1:{web}", "--link-url", "https://careerrelay.example/r/{token}",
        "--opt-out", "mailto:no-more@example.co.jp",
    )  # fmt: skip
    path = root.path(CONFIG)
    path.write_text(path.read_text("utf-8") + '\n[rules.mode]\n"*" = "inject"\n', "utf-8")


def old_ledger(root: CleanRoot, url: str = "sqlite:////var/lib/careerrelay/ledger.db") -> None:
    """A ledger whose schema is an older version's."""
    root.write("/opt/old.py", OLD_LEDGER)
    root.run("/usr/lib/careerrelay/bin/python", "/opt/old.py", url, user="careerrelay")


def gateway(root: CleanRoot, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """``careerrelay WORDS`` in the root, as the gateway's user."""
    return root.run("careerrelay", *words, user="careerrelay", check=check)


def inside(root: CleanRoot, folder: str) -> set[str]:
    """Names in a folder of the root."""
    path = root.path(folder)
    return {entry.name for entry in path.iterdir()} if path.is_dir() else set()


async def test_installed_and_used(root: CleanRoot, package: Path) -> None:
    """Installed, it waits for a config; with one it takes mail, adds a link, and ends when told to."""
    said = await asyncio.to_thread(install, root, package)
    assert "Run: careerrelay init" in said
    assert re.search(r"^careerrelay \d", root.run("careerrelay", "--version").stdout)
    account = root.run("getent", "passwd", "careerrelay").stdout.split(":")
    assert account[5:] == ["/var/lib/careerrelay", "/usr/sbin/nologin\n"]
    data = root.path("/var/lib/careerrelay").stat()
    assert (data.st_mode & 0o7777, data.st_uid) == (0o700, int(account[2]))
    wanted = root.path("/etc/systemd/system")
    assert (wanted / "multi-user.target.wants/careerrelay.service").is_symlink()
    assert (wanted / "timers.target.wants/careerrelay-backup.timer").is_symlink()
    assert not (wanted / "sockets.target.wants/careerrelay.socket").exists(), "sockets are for whoever asks"
    units = [name for name in inside(root, "/usr/lib/systemd/system") if name.startswith("careerrelay")]
    root.run("systemd-analyze", "verify", "--man=no", *(f"/usr/lib/systemd/system/{name}" for name in units))

    port, web = free_port(), free_port()
    async with ScriptedHop() as hop:
        configure(root, port, hop.port, web)
        assert "good" in gateway(root, "check").stdout
        found = gateway(root, "doctor", "--offline", check=False)
        assert found.returncode == 0, found.stdout
        with Service(root) as service:
            await asyncio.to_thread(service.ready)
            assert (await send_mail(port, ORDINARY))[-1].code == 250
            assert (await send_mail(port, rejection()))[-1].code == 250
            assert gateway(root, "status", "--ready").returncode == 0
            assert await asyncio.to_thread(service.stop) == 0
        plain, linked = hop.taken
        assert plain.content.endswith(ORDINARY)
        assert LINK.search(linked.content)
    assert "accepted" in gateway(root, "sends", "list").stdout
    assert gateway(root, "status", "--ready", check=False).returncode == 1, "nobody takes mail now"


def test_nothing_of_the_build_is_left(root: CleanRoot, package: Path) -> None:
    """Files name no folder of the machine that built them, and are all as the package's sums say."""
    install(root, package)
    build = re.compile(rb"careerrelay-deb-|" + re.escape(str(ROOT).encode()) + rb"/")
    owned = root.run("dpkg-query", "-L", "careerrelay").stdout.split("\n")
    files = [root.path(name) for name in owned if name and root.path(name).is_file()]
    named = [str(path) for path in files if not path.is_symlink() and build.search(path.read_bytes())]
    assert named == []
    root.run("dpkg", "--verify", "careerrelay")
    programs = inside(root, "/usr/lib/careerrelay/bin")
    assert programs == {"careerrelay", "python"}
    assert "careerrelay sends list" in root.run(
        "zcat", "/usr/share/man/man8/careerrelay.8.gz"
    ).stdout.replace("\\", "")


def test_upgraded(root: CleanRoot, package: Path, tmp_path: Path) -> None:
    """An upgrade brings an older ledger to this version, a copy of it first; config and key stay."""
    install(root, package)
    configure(root, free_port(), free_port(), free_port())
    old_ledger(root)
    kept = [root.path(CONFIG), root.path("/var/lib/careerrelay/careerrelay.key")]
    before = [path.read_bytes() for path in kept]
    assert gateway(root, "db", "check", check=False).returncode == 1, "this version wants another schema"

    said = install(root, newer(package, tmp_path, "99-1"))

    assert "(it was 0001)" in said
    assert "good (schema" in gateway(root, "db", "check").stdout
    (copy,) = inside(root, "/var/lib/careerrelay/backup")
    assert copy.startswith("ledger.before-")
    assert [path.read_bytes() for path in kept] == before

    folder = root.path("/var/lib/careerrelay/backup")
    for year in range(2020, 2025):
        (folder / f"ledger.before-{year}0101T000000Z").write_bytes(b"an old copy")
    (folder / "ledger.1").write_bytes(b"a nightly one")
    root.run("dpkg-reconfigure", "careerrelay")
    kept_copies = {"ledger.1", copy, "ledger.before-20240101T000000Z", "ledger.before-20230101T000000Z"}
    assert inside(root, "/var/lib/careerrelay/backup") == kept_copies


@pytest.mark.peer("postgresql")
def test_upgraded_with_postgresql(root: CleanRoot, package: Path, tmp_path: Path) -> None:
    """Without pg_dump there is no copy, so nothing changes or is restarted; with it, as with SQLite."""
    install(root, package)
    configure(root, free_port(), free_port(), free_port())
    with running_postgres() as server:
        url = server.create()
        path = root.path(CONFIG)
        text, found = re.subn(r'(?m)^url = "sqlite:.*"$', f'url = "{url}"', path.read_text("utf-8"))
        assert found == 1
        path.write_text(text, "utf-8")
        old_ledger(root, url)

        said = install(root, newer(package, tmp_path, "99-1"))
        assert "pg_dump is not on the PATH" in said
        assert "nothing was restarted" in said
        assert inside(root, "/var/lib/careerrelay/backup") == set()
        assert gateway(root, "db", "check", check=False).returncode == 1, "as it was"

        # pg_dump has to be as new as the server, which is this machine's
        root.run("apt-get", "install", "--no-install-recommends", "-qq", "postgresql-client")
        done = root.run("dpkg-reconfigure", "careerrelay")
        assert "(it was 0001)" in done.stdout + done.stderr
        assert "good (schema" in gateway(root, "db", "check").stdout
        (copy,) = inside(root, "/var/lib/careerrelay/backup")
        assert copy.startswith("ledger.before-")
        file = f"/var/lib/careerrelay/backup/{copy}"
        listed = root.run("pg_restore", "--list", file, user="careerrelay").stdout
        assert " TABLE DATA public sends " in listed
        restored = server.create()
        root.run("pg_restore", "--dbname", restored, file, user="careerrelay")
        revision = server.run("SELECT version_num FROM alembic_version", restored.rpartition("/")[2])
        assert revision == [("0001",)]


def test_an_upgrade_that_does_not_take_the_config_restarts_nothing(
    root: CleanRoot, package: Path, tmp_path: Path
) -> None:
    """The package is installed, says what to mend, and leaves ledger and running gateway alone."""
    install(root, package)
    configure(root, free_port(), free_port(), free_port())
    old_ledger(root)
    path = root.path(CONFIG)
    path.write_text(path.read_text("utf-8").replace("[gateway]", "[gateway]\nnonsense = 1"), "utf-8")
    said = install(root, newer(package, tmp_path, "99-1"))
    assert "nonsense" in said
    assert "nothing was restarted" in said
    assert "(it was 0001)" not in said


def test_removed_and_purged(root: CleanRoot, package: Path) -> None:
    """Removal keeps config, key and ledger; a purge keeps key and ledger unless it is told to delete them."""
    install(root, package)
    configure(root, free_port(), free_port(), free_port())
    gateway(root, "db", "upgrade")
    root.write("/etc/careerrelay/next_hop.password", "made up\n", mode=0o600)
    config, data = inside(root, "/etc/careerrelay"), inside(root, "/var/lib/careerrelay")
    assert {"careerrelay.key", "ledger.db"} <= data

    root.run("apt-get", "remove", "careerrelay")
    assert not root.path("/usr/lib/careerrelay").exists()
    assert not os.path.lexists(root.path("/usr/bin/careerrelay"))
    assert inside(root, "/etc/careerrelay") == config
    assert inside(root, "/var/lib/careerrelay") == data

    install(root, package)
    assert "good (schema" in gateway(root, "db", "check").stdout, "back as it was"

    purged = root.run("apt-get", "purge", "careerrelay")
    assert "/var/lib/careerrelay is kept" in purged.stdout + purged.stderr
    assert inside(root, "/etc/careerrelay") == {"next_hop.password"}
    assert {"careerrelay.key", "ledger.db"} <= inside(root, "/var/lib/careerrelay")

    install(root, package)
    root.run("debconf-set-selections", input_text="careerrelay careerrelay/purge-ledger boolean true\n")
    root.run("apt-get", "purge", "careerrelay")
    assert not root.path("/etc/careerrelay").exists()
    assert not root.path("/var/lib/careerrelay").exists()
    assert root.run("getent", "passwd", "careerrelay", check=False).returncode == 2
