"""Keys for the tests, made once a run, and the records that publish them."""

import functools

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from gateway.dkim.key import SigningKey, load_key


@functools.cache
def rsa_pem(bits: int = 2048, kind: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes = b"") -> bytes:
    """An RSA key file."""
    lock: KeySerializationEncryption = NoEncryption()
    if passphrase:
        lock = BestAvailableEncryption(passphrase)
    key: RSAPrivateKey = generate_rsa(65537, bits)
    return key.private_bytes(Encoding.PEM, kind, lock)


@functools.cache
def ed25519_pem() -> bytes:
    """An Ed25519 key file."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@functools.cache
def ec_pem() -> bytes:
    """A key file of a kind that DKIM doesn't know."""
    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def rsa_key(domain: str = "example.co.jp", selector: str = "r1") -> SigningKey:
    """An RSA key of this domain."""
    return load_key(rsa_pem(), domain=domain, selector=selector)


def ed25519_key(domain: str = "example.co.jp", selector: str = "e1") -> SigningKey:
    """An Ed25519 key of this domain."""
    return load_key(ed25519_pem(), domain=domain, selector=selector)


def records(*keys: SigningKey) -> dict[str, str]:
    """What the DNS says of these keys."""
    return {key.record_name: key.record for key in keys}
