"""Build the Debian package: the gateway in a virtual environment of its own, units, account, manual page.

`deb.py [--revision N] [--output DIR]` writes `careerrelay_VERSION-N_ARCH.deb` and prints its path. Needs
Debian's own Python (``/usr/bin/python3``) and dpkg-deb. The package is for the release that it is built on:
the environment belongs to that Python and to that C library, and the package says so in its dependencies. The
libraries are those of constraints.txt, since Debian's are older.
"""

import argparse
import compileall
import gzip
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from email.parser import HeaderParser
from email.utils import formatdate
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEBIAN = ROOT / "packaging/debian"
PYTHON = Path("/usr/bin/python3")
PACKAGE = "careerrelay"
#: Where the environment lives once the package is installed.
HOME = Path("/usr/lib") / PACKAGE
MAINTAINER = os.environ.get("DEBEMAIL", "CareerRelay maintainers <careerrelay@example.com>")
#: What a wheel may want from the system, and the package that has it.
LIBRARIES = {b"libstdc++.so.6": "libstdc++6", b"libgcc_s.so.1": "libgcc-s1", b"libz.so.1": "zlib1g"}

CONTROL = """\
Package: {package}
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: {depends}
Recommends: ca-certificates
Suggests: postgresql-client, swaks
Section: mail
Priority: optional
Description: SMTP relay that adds a personal referral link to rejection mails
 It stands between a company's mail system and the next hop to the internet,
 recognises the rejection mails that are sent to applicants, adds a footer with
 a link of each one's own, and keeps the ledger of what was sent. All other mail
 passes byte for byte. It has no queue: a mail is answered after the next hop
 took it.
 .
 The package has a virtual environment with the libraries that it was tested
 with. After the installation run "careerrelay init".
"""

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: careerrelay-gateway

Files: *
Copyright: 2026 the makers of CareerRelay
License: proprietary
 For those to whom it was given, by the terms of their contract.

