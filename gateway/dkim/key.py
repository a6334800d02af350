"""Signing keys: a private key with the domain and selector that its public half is published under.

RSA-SHA256 (RFC 6376 §3.3.1) and Ed25519-SHA256 (RFC 8463 §3). A key is parsed once; the mathematics is
`cryptography`'s, since in pure Python an RSA signature takes ten times as long.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.errors import GatewayError

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

# RFC 8301 §3.2: signers use at least 1024 bits (and should 2048); verifiers need not take more than 4096.
_MIN_BITS, _MAX_BITS = 1024, 4096
_PREHASHED = Prehashed(SHA256())


class KeyUnusable(GatewayError):
    """A key file that cannot sign; `message` says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key in use. Domain and selector are lower-case ASCII; the key is never shown."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> Algorithm:
        """The value of the tag ``a=``."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """The signature of the canonical header `data`, not yet in base64."""
        digest = hashlib.sha256(data).digest()
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, PKCS1v15(), _PREHASHED)
        return self.private.sign(digest)  # RFC 8463 §3: the hash itself is the message

    @property
    def record_name(self) -> str:
        """Where receivers look for the public key (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The text to publish there (RFC 6376 §3.6.1, RFC 8463 §4)."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"


def load_key(pem: bytes, *, domain: str, selector: str, algorithm: Algorithm | None = None) -> SigningKey:
    """The key in a PEM file (PKCS #8, or PKCS #1 for RSA).

    `domain` and `selector` are lower-case ASCII; `algorithm` is what the key is expected to be, if anything.

    Raises:
        KeyUnusable: it is none, asks for a passphrase, is of another kind, or too short or long.
    """
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError:  # how `cryptography` says that a passphrase is wanted
        raise KeyUnusable(
            "the key is locked with a passphrase", "write it without: openssl pkey -in FILE -out NEW"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable(
            "there is no private key in it, or it is damaged", "name a PEM file (-----BEGIN PRIVATE KEY-----)"
        ) from None
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise KeyUnusable(
            "DKIM knows no keys of this kind", "make an RSA key of 2048 bits, or an Ed25519 key"
        )
    if isinstance(private, RSAPrivateKey) and not _MIN_BITS <= private.key_size <= _MAX_BITS:
        raise KeyUnusable(
            f"an RSA key of {private.key_size} bits is not accepted by receivers", "make one of 2048 bits"
        )
    key = SigningKey(domain=domain, selector=selector, private=private)
    if algorithm is not None and key.algorithm != algorithm:
        raise KeyUnusable(
            f'this is a key for "{key.algorithm}"', f'write algorithm = "{key.algorithm}", or leave it out'
        )
    return key


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys of an installation, by domain. A domain with several keys signs with each of them."""

    by_domain: Mapping[str, tuple[SigningKey, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, keys: Iterable[SigningKey]) -> "Keyring":
        """The keyring with these keys, in their order."""
        by_domain: dict[str, tuple[SigningKey, ...]] = {}
        for key in keys:
            by_domain[key.domain] = (*by_domain.get(key.domain, ()), key)
        return cls(MappingProxyType(by_domain))

    def holds(self, domain: str) -> bool:
        """Whether there is a key for exactly this domain."""
        return domain in self.by_domain

    def nearest(self, domain: str) -> str | None:
        """The domain itself if there is a key for it, else the nearest one above it that has one.

        A signature of the domain above counts for DMARC too, unless strict alignment is asked for (RFC 7489
        §3.1.1).
        """
        while domain and not self.holds(domain):
            domain = domain.partition(".")[2]
        return domain or None
