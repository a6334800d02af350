"""Sections on who refers to whom, and what a referral is worth: companies, partners, campaigns, contracts.

One company and one partner, by far the commonest case, are plain ``[company]`` and ``[partner]`` with the id
``default``; several are ``[[company]]`` and ``[[partner]]``.
"""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, create_model

from gateway.config import fields as f
from gateway.config.fault import Fault
from gateway.config.link_url import LinkUrl, PushUrl
from gateway.config.section import Section

DEFAULT_ID = "default"


class Company(Section):
    """[company]: who turns the candidate down. Several: [[company]]."""

    id: f.Identifier = Field(default=DEFAULT_ID, description="How commands and the books call it.")
    name: f.Name = Field(default="", description='The name in the footer. Without one it says "our company".')
    name_en: f.Name = Field(default="", description="The name in English footers. Default: `name`.")
    sender_domains: tuple[f.OwnDomain, ...] = Field(
        default=(), description="Whose mail is this company's, where a campaign doesn't say it."
    )
    partner: f.Identifier | None = Field(
        default=None, description="The id of its partner. Default: the first one."
    )
    campaigns: tuple[f.Identifier, ...] = Field(
        default=(), description="The campaigns (as rules name them) that are this company's."
    )
    one_person_once: Literal["company", "group"] = Field(
        default="company",
        description="Where a person counts once: in each `company`, or in all companies that say `group`.",
    )


class Partner(Section):
    """[partner]: the recruiting agency behind the link. Several: [[partner]]."""

    id: f.Identifier = Field(default=DEFAULT_ID, description="How commands and the ledger call it.")
    name: f.Name = Field(default="", description="The name in the footer. Without one it names no agency.")
    name_en: f.Name = Field(default="", description="The name in English footers. Default: `name`.")
    webhook_secret_file: f.FilePath | None = Field(
        default=None,
        description="Secrets (`whsec_` and base64, one a line, all of them live) that sign "
        "its registrations.",
    )
    push_url: PushUrl | None = Field(
        default=None,
        description="Where the partner wants to be told of sends (token and campaign, nothing about people).",
    )
    push_secret_file: f.FilePath | None = Field(
        default=None,
        description="The secret that signs those; with several, the first. Default: `webhook_secret_file`.",
    )
    matching_key_file: f.FilePath | None = Field(
        default=None,
        description="The keys of `email_hash`, one a line: an id, a colon, 32 octets in base64. At most two.",
    )
    columns: dict[f.Text, f.Text] = Field(
        default_factory=dict,
        description="The headers of its CSV files, by the name of the field: "
        '`{ id = "応募ID", registered_at = "登録日時" }`.',
    )


class Campaign(Section):
    """[[campaign]]: what a rule's `campaign` means, where it is more than a name."""

    id: f.Identifier = Field(description="The name that rules use.")
    company: f.Identifier | None = Field(
        default=None, description="Whose it is. Default: the company that lists it, or the only one."
    )
    partner: f.Identifier | None = Field(default=None, description="Default: that of the company.")
    department: f.Name = Field(default="", description="The department that it is for, in statements.")
    url: LinkUrl | None = Field(default=None, description="The link in its footers. Default: `link.url`.")


class Terms(Section):
    """What a contract may say; the defaults hold where it says nothing."""

    referrals_per_slot: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=10, description="So many referrals buy a slot."
    )
    window_days: f.Days = Field(
        default=180, description="From the send to the registration; what is later doesn't count."
    )
    report_within_days: f.DaysOrOff = Field(
        default=0, description="From the registration to its report; 0 is without bound."
    )
    clock_skew_seconds: Annotated[int, Field(strict=True, ge=0, le=f.DAY)] = Field(
        default=600, description="How far the partner's clock and ours may differ."
    )
    already_known: Literal["count", "refuse", "count_if_inactive"] = Field(
        default="count", description="What becomes of people whom the partner knew before."
    )
    no_token: Literal["count", "propose", "refuse"] = Field(
        default="count",
        description="What becomes of registrations that only an address leads to a send; `propose` waits for "
        "the partner's yes.",
    )
    slot_valid_days: f.DaysOrOff = Field(
        default=0, description="The life of a slot that nobody uses; 0 is for ever."
    )


class Credit(Terms):
    """[credit]: what a referral is worth."""

    second_operator_referrals: f.CountOrOff = Field(
        default=10,
        description="More referrals than this adjusted by one operator in a month (`credits adjust`, up and "
        "down taken together), or made by `registrations resolve --outcome count`, wait for a second one.",
    )
    second_operator_slots: f.CountOrOff = Field(
        default=3, description="More slots than this redeemed in a month wait for a second operator."
    )
    fee_per_hire: Annotated[int, Field(strict=True, ge=0, le=10**12)] = Field(
        default=0, description="What a placement costs elsewhere, for the estimate in `careerrelay circle`."
    )


def _date(value: object) -> date:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and type(value) is date:
        return value
    raise Fault(f"{value!r} is no date", "write it as 2027-04-01")


class ContractTerms(Section):
    """[[contract]]: terms that hold from a day on, and (if it says so) for one company. Japanese time."""

    company: f.Identifier | None = Field(default=None, description="Whose it is. Default: all companies'.")
    referrals_per_slot: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = Field(
        default=None, description="As in `[credit]`, like all keys below; what isn't said is as there."
    )
    window_days: f.Days | None = Field(default=None, description="See `[credit]`.")
    report_within_days: f.DaysOrOff | None = Field(default=None, description="See `[credit]`.")
    clock_skew_seconds: Annotated[int, Field(strict=True, ge=0, le=f.DAY)] | None = Field(
        default=None, description="See `[credit]`."
    )
    already_known: Literal["count", "refuse", "count_if_inactive"] | None = Field(
        default=None, description="See `[credit]`."
    )
    no_token: Literal["count", "propose", "refuse"] | None = Field(
        default=None, description="See `[credit]`."
    )
    slot_valid_days: f.DaysOrOff | None = Field(default=None, description="See `[credit]`.")

    @property
    def since(self) -> date:
        """The key ``from``, which is no name in Python."""
        found: date = getattr(self, "from")
        return found


_FROM: dict[str, Any] = {
    "from": (
        Annotated[date, BeforeValidator(_date)],
        Field(description="The day from which it holds, by `registered_at`."),
    )
}
Contract: type[ContractTerms] = create_model(
    "Contract", __base__=ContractTerms, __doc__=ContractTerms.__doc__, __module__=__name__, **_FROM
)


class Retention(Section):
    """[retention]: how long each kind of data is kept; `careerrelay purge` deletes what is older."""

    sends_days: f.Days = Field(
        default=400, description="Sends. At least `window_days` and `report_within_days` of every contract."
    )
    clicks_days: f.Days = Field(default=90, description="Visits to links.")
    outbox_days: f.Days = Field(default=30, description="What was pushed to partners, and ids of webhooks.")
    dedupe_years: Annotated[int, Field(strict=True, ge=1, le=30)] = Field(
        default=5,
        description="By what a registered person is known again, and tombstones of those who were erased.",
    )
