from pathlib import Path

import pytest

from gateway.config import embedded_config, read_password
from gateway.config.files import in_memory
from gateway.errors import ConfigError


def message_of(path: Path) -> str:
    """What is wrong with a password file."""
    with pytest.raises(ConfigError) as caught:
        read_password(path)
    (problem,) = caught.value.problems
    assert problem.remedy
    return problem.message


def test_password(tmp_path: Path) -> None:
    """The first line, whatever the line end, with the blanks that may be part of it."""
    path = tmp_path / "password"
    for content in ("  sécret \n", "  sécret \r\nmore\n", "  sécret "):
        path.write_text(content, "utf-8", newline="")
        path.chmod(0o600)
        assert read_password(path) == "  sécret "


def test_password_open_to_others(tmp_path: Path) -> None:
    """A password that others may read is refused."""
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o644)
    assert "others than its owner" in message_of(path)


def test_empty_password(tmp_path: Path) -> None:
    """An empty first line is no password."""
    path = tmp_path / "password"
    path.write_text("\nsecret\n")
    path.chmod(0o600)
    assert message_of(path) == "the first line is empty"


def test_file_without_certificates(tmp_path: Path) -> None:
    """A key, or a certificate in binary form, in the place of PEM certificates is told at the start."""
    (tmp_path / "ca.pem").write_bytes(b"\x30\x82")
    with pytest.raises(ConfigError) as caught:
        embedded_config(tmp_path, {"next_hop": {"tls": "required", "ca_file": "ca.pem"}})
    assert [problem.message for problem in caught.value.problems] == ["there is no certificate in it"]


def test_password_stays_out_of_the_config(tmp_path: Path) -> None:
    """The config names the file; what is in it is nowhere that could be logged."""
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "password").chmod(0o600)
    hop = {"tls": "required", "user": "gw", "password_file": "password"}
    config = embedded_config(tmp_path, {"next_hop": hop})
    assert "hunter2" not in repr(config)
    assert config.next_hop.password_file is not None
    assert read_password(config.next_hop.password_file) == "hunter2"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("/srv/a", False), ("/mem/spool", True), ("/mem/disk/a", False), ("/run/a b/c", True), ("/memx", False)],
)
def test_in_memory(folder: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """The innermost mount over a folder decides whether its files live in memory (SMTP.md rule 27)."""
    mounts = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /mem tmpfs rw 0 0
/dev/sda2 /mem/disk ext4 rw 0 0
none /run/a\\040b ramfs rw 0 0
broken
"""
    assert in_memory(Path(folder), mounts) is expected


def test_nothing_is_known_of_the_mounts() -> None:
    """Without a word about a folder it counts as a disk."""
    assert not in_memory(Path("/srv"), "")


def test_signing_key_files(tmp_path: Path) -> None:
    """A DKIM key that others may read, and a file that holds none, are told, each in its place."""
    (tmp_path / "open.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "open.pem").chmod(0o640)
    (tmp_path / "none.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "none.pem").chmod(0o600)
    files = ("open.pem", "none.pem", "missing.pem")
    keys = [{"domain": "example.com", "selector": f"s{n}", "key_file": file} for n, file in enumerate(files)]
    with pytest.raises(ConfigError) as caught:
        embedded_config(tmp_path, {"dkim": {"key": keys}})
    assert [(problem.key, problem.message) for problem in caught.value.problems] == [
        ("dkim.key[0].key_file", "others than its owner may use this secret (mode 0640)"),
        ("dkim.key[1].key_file", "there is no private key in it"),
        ("dkim.key[2].key_file", "there is no such file"),
    ]
