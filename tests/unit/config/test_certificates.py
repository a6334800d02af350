"""Certificates as a config names them: by file, by name, by fingerprint."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.config.certificates import (
    CertificateName,
    check_certificates,
    check_key_pair,
    parse_certificate_name,
    parse_fingerprint,
)
from gateway.config.fault import Fault
from gateway.errors import ConfigError
from tests.peers.certificate import make_certificate

DIGITS = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("san:Mail.Example.Com", CertificateName("san", "mail.example.com")),
        ("san:2001:db8::1", CertificateName("san", "2001:db8::1")),
        ("SUBJECT:CN=Mail, O=Example", CertificateName("subject", "cn=mail, o=example")),
        (f"sha256:{DIGITS.upper()}", CertificateName("sha256", DIGITS)),
    ],
)
def test_names(text: str, expected: CertificateName) -> None:
    """The three kinds; case does not matter."""
    assert parse_certificate_name(text) == expected


@pytest.mark.parametrize("text", ["", "san:", "san", "mail.example.com", "issuer:x", "sha256:12", "san:a\nb"])
def test_no_names(text: str) -> None:
    """Everything else is told with a remedy."""
    with pytest.raises(Fault) as error:
        parse_certificate_name(text)
    assert error.value.remedy


@pytest.mark.parametrize(
    "text", [DIGITS, "sha256:" + DIGITS, ":".join(DIGITS[at : at + 2] for at in range(0, 64, 2)).upper()]
)
def test_fingerprints(text: str) -> None:
    """With and without colons, as OpenSSL and others print them."""
    assert parse_fingerprint(text) == DIGITS


def problem(folder: Path, key: str | None = "key.pem") -> str:
    """The problem with cert.pem and this key; empty if there is none."""
    try:
        check_key_pair(folder / "cert.pem", key and folder / key, section="listen[0]")  # type: ignore[arg-type]
    except ConfigError as error:
        return str(error)
    return ""


def test_key_pair(tmp_path: Path) -> None:
    """A pair that fits, also in one file; a key for a group is common, one for all the world is none."""
    made = make_certificate(tmp_path)
    assert problem(tmp_path) == ""
    made.key.chmod(0o640)
    assert problem(tmp_path) == ""
    made.key.chmod(0o644)
    assert "listen[0].certificate_key_file: strangers may use this secret key (mode 0644)" in problem(
        tmp_path
    )
    made.key.chmod(0o660)
    assert "chmod 640" in problem(tmp_path)
    made.certificate.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    assert "listen[0].certificate_file: strangers" in problem(tmp_path, None)
    made.certificate.chmod(0o600)
    assert problem(tmp_path, None) == ""


def test_pair_that_does_not_fit(tmp_path: Path) -> None:
    """Another's key, a key with a pass phrase (nobody is asked for it), no PEM, nothing at all."""
    made = make_certificate(tmp_path)
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    made.key.write_bytes(other.key.read_bytes())
    assert "can't be used together" in problem(tmp_path)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "pass phrase" in problem(tmp_path)
    made.key.write_text("no PEM")
    assert "can't be used together" in problem(tmp_path)
    made.key.unlink()
    assert "listen[0].certificate_key_file" in problem(tmp_path)


def test_authorities(tmp_path: Path) -> None:
    """A file of authorities that would be found out only at the first handshake is found out now."""
    made = make_certificate(tmp_path)
    check_certificates(made.certificate, "ca_file")
    for content in (b"", b"-----BEGIN CERTIFICATE-----\n", made.key.read_bytes()):
        made.certificate.write_bytes(content)
        with pytest.raises(ConfigError):
            check_certificates(made.certificate, "ca_file")
