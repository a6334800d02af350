"""Who asks, as far as bounds and labels need to know. An address is never written anywhere."""

import hmac
import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from gateway.config.network import Address, Network

#: What one household or company has: nobody is told apart below this.
_IPV4_PREFIX, _IPV6_PREFIX = 32, 64
_PLACE_OCTETS = 8
#: Entries of X-Forwarded-For that are looked at.
_MAX_HOPS = 16


def peer_of(connected: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The address that a request is from.

    Args:
        connected: the address at the other end of the connection.
        forwarded: the X-Forwarded-For field; believed from the right, as far as `proxies` wrote it.
        proxies: whose word counts.
    """
    current = _address(connected)
    if current is None or not _within(current, proxies):
        return connected
    hops = [part.strip() for part in forwarded.split(",")][-_MAX_HOPS:] if forwarded else []
    for hop in reversed(hops):
        found = _address(hop)
        if found is None:
            break
        current = found
        if not _within(found, proxies):
            break
    return str(current)


@lru_cache(maxsize=4_096)
def network_of(peer: str) -> str:
    """The network by which requests are counted: the address itself in IPv4, its /64 in IPv6."""
    address = _address(peer)
    if address is None:
        return ""
    prefix = _IPV4_PREFIX if address.version == 4 else _IPV6_PREFIX
    return str(ipaddress.ip_network((address, prefix), strict=False))


def place_of(key: bytes, network: str, day: int) -> bytes:
    """What stands for a network in the ledger: keyed, short, and another one each day.

    Enough to see that many links were followed from one place; too little to follow anybody.
    """
    return hmac.digest(key, f"{day}\0{network}".encode(), "sha256")[:_PLACE_OCTETS]


@lru_cache(maxsize=4_096)
def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
