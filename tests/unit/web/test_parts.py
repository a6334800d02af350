"""The small parts: who asks, how often, in which language, and whether a person does."""

import base64
import ipaddress
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.language import LANGUAGES, pick_language
from gateway.web.limit import RateLimit
from gateway.web.pages import CONTENT_POLICY, Page, make_pages
from gateway.web.peers import network_of, peer_of, place_of
from gateway.web.signature import read_claim, signed_headers, signer_of
from gateway.web.visitors import Crowds, Label, label_of
from tests.fakes.web import BROWSER, NOW, signature

PROXIES = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/24")]


@pytest.mark.parametrize(
    ("connected", "forwarded", "peer"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:127.0.0.1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_whom_a_request_is_from(connected: str, forwarded: str, peer: str) -> None:
    """A proxy's word counts, a stranger's doesn't: nobody chooses whom he is taken for."""
    assert peer_of(connected, forwarded, PROXIES) == peer


def test_networks_and_places() -> None:
    """An IPv6 household is one; a place can't be followed from one day to the next."""
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("nonsense") == ""
    assert place_of(b"k", "192.0.2.1/32", 1) == place_of(b"k", "192.0.2.1/32", 1)
    assert len({place_of(key, "n", day) for key in (b"k", b"l") for day in (1, 2)}) == 4


def test_a_bucket_fills_again() -> None:
    """A minute's worth at once, then the rate; 0 is no bound."""
    limit = RateLimit(60)
    assert [limit.admits("a", 0.0) for _ in range(61)] == [True] * 60 + [False]
    assert not limit.admits("a", 0.5)
    assert limit.admits("a", 1.6)
    assert limit.admits("b", 0.0)
    limit.per_minute = 0
    assert all(limit.admits("a", 0.0) for _ in range(1_000))


def test_the_memory_of_buckets_is_bounded() -> None:
    """A flood from everywhere takes no more room than was planned."""
    limit = RateLimit(10, entries=100)
    for number in range(1_000):
        limit.admits(str(number), 0.0)
    assert len(limit) == 100


@pytest.mark.parametrize(
    ("field", "language"),
    [
        ("ja", "ja"),
        ("ja-JP", "ja"),
        ("en-US,en;q=0.9", "en"),
        ("en;q=0.3, ja;q=0.7", "ja"),
        ("de, en;q=0.1", "en"),
        ("de", "en"),
        ("ja;q=0", "en"),
        ("", "ja"),
        ("*", "ja"),
    ],
)
def test_languages(field: str, language: str) -> None:
    """What the browser asks for, as far as we speak it."""
    assert pick_language(field) == language


@given(st.text(max_size=600))
def test_any_language_field(field: str) -> None:
    """Anything is accepted."""
    assert pick_language(field) in LANGUAGES


@pytest.mark.parametrize(
    ("method", "headers", "since", "label"),
    [
        ("GET", {"user-agent": BROWSER}, 60_000_000, Label.HUMAN),
        ("HEAD", {"user-agent": BROWSER}, 60_000_000, Label.HEAD),
        ("GET", {"user-agent": BROWSER, "purpose": "prefetch"}, 60_000_000, Label.PREFETCH),
        ("GET", {"user-agent": BROWSER, "x-moz": "Prefetch"}, 60_000_000, Label.PREFETCH),
        ("GET", {"user-agent": BROWSER, "x-purpose": "preview"}, 60_000_000, Label.PREFETCH),
        ("GET", {}, 60_000_000, Label.SCANNER),
        ("GET", {"user-agent": "Slackbot-LinkExpanding 1.0"}, 60_000_000, Label.SCANNER),
        ("GET", {"user-agent": "python-requests/2.34"}, 60_000_000, Label.SCANNER),
        ("GET", {"user-agent": BROWSER}, 9_000_000, Label.EARLY),
        ("GET", {"user-agent": BROWSER}, -5, Label.EARLY),
    ],
)
def test_who_it_probably_was(method: str, headers: dict[str, str], since: int, label: Label) -> None:
    """Checkers say it, or come too soon."""
    assert label_of(method, headers, since) is label


def test_crowds_are_forgotten() -> None:
    """Four links are no crowd, nor are five that lie an hour apart; memory is bounded."""
    crowds = Crowds(places=10)
    assert not any(crowds.add(b"p", bytes([number]), 0.0)[0] for number in range(4))
    assert [crowds.add(b"p", token, 1.0) for token in (b"5", b"6")] == [(True, True), (True, False)]
    assert not any(crowds.add(b"q", bytes([number]), number * 3_600.0)[0] for number in range(20))
    assert crowds.add(b"p", b"7", 9_000.0) == (False, False)
    for number in range(100):
        crowds.add(bytes([number]), b"t", 0.0)
    assert len(crowds._seen) == 10


def test_pages_need_nothing_from_anywhere() -> None:
    """Every page in both languages; names are escaped; no script, nothing from elsewhere."""
    pages = make_pages("<b>&株式会社")
    assert len(pages) == len(Page) * len(LANGUAGES)
    for (page, language), content in pages.items():
        text = content.decode("utf-8")
        assert f'<html lang="{language}">' in text
        assert "&lt;b&gt;&amp;株式会社" in text
        assert ("<form" in text) is (page is Page.OPT_OUT)
        for word in ("<script", "http:", "https:", "src=", "@import", "url("):
            assert word not in text
    assert len(set(pages.values())) == len(pages)
    assert "'unsafe-inline'" not in CONTENT_POLICY


def test_our_signature_is_the_standard_s() -> None:
    """What we sign, others can check, and the other way round."""
    ours = signed_headers(b"s" * 32, "msg-1", int(NOW), b"{}")
    assert ours == signature(b"{}")
    assert signer_of(read_claim(ours, NOW), b"{}", {"a": [b"x" * 32], "b": [b"y" * 32, b"s" * 32]}) == "b"


def test_the_known_vector() -> None:
    """The example of the Standard Webhooks specification's libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_scanner_words_are_in_order() -> None:
    """The data file has lower-case words, each once, so that it stays easy to edit."""
    lines = (resources.files("gateway.web") / "scanners.txt").read_text("utf-8").splitlines()
    words = [line for line in lines if line and not line.startswith("#")]
    assert [word for word in words if word != word.lower().strip()] == []
    assert len(set(words)) == len(words)
    assert not [pair for pair in pairwise(sorted(words)) if pair[0] == pair[1]]