Files: usr/lib/careerrelay/lib/*
Copyright: their authors, as the licence files beside them say
License: various
 Each library has its licence in its *.dist-info folder:
 .
"""


def run(*command: str | Path, **environment: str) -> str:
    """Run a program in the project's folder and return what it printed; ends the build where it fails."""
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=os.environ | environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command[0]} failed ({done.returncode})\n{done.stdout}")
    return done.stdout.strip()


def epoch() -> int:
    """The moment that files are dated to: what the environment says, the last commit, or the changelog's."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    if (ROOT / ".git").exists() and shutil.which("git"):
        return int(run("git", "log", "-1", "--format=%ct"))
    return int((ROOT / "CHANGELOG.md").stat().st_mtime)


def environment(stage: Path, work: Path) -> None:
    """Make the virtual environment below `stage`, as it will be below `HOME`."""
    venv = stage / HOME.relative_to("/")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    constraints = str(ROOT / "constraints.txt")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", work, ".", PIP_CONSTRAINT=constraints)
    (wheel,) = work.glob("*.whl")
    run(PYTHON, "-m", "venv", "--without-pip", "--symlinks", venv)
    run(
        *pip, "--python", venv / "bin/python", "install", "--no-compile", "--no-warn-script-location",
        "--constraint", constraints, f"{wheel}[postgresql]",
    )  # fmt: skip
    _relocate(venv)
    # Compiled here, checked by nobody there: dpkg owns the sources, and nothing is written at run time.
    compileall.compile_dir(
        venv / "lib", quiet=2, workers=0, stripdir=str(stage), prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )  # fmt: skip


def _relocate(venv: Path) -> None:
    """Take out what names the folder of the build, and what nobody needs."""
    version = run(PYTHON, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])")
    for path in (venv / "bin").iterdir():
        if path.name != PACKAGE:
            path.unlink()
    (venv / "bin/python").symlink_to(f"/usr/bin/{version}")
    program = venv / "bin" / PACKAGE
    program.write_text(re.sub(r"\A#!.*", f"#!{HOME}/bin/python", program.read_text("utf-8")), "utf-8")
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", "utf-8")
    for name in ("include", "lib64"):
        path = venv / name
        path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
    for name in ("direct_url.json", "REQUESTED", "RECORD", "INSTALLER"):
        for path in (venv / "lib").rglob(f"*.dist-info/{name}"):
            path.unlink()
    for path in (venv / "lib").rglob(".git*"):
        path.unlink()


def files(stage: Path, version: str, when: int) -> None:
    """Put everything beside the environment below `stage`."""
    (stage / "usr/bin").mkdir(parents=True)
    (stage / "usr/bin" / PACKAGE).symlink_to(Path("..") / HOME.relative_to("/usr") / "bin" / PACKAGE)
    (stage / "etc" / PACKAGE).mkdir(parents=True)
    units = stage / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for path in sorted((ROOT / "systemd").iterdir()):
        if path.suffix in {".service", ".socket", ".timer"}:
            (units / path.name).write_text(unit(path.read_text("utf-8")), "utf-8")
    place(ROOT / "systemd/careerrelay.sysusers", stage / "usr/lib/sysusers.d/careerrelay.conf")
    documents = stage / "usr/share/doc" / PACKAGE
    for name in ("README.md", "README.ja.md", "SECURITY.md", "docs", "contrib"):
        place(ROOT / name, documents / name)
    place(ROOT / "config.example.toml", documents / "examples/config.example.toml")
    place(ROOT / "systemd/credentials.conf", documents / "examples/credentials.conf")
    squeeze(documents / "changelog.gz", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    entry = f"{PACKAGE} ({version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n"
    squeeze(documents / "changelog.Debian.gz", f"{entry} -- {MAINTAINER}  {formatdate(when)}\n")
    place(ROOT / "packaging/lintian-overrides", stage / "usr/share/lintian/overrides" / PACKAGE)
    (documents / "copyright").write_text(COPYRIGHT + "".join(licences(stage)), "utf-8")
    manual = run(sys.executable, ROOT / "scripts/manual.py")
    squeeze(stage / "usr/share/man/man8/careerrelay.8.gz", f"{manual}\n")


def unit(text: str) -> str:
    """A unit as the package has it: without the words on how to install it by hand, and with our program."""
    return text[text.index("[Unit]") :].replace("/opt/careerrelay/bin/", "/usr/bin/")


def place(source: Path, target: Path) -> None:
    """Copy a file or a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def squeeze(path: Path, text: str) -> None:
    """Write a compressed text, the same one for the same text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def licences(stage: Path) -> list[str]:
    """A line about each library: name, version, licence."""
    found = []
    for path in sorted((stage / HOME.relative_to("/")).rglob("*.dist-info/METADATA")):
        head = HeaderParser().parsestr(path.read_text("utf-8"))
        classes = [line for line in head.get_all("Classifier", ()) if "License ::" in line]
        names = ", ".join(line.rpartition(" :: ")[2] for line in classes)
        said = head["License-Expression"] or names or (head["License"] or "see there")
        said = said.splitlines()[0]
        found.append(f"  {head['Name']} {head['Version']}: {said}\n")
    return found


def depends(stage: Path) -> str:
    """What the package needs: its Python, the C library that its wheels ask for, and what scripts call."""
    glibc, others = (2, 28), set()
    for path in stage.rglob("*.so*"):
        octets = path.read_bytes()
        asked = re.findall(rb"GLIBC_(\d+)\.(\d+)", octets)
        glibc = max([glibc, *((int(major), int(minor)) for major, minor in asked)])
        others |= {package for name, package in LIBRARIES.items() if name in octets}
    python = (stage / HOME.relative_to("/") / "bin/python").readlink().name
    return ", ".join(
        [
            python,
            f"libc6 (>= {glibc[0]}.{glibc[1]})",
            *sorted(others),
            "debconf (>= 0.5) | debconf-2.0",
            "systemd | systemd-standalone-sysusers | systemd-sysusers",
            "init-system-helpers (>= 1.54)",
            "procps",  # /bin/kill, for the reload
        ]
    )


def control(stage: Path, version: str, architecture: str) -> None:
    """Write what dpkg reads: control, sums, scripts, templates."""
    target = stage / "DEBIAN"
    inside = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}\n" for path in inside]  # noqa: S324 - dpkg's format
    size = sum(path.stat().st_size for path in inside) // 1024
    target.mkdir()
    (target / "md5sums").write_text("".join(sums), "utf-8")
    (target / "control").write_text(
        CONTROL.format(
            package=PACKAGE, version=version, architecture=architecture, maintainer=MAINTAINER, size=size,
            depends=depends(stage),
        ),
        "utf-8",
    )  # fmt: skip
    for path in DEBIAN.iterdir():
        place(path, target / path.name)


def modes(stage: Path) -> None:
    """Everybody may read, and run what is a program; nobody but root writes."""
    programs = {stage / HOME.relative_to("/") / "bin" / PACKAGE}
    programs |= {stage / "DEBIAN" / name for name in ("postinst", "prerm", "postrm")}
    for path in [stage, *stage.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in programs else 0o644)


def build(output: Path, revision: str) -> Path:
    """Build the package into `output` and return its path."""
    for needed in (PYTHON, Path(shutil.which("dpkg-deb") or "/usr/bin/dpkg-deb")):
        if not needed.exists():
            raise SystemExit(f"{needed} is not here; a Debian package is built on Debian or Ubuntu")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    version, when = f"{project['version']}-{revision}", epoch()
    architecture = run("dpkg", "--print-architecture")
    with tempfile.TemporaryDirectory(prefix="careerrelay-deb-") as folder:
        stage = Path(folder) / "stage"
        stage.mkdir()
        environment(stage, Path(folder))
        files(stage, version, when)
        control(stage, version, architecture)
        modes(stage)
        output.mkdir(parents=True, exist_ok=True)
        path = output / f"{PACKAGE}_{version}_{architecture}.deb"
        pack = ("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build")
        run(*pack, stage, path, SOURCE_DATE_EPOCH=str(when))
    return path


def main() -> None:
    """Read the arguments and build."""
    arguments = argparse.ArgumentParser(description="Build the Debian package.")
    arguments.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR")
    arguments.add_argument("--revision", default="1", metavar="N", help="Debian's part of the version")
    given = arguments.parse_args()
    print(build(given.output, given.revision))


if __name__ == "__main__":
    main()
