"""TLS on listeners: which versions and ciphers, whom we ask for a certificate, and who that is.

Modern defaults (RFC 8996, RFC 9325): TLS 1.2 and 1.3, only ciphers with forward secrecy, no renegotiation, no
compression. No session is resumed: a certificate, and whom its owner may be, is judged on each connection,
and there is no ticket key that could be stolen. A mail server keeps its connection for many mails, so the
handshakes saved would be few.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from gateway.config.certificates import CertificateName, load_key_pair

Ask = Literal["none", "optional", "required"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What a listener's TLS is made of.

    Attributes:
        authorities: who vouches for the senders' certificates; None for those that the system trusts.
        ask: whether senders are asked for a certificate. One that is given has to be valid, always.
    """

    certificate: Path
    key: Path | None = None
    authorities: Path | None = None
    ask: Ask = "none"

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them, to be watched."""
        return tuple(path for path in (self.certificate, self.key, self.authorities) if path is not None)

    def context(self) -> ssl.SSLContext:
        """A context for the side that listens, from the files as they are now.

        Raises:
            OSError, ValueError: they can't be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
        context.num_tickets = 0
        load_key_pair(context, self.certificate, self.key)
        if self.ask != "none":
            context.verify_mode = ssl.CERT_OPTIONAL if self.ask == "optional" else ssl.CERT_REQUIRED
            # A certificate may be trusted itself, without the one that signed it: fingerprints need no
            # authority.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            if self.authorities is None:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
            else:
                context.load_verify_locations(cafile=str(self.authorities))
        return context


def holder_test(names: Sequence[CertificateName]) -> Callable[[bytes], str]:
    """Who holds a certificate (DER): the name in `names` that it fits, or its subject where all are welcome.

    Empty for one that is not welcome. It is a valid one: the handshake saw to that.
    """

    def holder(der: bytes) -> str:
        try:
            certificate = x509.load_der_x509_certificate(der)
            subject = certificate.subject.rfc4514_string()
            if not names:
                return f"subject:{subject}" if subject else f"sha256:{_fingerprint(certificate)}"
            return next((str(name) for name in names if _fits(name, certificate, subject)), "")
        except (ValueError, TypeError, x509.DuplicateExtension):
            # OpenSSL took it, and the stricter parser did not: then nobody knows whose it is.
            return ""

    return holder


def _fits(name: CertificateName, certificate: x509.Certificate, subject: str) -> bool:
    match name.kind:
        case "sha256":
            return _fingerprint(certificate) == name.value
        case "subject":
            common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            shown = {subject.lower(), *(str(attribute.value).lower() for attribute in common)}
            return name.value in shown
        case "san":
            below = name.value[1:] if name.value.startswith("*.") else None
            # A wildcard stands for hosts: an address of somebody's mail below that domain is none.
            return any(
                shown == name.value or (below is not None and is_host and shown.endswith(below))
                for shown, is_host in _alternative_names(certificate)
            )


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def _alternative_names(certificate: x509.Certificate) -> list[tuple[str, bool]]:
    """Each, and whether it is a host's."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    kinds = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier, x509.RFC822Name)
    return [
        (str(name.value).lower(), isinstance(name, x509.DNSName))
        for name in extension.value
        if isinstance(name, kinds)
    ]
