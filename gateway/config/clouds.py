"""Clouds that many companies send from: what they all have in common tells nobody apart (SMTP.md rule 28).

The address ranges are those that Microsoft documents for Exchange Online (outbound), and Google publishes in
the SPF records of ``_spf.google.com``. A range that is missing here makes a config less guarded, never wrong;
`networks` has to name it first in any case.
"""

import ipaddress
from types import MappingProxyType

from gateway.config.certificates import CertificateName
from gateway.config.network import Network

_RANGES = MappingProxyType(
    {
        "Microsoft 365": (
            "40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "52.238.78.88/32", "104.47.0.0/17",
            "2a01:111:f400::/48", "2a01:111:f403::/48",
        ),
        "Google": (
            "35.190.247.0/24", "35.191.0.0/16", "64.233.160.0/19", "66.102.0.0/20", "66.249.80.0/20",
            "72.14.192.0/18", "74.125.0.0/16", "108.177.8.0/21", "108.177.96.0/19", "130.211.0.0/22",
            "142.250.0.0/15", "172.217.0.0/16", "172.253.0.0/16", "173.194.0.0/16", "209.85.128.0/17",
            "216.58.192.0/19", "216.239.32.0/19", "2001:4860:4000::/36", "2404:6800:4000::/36",
            "2607:f8b0:4000::/36", "2800:3f0:4000::/36", "2a00:1450:4000::/36", "2c0f:fb50:4000::/36",
        ),
    }
)  # fmt: skip
_NETWORKS = tuple((cloud, ipaddress.ip_network(text)) for cloud, texts in _RANGES.items() for text in texts)
_NAMES = MappingProxyType(
    {
        "outlook.com": "Microsoft 365",
        "office365.com": "Microsoft 365",
        "google.com": "Google",
        "gmail.com": "Google",
    }
)


def cloud_of_network(network: Network) -> str:
    """The cloud that a network has addresses of; empty for none."""
    for cloud, known in _NETWORKS:
        if network.version == known.version and network.overlaps(known):
            return cloud
    return ""


def cloud_of_certificate(name: CertificateName) -> str:
    """The cloud whose certificate bears this name; empty for none."""
    if name.kind == "sha256":
        return ""
    shown = name.value.rpartition("=")[2]
    return next(
        (cloud for domain, cloud in _NAMES.items() if shown == domain or shown.endswith("." + domain)), ""
    )
