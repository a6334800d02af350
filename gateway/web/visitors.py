"""Who follows a link: a reader, or a program that looks at links in mail. Labels only; credit never asks.

Mail checkers fetch every link, several times, and call themselves whatever they like. So beside what they say
(method, prefetch fields, name) it counts when they come, and how many links one place follows.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum
from importlib import resources

#: Nobody reads a mail and follows its link within this.
EARLY_MICROSECONDS = 10 * 1_000_000
#: So many links from one place in so many seconds are no single reader's.
CROWD_TOKENS, CROWD_SECONDS = 5, 600.0
_MAX_AGENT = 512
#: What browsers and checkers say when nobody has asked for the page yet.
_PREFETCH = ("purpose", "sec-purpose", "x-purpose", "x-moz")


class Label(Enum):
    """Who a click was probably by, as `clicks.label` has it."""

    HUMAN = "human"
    HEAD = "head"
    PREFETCH = "prefetch"
    SCANNER = "scanner"
    EARLY = "early"
    CROWD = "crowd"
    OPT_OUT = "opt-out"


def _known_agents() -> re.Pattern[str]:
    lines = (resources.files("gateway.web") / "scanners.txt").read_text("utf-8").splitlines()
    words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return re.compile("|".join(map(re.escape, words)))


_AGENTS = _known_agents()


def label_of(method: str, headers: Mapping[str, str], since_send: int) -> Label:
    """The label of one request by itself.

    Args:
        method: of HTTP.
        headers: by lower-case name.
        since_send: microseconds since the mail was sent; below nought while it isn't known to be.
    """
    if method == "HEAD":
        return Label.HEAD
    if any("prefetch" in value or "preview" in value for value in _values(headers)):
        return Label.PREFETCH
    agent = headers.get("user-agent", "")[:_MAX_AGENT].lower()
    if not agent or _AGENTS.search(agent):
        return Label.SCANNER
    if since_send < EARLY_MICROSECONDS:
        return Label.EARLY
    return Label.HUMAN


def _values(headers: Mapping[str, str]) -> list[str]:
    return [headers.get(name, "").lower() for name in _PREFETCH]


class Crowds:
    """Which places follow many links. Bounded: the place that was quiet longest is forgotten."""

    def __init__(self, *, places: int = 10_000) -> None:
        self._places = places
        self._seen: OrderedDict[bytes, dict[bytes, float]] = OrderedDict()
        self._crowded: set[bytes] = set()

    def add(self, place: bytes, token: bytes, now: float) -> tuple[bool, bool]:
        """Note a visit `now` (seconds, monotonic).

        Gives whether that place is a crowd, and whether it has become one by this.
        """
        tokens = self._seen.pop(place, {})
        tokens.pop(token, None)
        tokens[token] = now
        while len(tokens) > CROWD_TOKENS:
            del tokens[next(iter(tokens))]
        self._seen[place] = tokens
        if len(self._seen) > self._places:
            self._crowded.discard(self._seen.popitem(last=False)[0])
        crowd = sum(now - moment < CROWD_SECONDS for moment in tokens.values()) >= CROWD_TOKENS
        fresh = crowd and place not in self._crowded
        if crowd:
            self._crowded.add(place)
        else:
            self._crowded.discard(place)
        return crowd, fresh
