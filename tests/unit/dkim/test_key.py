import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from gateway.dkim.key import _MAX_BITS, _MIN_BITS, Algorithm, Keyring, KeyUnusable, load_key
from tests.unit.dkim.keys import ec_pem, ed25519_key, ed25519_pem, rsa_key, rsa_pem


@pytest.mark.parametrize(
    ("pem", "algorithm"),
    [
        (rsa_pem(), "rsa-sha256"),
        (rsa_pem(kind=PrivateFormat.TraditionalOpenSSL), "rsa-sha256"),
        (rsa_pem(1024), "rsa-sha256"),
        (ed25519_pem(), "ed25519-sha256"),
    ],
)
def test_algorithm_is_that_of_the_key(pem: bytes, algorithm: Algorithm) -> None:
    """Whether or not the config says which; PKCS #8 and PKCS #1 alike."""
    assert load_key(pem, domain="example.com", selector="s").algorithm == algorithm
    assert load_key(pem, domain="example.com", selector="s", algorithm=algorithm).algorithm == algorithm


@pytest.mark.parametrize(
    ("pem", "algorithm", "message"),
    [
        (b"", None, "there is no private key in it, or it is damaged"),
        (rsa_pem()[:900], None, "there is no private key in it, or it is damaged"),
        (rsa_pem(passphrase=b"secret"), None, "the key is locked with a passphrase"),
        (ec_pem(), None, "DKIM knows no keys of this kind"),
        (rsa_pem(), "ed25519-sha256", 'this is a key for "rsa-sha256"'),
        (ed25519_pem(), "rsa-sha256", 'this is a key for "ed25519-sha256"'),
    ],
)
def test_unusable(pem: bytes, algorithm: Algorithm | None, message: str) -> None:
    """What cannot sign is told at the start, with what to do; never at the first mail."""
    with pytest.raises(KeyUnusable) as caught:
        load_key(pem, domain="example.com", selector="s", algorithm=algorithm)
    assert caught.value.message == message
    assert caught.value.remedy


@pytest.mark.parametrize(("name", "limit"), [("_MAX_BITS", 2047), ("_MIN_BITS", 2049)])
def test_size_that_receivers_refuse(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8301 §3.2: an RSA key has 1024 to 4096 bits (bounds are moved: large keys take seconds)."""
    assert (_MIN_BITS, _MAX_BITS) == (1024, 4096)
    monkeypatch.setattr(f"gateway.dkim.key.{name}", limit)
    with pytest.raises(KeyUnusable, match="2048 bits"):
        load_key(rsa_pem(), domain="example.com", selector="s")


def test_key_is_not_shown() -> None:
    """A log line that shows a key tells whose it is, and nothing more."""
    assert repr(rsa_key()) == "SigningKey(domain='example.co.jp', selector='r1')"


def test_keyring() -> None:
    """Keys by domain, in their order; the nearest domain above, and never one beside or below."""
    ring = Keyring.of([rsa_key(), ed25519_key(), rsa_key("jobs.example.com")])
    assert [key.selector for key in ring.by_domain["example.co.jp"]] == ["r1", "e1"]
    assert ring.holds("example.co.jp")
    assert not ring.holds("hr.example.co.jp")
    assert [ring.nearest(d) for d in ("example.co.jp", "a.b.example.co.jp", "badexample.co.jp", "co.jp")] == [
        "example.co.jp",
        "example.co.jp",
        None,
        None,
    ]
    assert ring.nearest("example.com") is None
