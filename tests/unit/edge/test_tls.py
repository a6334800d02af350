"""Whose certificate it is."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config.certificates import parse_certificate_name
from gateway.edge.tls import holder_test
from tests.peers.certificate import make_certificate


@pytest.mark.parametrize(
    ("wanted", "shown", "fits"),
    [
        ("san:mail.example.co.jp", "mail.example.co.jp", True),
        ("san:mail.example.co.jp", "MAIL.example.co.jp", True),
        ("san:mail.example.co.jp", "mail.example.co.jp.example.net", False),
        ("san:*.example.co.jp", "mail.example.co.jp", True),
        ("san:*.example.co.jp", "example.co.jp", False),
        ("san:*.example.co.jp", "evilexample.co.jp", False),
        # CWE-295: names of other kinds that end alike are nobody's host
        ("san:*.example.co.jp", "somebody@mail.example.co.jp", False),
        ("san:*.example.co.jp", "https://example.net/.example.co.jp", False),
        ("san:somebody@mail.example.co.jp", "somebody@mail.example.co.jp", True),
    ],
)
def test_alternative_names(tmp_path: Path, wanted: str, shown: str, *, fits: bool) -> None:
    """A name in whole or a wildcard for hosts, in any case of letters."""
    made = make_certificate(tmp_path, shown)
    der = x509.load_pem_x509_certificate(made.certificate.read_bytes()).public_bytes(Encoding.DER)
    assert holder_test([parse_certificate_name(wanted)])(der) == (wanted if fits else "")
