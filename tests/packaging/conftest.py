"""A clean Debian and the package that is installed into it: both made once, copied for each test.

Both take minutes. CAREERRELAY_ROOT names a system that `CleanRoot.make` made before, CAREERRELAY_DEB a
package that `make deb` built; these are used then.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CI
from tests.peers.clean_root import CleanRoot

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> CleanRoot:
    """A system as debootstrap makes it; nobody changes it."""
    if "CAREERRELAY_ROOT" in os.environ:
        return CleanRoot(Path(os.environ["CAREERRELAY_ROOT"]))
    if os.geteuid() != 0:
        (pytest.fail if CI else pytest.skip)("a clean root is made by root only: run this test with sudo")
    return CleanRoot.make(tmp_path_factory.mktemp("pristine") / "root")


@pytest.fixture
def root(pristine: CleanRoot, tmp_path: Path) -> Iterator[CleanRoot]:
    """A system for one test."""
    copy = pristine.copy(tmp_path / "root")
    yield copy
    subprocess.run(["rm", "-rf", "--one-file-system", str(copy.folder)], check=True)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, as `make deb` builds it."""
    if "CAREERRELAY_DEB" in os.environ:
        return Path(os.environ["CAREERRELAY_DEB"])
    folder = tmp_path_factory.mktemp("deb")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/deb.py"), "--output", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path.parent == folder
    return path
