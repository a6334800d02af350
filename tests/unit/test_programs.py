"""Real peers of the tests: without them a skip that says what to install, in CI a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import conftest, programs


class Item:
    """As much of a test item as the hook looks at."""

    def __init__(self, *peers: str) -> None:
        self.marks = [pytest.mark.peer(*peers).mark] if peers else []

    def iter_markers(self, name: str) -> Iterator[pytest.Mark]:
        """The marks of that name."""
        return (mark for mark in self.marks if mark.name == name)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has none of the peers."""
    monkeypatch.setattr(programs, "find", lambda _: None)


@pytest.mark.usefixtures("bare_machine")
def test_missing_peer_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a developer's machine the skip names the packages."""
    monkeypatch.setattr(conftest, "CI", False)
    with pytest.raises(pytest.skip.Exception, match=r"^apt-get install postfix swaks$"):
        conftest.pytest_runtest_setup(Item("swaks", "postfix", "smtp-source"))  # type: ignore[arg-type]


@pytest.mark.usefixtures("bare_machine")
def test_missing_peer_that_is_only_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to install what would remove another mail server."""
    monkeypatch.setattr(conftest, "CI", False)
    with pytest.raises(pytest.skip.Exception, match=r"^apt-get install swaks; sh scripts/peers\.sh$"):
        conftest.pytest_runtest_setup(Item("exim", "swaks"))  # type: ignore[arg-type]


@pytest.mark.usefixtures("bare_machine")
def test_missing_peer_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI does not go green by testing nothing."""
    monkeypatch.setattr(conftest, "CI", True)
    with pytest.raises(pytest.fail.Exception, match="needs the packages: swaks"):
        conftest.pytest_runtest_setup(Item("swaks"))  # type: ignore[arg-type]


@pytest.mark.usefixtures("bare_machine")
def test_without_peers_nothing_happens() -> None:
    """A test that names no peer runs everywhere."""
    conftest.pytest_runtest_setup(Item())  # type: ignore[arg-type]


def test_find_looks_beside_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Server programs are found though an ordinary user's PATH leaves them out."""
    program = tmp_path / "somed"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(programs, "BESIDE_PATH", (str(tmp_path),))
    assert programs.find("somed") == program
    assert programs.find(str(program)) == program
    assert programs.find("some-other-d") is None


def test_unknown_peer_is_an_error() -> None:
    """A slip in a marker does not turn into a skip."""
    with pytest.raises(KeyError):
        programs.missing(["postfixx"])
