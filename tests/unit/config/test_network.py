import pytest

from gateway.config.fault import Fault
from gateway.config.network import HostPort, admits, parse_host_port, parse_listen_address, parse_network


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("relay.Example.jp:587", HostPort("relay.example.jp", 587), "relay.example.jp:587"),
        ("192.0.2.1:25", HostPort("192.0.2.1", 25), "192.0.2.1:25"),
        ("[2001:DB8::1]:465", HostPort("2001:db8::1", 465), "[2001:db8::1]:465"),
        ("localhost:1", HostPort("localhost", 1), "localhost:1"),
    ],
)
def test_host_port(text: str, expected: HostPort, shown: str) -> None:
    """Names and addresses with a port; IPv6 in brackets, going in and out."""
    assert parse_host_port(text) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    "text",
    ["", "host", ":25", "host:", "host:0", "host:65536", "host:x", "host:²", "::1:25", "[::1]", "[::1]25",
     "[host]:25", "192.0.2.300:25", "a b:25", "http://host:25", "host:25:26", "host:-1", "host:+1"],
)  # fmt: skip
def test_no_host_port(text: str) -> None:
    """Everything else is refused, and above all nothing is guessed."""
    with pytest.raises(Fault) as caught:
        parse_host_port(text)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "2000::/3",
        "::ffff:0:0/96",
        "::ffff:0.0.0.0/97",
        "2.0.0.0/7",
    ],
)
def test_open_relay_is_refused(text: str) -> None:
    """Promise 7: no way to write "everybody" is taken."""
    with pytest.raises(Fault, match="open relay"):
        parse_network(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.0/8", "127.0.0.0/8"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("fc00::/7", "fc00::/7"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_network(text: str, expected: str) -> None:
    """Networks, single addresses, and IPv4 written as IPv6, which means the IPv4 network."""
    assert str(parse_network(text)) == expected


def test_host_bits_are_not_guessed() -> None:
    """An address with a prefix could mean the network or the one host: the remedy names both."""
    with pytest.raises(Fault) as caught:
        parse_network("10.1.2.3/8")
    assert caught.value.remedy == 'write "10.0.0.0/8" for the network, or "10.1.2.3" for the one address'


@pytest.mark.parametrize("text", ["", "all", "10.0.0.0/33", "10.0.0", "*", "10.0.0.0/255.0.0.1"])
def test_no_network(text: str) -> None:
    """What is no network is refused."""
    with pytest.raises(Fault):
        parse_network(text)


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("128.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db8::1%eth0", True),
        ("2001:db9::1", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_admits(peer: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """A peer is in when its address is; IPv4 inside IPv6 (a dual-stack listener) is IPv4."""
    assert admits((parse_network("127.0.0.0/8"), parse_network("2001:db8::/32")), peer) is expected


def test_nobody_is_admitted_by_default() -> None:
    """No networks, no peers."""
    assert not admits((), "127.0.0.1")


def test_listen_address() -> None:
    """Addresses only, with or without brackets."""
    assert parse_listen_address("[::1]") == "::1"
    for text in ("localhost", "", "127.0.0.1:25", "[::1"):
        with pytest.raises(Fault):
            parse_listen_address(text)
