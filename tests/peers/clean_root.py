"""A Debian system that has nothing but Debian in it, in a folder: programs run there as on a new machine.

Made with debootstrap from the mirrors that this machine itself uses, asked for at run time. Programs run
behind chroot in process and mount namespaces of their own: what they start or mount is gone when they end.
The network is this machine's. Needs to be root.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: What of the environment says how the package registries are reached.
_REGISTRIES = ("PIP_", "SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY")
#: Files that say the same.
_SETTINGS = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/root/.config/pip/pip.conf")
#: The authorities that this machine trusts, and where they are inside, so that no package writes over them.
_AUTHORITIES, _INSIDE = "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/of-this-machine.crt"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A place that Debian's packages come from."""

    uri: str
    suite: str


def archives() -> list[Archive]:
    """Where this machine gets the packages of its own release from: the release itself first."""
    text = Path("/etc/os-release").read_text("utf-8")
    codename = next(
        line.partition("=")[2] for line in text.splitlines() if line.startswith("VERSION_CODENAME=")
    )
    shown = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = dict.fromkeys(tuple(line.split()) for line in shown.splitlines())
    found = [
        Archive(uri=row[0], suite=row[1])
        for row in rows
        if row[2] == "main" and row[1].partition("-")[0] == codename
    ]
    return sorted(found, key=lambda archive: archive.suite != codename)


class CleanRoot:
    """One such system.

    Attributes:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path) -> "CleanRoot":
        """Make a minimal system in `folder`, with apt set up as on this machine. Takes a minute or two."""
        first, *others = archives()
        command = ["debootstrap", "--variant=minbase", first.suite, str(folder), first.uri]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
        root = cls(folder)
        lines = [f"deb {archive.uri} {archive.suite} main\n" for archive in (first, *others)]
        root.write("/etc/apt/sources.list", "".join(lines))
        for path in filter(Path.exists, map(Path, _SETTINGS)):
            root.write(str(path), path.read_text("utf-8").replace(_AUTHORITIES, _INSIDE))
        if Path(_AUTHORITIES).exists():
            root.bring(Path(_AUTHORITIES), _INSIDE)
        for path in Path("/etc/apt/apt.conf.d").glob("*registry*"):
            root.bring(path)
        # No service is started in it, and apt asks nobody.
        root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
        root.write(
            "/etc/apt/apt.conf.d/90tests",
            'APT::Get::Assume-Yes "true";\nDPkg::Options:: "--force-unsafe-io";\n',
        )
        root.run("apt-get", "update", "-qq")
        return root

    def copy(self, folder: Path) -> "CleanRoot":
        """Another system that is as this one is now."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.folder), str(folder)], check=True)
        return CleanRoot(folder)

    def path(self, inside: str | Path) -> Path:
        """Where a file of the system is on this machine."""
        return self.folder / str(inside).lstrip("/")

    def bring(self, source: Path, target: str | None = None) -> None:
        """Copy a file of this machine to the same place in the system, or to `target`."""
        place = self.path(target or source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        shutil.copy(source, place)

    def write(self, inside: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file in the system."""
        place = self.path(inside)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        place.chmod(mode)

    def command(
        self, *command: str, user: str = "root", folder: str = "/",
        environment: Mapping[str, str] | None = None,
        read_only: Iterable[str] | None = None,
    ) -> list[str]:  # fmt: skip
        """The command that runs `command` in the system.

        Args:
            command: program and arguments, as inside.
            user: who runs it there.
            folder: its current folder.
            environment: beside PATH and what leads to the registries.
            read_only: if given, nothing can be written but these folders and a fresh /tmp.
        """
        words = clean_words(user, environment or {})
        inner = ["chroot", str(self.folder), *words, "sh", "-c", 'cd "$0" && exec "$@"', folder, *command]
        before = ""
        if read_only is not None:
            # A bind mount of its own is what can be made read-only; the folders are bound over it once more.
            root, places = str(self.folder), [str(self.path(place)) for place in read_only]
            lines = [f"mount --bind {root} {root}", *(f"mount --bind {place} {place}" for place in places)]
            lines += [f"mount -t tmpfs none {self.path('tmp')}", f"mount -o remount,bind,ro {root}"]
            before = " && ".join(lines) + " && "
        isolate = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation=private"]
        script = f'{before}mount -t proc proc "$0/proc" && exec "$@"'
        return [*isolate, "sh", "-c", script, str(self.folder), *inner]

    def run(
        self, *command: str, user: str = "root", folder: str = "/",
        environment: Mapping[str, str] | None = None,
        input_text: str = "", check: bool = True,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a program in the system to its end; unless `check` is off, it has to succeed."""
        done = subprocess.run(
            self.command(*command, user=user, folder=folder, environment=environment),
            input=input_text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, (
            f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}"
        )
        return done


def clean_words(user: str, environment: Mapping[str, str]) -> list[str]:
    """What stands before a command that is to run in the system, with an environment of its own."""
    told = {
        name: value.replace(_AUTHORITIES, _INSIDE)
        for name, value in os.environ.items()
        if name.startswith(_REGISTRIES)
    }
    told |= {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    told |= environment
    words = ["env", "-i", *(f"{name}={value}" for name, value in told.items())]
    if user != "root":
        words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env"]
        words += ["env", *(f"{name}={value}" for name, value in environment.items())]
    return words
