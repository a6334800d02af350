"""Networks that may use a listener, and hosts that mail goes to.

A network that is wide enough to hold strangers makes an open relay (DESIGN.md, promise 7), whether it is
written as ``0.0.0.0/0``, as two halves, or as IPv4 addresses inside IPv6; none of them is accepted.
"""

import ipaddress
from dataclasses import dataclass

from gateway.config.fault import Fault
from gateway.config.names import parse_domain

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Nobody owns a public network wider than these: a /8 was the largest block ever given to one organisation,
# and 2000::/3, all of today's public IPv6, is given out in /12 and smaller.
_WIDEST_IPV4 = 8
_WIDEST_IPV6 = 16
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host (name or address, no brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(text: str) -> HostPort:
    """``host:port``, ``192.0.2.1:25`` or ``[2001:db8::1]:25``.

    Raises:
        Fault: it is none of them, or the port is no port.
    """
    host, colon, port = text.rpartition(":")
    if text.startswith("["):
        if not (colon and host.endswith("]")):
            raise Fault(f"{text!r} has no port", f'write "{text.partition("]")[0]}]:25"')
        host = host[1:-1]
        try:
            host = str(ipaddress.IPv6Address(host))
        except ValueError:
            raise Fault(f"{text!r} holds no IPv6 address", 'write it as "[2001:db8::1]:25"') from None
    elif ":" in host:
        raise Fault(f"{text!r} is ambiguous", 'write an IPv6 address in brackets, as "[2001:db8::1]:25"')
    elif not colon:
        raise Fault(f"{text!r} has no port", f'write "{text}:25"')
    else:
        try:
            host = str(ipaddress.IPv4Address(host))
        except ValueError:
            host = parse_domain(host)
            if host.rpartition(".")[2].isdigit():
                raise Fault(f"{text!r} holds no IPv4 address", 'write it as "192.0.2.1:25"') from None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise Fault(f"{text!r} has no valid port", "write a port from 1 to 65535 behind the colon")
    return HostPort(host, int(port))


def parse_network(text: str) -> Network:
    """A network or a single address of those who may use a listener.

    Raises:
        Fault: it is none, has bits set behind its prefix, or is wide enough to make an open relay.
    """
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            loose = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise Fault(
                f"{text!r} is no network", 'write "192.0.2.0/24", "2001:db8::/32" or a single address'
            ) from None
        raise Fault(
            f"{text!r} is an address inside a network, not a network",
            f'write "{loose}" for the network, or "{text.partition("/")[0]}" for the one address',
        ) from None
    if isinstance(network, ipaddress.IPv6Network) and (
        network.overlaps(_MAPPED) and network.prefixlen >= _MAPPED.prefixlen
    ):
        mapped = network.network_address.ipv4_mapped
        network = ipaddress.IPv4Network((int(mapped or 0), network.prefixlen - _MAPPED.prefixlen))
    widest = _WIDEST_IPV4 if network.version == 4 else _WIDEST_IPV6
    if network.prefixlen < widest and not (network.is_private and network.prefixlen > 0):
        raise Fault(
            f"{text!r} lets strangers in: that is an open relay",
            "name the networks of the mail systems that may send through the gateway",
        )
    return network


def parse_listen_address(text: str) -> str:
    """The address that a listener binds to: IPv4 or IPv6, without brackets.

    Raises:
        Fault: it is no address (host names are not looked up: what they stand for may change).
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        raise Fault(
            f"{text!r} is no IP address",
            'write an address of this machine, such as "127.0.0.1"; all of them: "0.0.0.0", or "::" for IPv6',
        ) from None


def admits(networks: tuple[Network, ...], peer: str) -> bool:
    """Whether the peer's IP address lies in one of `networks`. IPv4 inside IPv6 counts as IPv4.

    What is no address lies in none.
    """
    try:
        address: Address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks if network.version == address.version)
