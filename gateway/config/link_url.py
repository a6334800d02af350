"""The two addresses in a footer, with the place of the token in them.

What stands here ends up in mail and in HTML, and people click it. So only characters that need no
escaping anywhere (RFC 3986 §2) are taken, and nothing that hides where a link leads.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Strict

from gateway.config.fault import Fault
from gateway.config.names import parse_address, parse_domain

TOKEN = "{token}"  # noqa: S105 - the place of a token, none itself

_PUBLIC_LINK = f"/r/{TOKEN}"
# RFC 3986 §2.2, §2.3 without the quote ('), parentheses and brackets, which mail programs cut links at.
_URL = re.compile(r"[A-Za-z0-9._~:/?#@!$&*+,;=%-]+", re.ASCII)
# With its token, and twice (target and text in HTML), it fits into a line of 998 octets (RFC 5322 §2.1.1).
_MAX_URL = 400


def _split(text: str, *, least: int) -> str:
    """`text` with a sample token in it. Raises Fault unless it is plain and holds the token as it must."""
    count = text.count(TOKEN)
    if not least <= count <= 1:
        often = "exactly once" if least else "at most once"
        raise Fault(
            f"{{token}} stands in it {count} times",
            f"write {{token}} {often}, where the recipient's token goes",
        )
    sample = text.replace(TOKEN, "0" * 26)
    if not _URL.fullmatch(sample) or len(sample) > _MAX_URL:
        raise Fault(
            "it holds characters that no link may have, or is too long",
            f"use at most {_MAX_URL} letters, digits and ._~:/?#@!$&*+,;=%- (write others as %XX)",
        )
    return sample


def _check_https(text: str, sample: str) -> str:
    try:
        parts = urlsplit(sample)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Fault(f"{text!r} is no URL: {error}", 'write "https://careerrelay.example/r/{token}"') from None
    if parts.scheme != "https" or not text.startswith("https://"):
        raise Fault(
            f"{text!r} does not begin with https://", "use https: people and mail scanners distrust the rest"
        )
    if parts.username is not None or port == 0:
        raise Fault(
            f"{text!r} hides which host it leads to", "write no user or password in front of the host"
        )
    if TOKEN in text.partition("://")[2].partition("/")[0]:
        raise Fault("{token} stands in the host name", "put it into the path")
    parse_domain(host)
    return text


def parse_link(text: str) -> str:
    """The URL of the link.

    Raises:
        Fault: it is not https, or `{token}` is not in its path or query exactly once.
    """
    return _check_https(text, _split(text, least=1))


def parse_opt_out(text: str) -> str:
    """The address for "no more of these": https, or mailto (RFC 6068).

    Raises:
        Fault: it is neither, or `{token}` is in it more than once.
    """
    sample = _split(text, least=0)
    if not text.startswith("mailto:"):
        return _check_https(text, sample)
    parse_address(sample.removeprefix("mailto:").partition("?")[0])
    return text


def parse_push(text: str) -> str:
    """Where a partner takes webhooks: https, or http on this machine.

    Raises:
        Fault: it is neither.
    """
    sample = _split(text, least=0)
    if TOKEN in text:
        raise Fault("{token} stands in it", "take it out: tokens are in what is sent there")
    local = re.match(r"http://(127\.0\.0\.1|\[::1\]|localhost)[:/]", text)
    return text if local else _check_https(text, sample)


def own_opt_out(url: str) -> str | None:
    """The opt-out page beside a link of the gateway's own web server; None where `url` is none of those."""
    return f"{url.removesuffix(_PUBLIC_LINK)}/o/{TOKEN}" if url.endswith(_PUBLIC_LINK) else None


def with_token(url: str, token: str) -> str:
    """`url` with the token in its place."""
    return url.replace(TOKEN, token)


LinkUrl = Annotated[str, Strict(), AfterValidator(parse_link)]
OptOutUrl = Annotated[str, Strict(), AfterValidator(parse_opt_out)]
PushUrl = Annotated[str, Strict(), AfterValidator(parse_push)]
