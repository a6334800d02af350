"""Certificates that a config names: by file, and by what stands in them."""

import re
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config.fault import Fault
from gateway.config.textfile import read_bytes
from gateway.errors import ConfigError, Problem

_MAX_PEM = 4 << 20
_KINDS: dict[str, Literal["san", "subject", "sha256"]] = {
    "san": "san",
    "subject": "subject",
    "sha256": "sha256",
}
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CertificateName:
    """What a certificate has to show: a name in it, its subject, or its fingerprint.

    Attributes:
        kind: ``san`` (a name, address or URI in subjectAltName), ``subject`` (its common name, or the whole
            subject as RFC 4514 writes it), ``sha256`` (of the whole certificate, DER).
        value: in lower case; 64 hexadecimal digits for ``sha256``.
    """

    kind: Literal["san", "subject", "sha256"]
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


def parse_certificate_name(text: str) -> CertificateName:
    """``san:mail.example.com``, ``subject:CN=mail,O=Example`` or ``sha256:AB:CD:...``.

    Raises:
        Fault: it is none of them.
    """
    word, colon, value = text.partition(":")
    kind, value = _KINDS.get(word.strip().lower()), value.strip().lower()
    if not colon or kind is None or not value or not value.isprintable():
        raise Fault(
            f"{text!r} names no certificate",
            'write "san:mail.example.com", "subject:mail.example.com" or "sha256:" and the fingerprint',
        )
    return CertificateName(kind, parse_fingerprint(text) if kind == "sha256" else value)


def parse_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint, with or without ``sha256:`` and colons, as 64 hexadecimal digits.

    Raises:
        Fault: it is none.
    """
    digits = text.strip().lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if not _HEX.fullmatch(digits):
        raise Fault(
            f"{text!r} is no SHA-256 fingerprint",
            "take it from: openssl x509 -noout -fingerprint -sha256 -in FILE",
        )
    return digits


def check_certificates(path: Path, key: str) -> None:
    """Whether there are certificates in this file.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    if b"-----BEGIN CERTIFICATE-----" not in read_bytes(path, limit=_MAX_PEM, key=key):
        raise ConfigError([_problem(path, key, "there is no certificate in it", _PEM)])
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=str(path))
    except ssl.SSLError as error:
        raise ConfigError([_problem(path, key, f"its certificates can't be read ({error})", _PEM)]) from None


_PEM = "name a PEM file (-----BEGIN CERTIFICATE-----)"


def check_key_pair(certificate: Path, key_file: Path | None, *, section: str) -> None:
    """Whether a certificate and its key are there, fit, and can be used without a person.

    Raises:
        ConfigError: with what is wrong.
    """
    place = f"{section}.certificate_file"
    read_bytes(certificate, limit=_MAX_PEM, key=place)
    secret, secret_place = certificate, place
    if key_file is not None:
        secret, secret_place = key_file, f"{section}.certificate_key_file"
        read_bytes(key_file, limit=_MAX_PEM, key=secret_place)
    mode = stat.S_IMODE(secret.stat().st_mode)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        # its group may read it: many systems keep such keys for a group (ssl-cert)
        message = f"strangers may use this secret key (mode {mode:04o})"
        raise ConfigError([_problem(secret, secret_place, message, f"chmod 640 {secret}")])
    try:
        load_key_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key_file)
    except (ssl.SSLError, OSError, ValueError) as error:
        message = f"certificate and key can't be used together ({error})"
        remedy = "name PEM files of one pair, the key without a pass phrase, the server's certificate first"
        raise ConfigError([_problem(certificate, place, message, remedy)]) from None


def load_key_pair(context: ssl.SSLContext, certificate: Path, key_file: Path | None) -> None:
    """Load certificate and key into a context. A key with a pass phrase is an error, never a question.

    Raises:
        OSError: (`ssl.SSLError` among them) they can't be loaded.
        ValueError: the key has a pass phrase.
    """

    def no_pass_phrase() -> str:
        raise ValueError("the key has a pass phrase")

    context.load_cert_chain(str(certificate), None if key_file is None else str(key_file), no_pass_phrase)


def _problem(path: Path, key: str, message: str, remedy: str) -> Problem:
    return Problem(file=str(path), key=key, message=message, remedy=remedy)
