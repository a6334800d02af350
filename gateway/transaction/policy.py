"""What a transaction goes by: config, rules, footers and keys as one immutable snapshot.

A transaction takes the snapshot that is current at MAIL and keeps it to its end (SMTP.md rule 21); a reload
puts another in its place.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from gateway.dkim.treatment import Signing
from gateway.footer.kept import KeptFooter
from gateway.footer.template import FooterText
from gateway.footer.values import FooterValues
from gateway.message.letters import Letters
from gateway.ruleset.ruleset import Ruleset
from gateway.smtp.address import Path
from gateway.smtp.failure import REFUSES_GATEWAY
from gateway.transaction.markers import Markers


class AddressTest(Protocol):
    """Whether an address (``local@domain``, text) is in some list."""

    def __call__(self, address: str, /) -> bool:
        """Whether `address` is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The derived keys that a transaction uses. Never shown: not in logs, not in reports."""

    mark: bytes = field(repr=False)
    mail: bytes = field(repr=False)
    person: bytes = field(repr=False)
    own_id: bytes = field(repr=False)


class LinkForm(NamedTuple):
    """How a token becomes the two addresses in a footer. `prefix` is what every link of ours starts with.

    `company_en` and `partner_en` are the names in English footers, where they are others. A named tuple: what
    is remembered of footers goes by it (`gateway.footer.form`), and its hash costs next to nothing.
    """

    url: str
    opt_out: str
    company: str
    partner: str
    company_en: str = ""
    partner_en: str = ""

    @property
    def prefix(self) -> str:
        """The part of the link before the token."""
        return self.url.partition("{token}")[0]

    @property
    def names(self) -> tuple[str, ...]:
        """All names in it."""
        return tuple(name for name in (self.company, self.partner, self.company_en, self.partner_en) if name)

    def values(self, token: str) -> FooterValues:
        """The values of the footer for the copy with this token."""
        return FooterValues(
            link=self.url.replace("{token}", token),
            opt_out=self.opt_out.replace("{token}", token),
            company=self.company,
            partner=self.partner,
            company_en=self.company_en,
            partner_en=self.partner_en,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By whose link a campaign goes, and what the ledger is to know of it.

    Attributes:
        company: whose mail it is.
        partner: by whose link it goes.
        link: what the footer says.
        footers: by the footer's name: the hash under which the ledger keeps it as it is sent.
        hashes: an address's hash under each live matching key of the partner, with the key's id; None where
            the partner has no such key.
    """

    link: LinkForm
    company: str = "default"
    partner: str = "default"
    footers: Mapping[str, bytes] = field(default_factory=dict)
    hashes: Callable[[str], tuple[tuple[str, bytes], ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that decides what becomes of a mail. Numbers that are 0 are off."""

    hostname: str
    mode: Literal["inject", "observe", "off"]
    ruleset: Ruleset
    footers: Mapping[str, FooterText]
    link: LinkForm
    secrets: Secrets
    # By campaign and sender; where it is None, all mail goes by `link`. `other_prefixes` are those of its
    # links, `prefixes` are all of them. `kept` is what all footers are made from, for the ledger.
    terms_of: Callable[[str, str], Terms] | None = None
    other_prefixes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = field(init=False)
    kept: tuple[KeptFooter, ...] = ()
    is_own: AddressTest
    is_excluded: AddressTest | None = None
    is_excluded_sender: AddressTest | None = None
    markers: Markers = field(default_factory=Markers)
    may_force: AddressTest | None = None
    force_footer: str = ""
    shadow: Ruleset | None = None
    dkim: Signing = field(default_factory=Signing)
    max_received: int = 50
    refuse_bare_newlines: bool = False
    defer_on_ledger_fault: bool = False
    store_addresses: bool = False
    window: int = 245_760
    size: int = 0
    copies_seconds: float = 240.0
    parallel_copies: int = 4
    max_candidates: int = 0
    frequency_days: int = 0
    keep_snippets: bool = False
    gateway_refusals: Collection[str] = REFUSES_GATEWAY
    notice_from: str = "Mail Delivery System"
    postmaster: str = ""
    # What is known of letters goes with the policy, so that nothing of it outlives a reload.
    letters: Letters = field(default_factory=lambda: Letters(None), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefixes", (self.link.prefix, *self.other_prefixes))

    def terms(self, campaign: str, sender: str) -> Terms:
        """By whose link a mail of this campaign goes. `sender` is ``local@domain``."""
        return Terms(link=self.link) if self.terms_of is None else self.terms_of(campaign, sender)

    def is_candidate(self, path: Path) -> bool:
        """Whether a recipient is outside the company and on no exclude list (SMTP.md rule 12)."""
        if not path.domain or self.is_own(path.text):
            return False
        return self.is_excluded is None or not self.is_excluded(path.text)
