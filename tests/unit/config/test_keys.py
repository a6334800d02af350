import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from gateway.config.keys import derive_keys, load_keys
from gateway.errors import ConfigError


def problem_of(path: Path, *, create: bool = False) -> str:
    """What is wrong with a key file."""
    with pytest.raises(ConfigError) as caught:
        load_keys(path, create=create)
    (problem,) = caught.value.problems
    assert problem.remedy
    return problem.message


def test_made_once(tmp_path: Path) -> None:
    """The file is made with mode 0600, folders above it too, and read from then on."""
    path = tmp_path / "secrets" / "careerrelay.key"
    keys = load_keys(path, create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keys(path, create=True) == load_keys(path, create=False) == keys
    assert [entry.name for entry in path.parent.iterdir()] == ["careerrelay.key"]


def test_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    """Even with an open umask nobody else may read it."""
    before = os.umask(0)
    try:
        load_keys(tmp_path / "key", create=True)
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_same_bytes_same_keys() -> None:
    """The derivation is fixed for ever: another one would forget everybody that was ever written to."""
    keys = derive_keys(bytes(range(32)))
    assert keys.id == "80196d1b1860"
    assert keys.mark.hex() == "9f14df14aa786ad07582d297d41bb7e6ed45a45e603f559fce83194258c8e14a"
    assert keys.mail.hex() == "5dbe134a32574510253d4099cabdca48421de70c1ecdb1a109058094363ac8c7"
    assert keys.person.hex() == "335c2534256d30253667e55a80594ed22bfc60ba02344f85e4cb24844b4f7bd7"
    assert keys.own_id.hex() == "ec89ae40cb1ea75bbbab9f1cf08110aab27a0871c7b9556a1e06c27006938334"


def test_keys_differ() -> None:
    """No use shares a key with another, and none shows its bytes."""
    keys = derive_keys(bytes(32))
    derived = [getattr(keys, field.name) for field in fields(keys) if field.name != "id"]
    assert len(set(derived)) == len(derived) == 7
    assert repr(keys) == f"Keys(id={keys.id!r})"


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    """Several processes that find no file all end with the key of the first."""
    program = (
        "import sys; from pathlib import Path; from gateway.config.keys import load_keys\n"
        "sys.stdin.readline(); print(load_keys(Path(sys.argv[1]), create=True).id)"
    )
    path = str(tmp_path / "key")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in started:  # all are waiting at the line; let them go at once
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ids = {process.communicate(timeout=60)[0] for process in started}
    assert len(ids) == 1
    assert [process.returncode for process in started] == [0] * 4


def test_another_process_was_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that appears between the look and the making of one is kept and used."""
    path = tmp_path / "key"
    first = load_keys(path, create=True)
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert load_keys(path, create=True) == first


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_open_to_others(tmp_path: Path, mode: int) -> None:
    """A key that others may use is refused, with the command that mends it."""
    path = tmp_path / "key"
    load_keys(path, create=True)
    path.chmod(mode)
    assert "others than its owner" in problem_of(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"careerrelay-key-1:",
        b"careerrelay-key-1:AAAA",
        b"careerrelay-key-1:" + b"A" * 44,
        b"careerrelay-key-1:!" + b"A" * 42 + b"=",
        b"careerrelay-key-2:" + b"A" * 43 + b"=",
        b"careerrelay-key-1:" + b"A" * 43 + b"=\n" + b"careerrelay-key-1:" + b"B" * 43 + b"=",
        b"-----BEGIN PRIVATE KEY-----",
    ],
)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    """Anything but one whole key is refused; it is never replaced."""
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    assert problem_of(path, create=True) == "this is no key file, or it is damaged"
    assert path.read_bytes() == content


def test_missing(tmp_path: Path) -> None:
    """Without `create` a missing file stays missing."""
    assert problem_of(tmp_path / "key") == "there is no such file"
    assert list(tmp_path.iterdir()) == []


def test_no_regular_file(tmp_path: Path) -> None:
    """A named pipe or folder in its place is refused at once instead of being waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert problem_of(tmp_path / "pipe") == "this is a folder or a device, not a file"
    assert problem_of(tmp_path) == "this is a folder or a device, not a file"


def test_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be made is told, and nothing is left behind."""
    (tmp_path / "file").write_text("")
    assert problem_of(tmp_path / "file" / "key", create=True).startswith("the key file cannot be made")
