from typing import Any, cast

import pytest

from gateway.smtp.address import parse_path
from gateway.transaction.policy import LinkForm, Policy, Secrets

LINK = LinkForm(
    url="https://example.com/r/{token}?via=mail",
    opt_out="https://example.com/o/{token}",
    company="例社",
    partner="P",
)


def test_links_carry_the_token() -> None:
    """Both addresses of the footer, and what every link of ours starts with."""
    values = LINK.values("abc")
    assert (values.link, values.opt_out, values.company, values.partner) == (
        "https://example.com/r/abc?via=mail",
        "https://example.com/o/abc",
        "例社",
        "P",
    )
    assert LINK.prefix == "https://example.com/r/"


def test_secrets_are_not_shown() -> None:
    """A log line that shows the keys shows nothing."""
    assert repr(Secrets(mark=b"1", mail=b"2", person=b"3", own_id=b"4")) == "Secrets()"


@pytest.mark.parametrize(
    ("address", "candidate"),
    [
        (b"<taro@x.test>", True),
        (b"<hr@example.co.jp>", False),
        (b"<a@agency.example>", False),
        (b"<postmaster>", False),
    ],
)
def test_candidates(address: bytes, candidate: bool) -> None:  # noqa: FBT001 - a column of the table
    """Outside the company, on no exclude list, and with a domain (SMTP.md rule 12)."""
    policy = Policy(
        hostname="gw.example.co.jp",
        mode="inject",
        ruleset=cast("Any", None),
        footers={},
        link=LINK,
        secrets=Secrets(mark=b"", mail=b"", person=b"", own_id=b""),
        is_own=lambda text: text.endswith("@example.co.jp"),
        is_excluded=lambda text: text.endswith("@agency.example"),
    )
    path, _ = parse_path(b"TO:" + address, b"TO", null_allowed=False)
    assert policy.is_candidate(path) is candidate
