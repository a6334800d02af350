"""Sections on what is added to mail: which rules hold, and what the footer says."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from gateway.config import fields as f
from gateway.config.link_url import LinkUrl, OptOutUrl, own_opt_out, with_token
from gateway.config.section import Section, optional_section


class Brake(Section):
    """[rules.brake]: when a rule has to stop by itself, and all rules together; 0 is off."""

    max_per_hour: f.CountOrOff = Field(default=500, description="Links of one rule in an hour.")
    max_share: f.Share = Field(
        default=0.05,
        description="Share of the mails of an hour that one rule may change, once there were more than 200.",
    )
    max_recipients_per_mail: f.CountOrOff = Field(
        default=20, description="A mail with more candidates than this goes untouched."
    )


class Rollout(Section):
    """[rules.rollout]: what a rule needs before `rollout advance` lets it do more."""

    reviewed: f.Count = Field(default=200, description="Mails of the rule that people have reviewed.")
    days: f.Days = Field(
        default=14, description="Over at least so many days, and none of these mails was judged wrong."
    )
    share: Annotated[f.Share, Field(gt=0)] = Field(
        default=0.1,
        description="The share of recipients that get a link on the way, where the rule's `partial` names "
        "none.",
    )


class Review(Section):
    """[rules.review]: what is kept of mails in which the rules found something."""

    days: f.Days = Field(
        default=30, description="How long the ids of the signals are kept: no text, no recipient."
    )
    snippets: f.Switch = Field(
        default=False,
        description="Keep the sentences that matched too, with names and numbers masked, for `snippet_days`.",
    )
    snippet_days: f.Days = Field(default=14, description="How long these sentences are kept.")


class Rules(Section):
    """[rules]: which rules hold, and for whom."""

    directory: f.FilePath | None = Field(
        default=None,
        description="The folder with rule files and `footers/`. Default: the packs that come "
        "with the gateway.",
    )
    senders: tuple[f.Pattern, ...] = Field(
        default=(), description="Whose mail the shipped packs may change: addresses, domains, or patterns."
    )
    frequency_days: f.DaysOrOff = Field(
        default=90, description="One link a person in this many days, over all campaigns; 0 is off."
    )
    mode: Mapping[f.Text, f.RuleMode] = Field(
        default_factory=dict,
        description='Switches a pack or a rule (by name; `"*"`: all) to `inject`, `partial`, `observe` '
        "or `off`.",
    )
    brake: Brake = optional_section("See below.")
    rollout: Rollout = optional_section("See below.")
    review: Review = optional_section("See below.")
    editors: tuple[f.MailAddress, ...] = Field(
        default=(),
        description="Who gets a mail when rule files that were saved are refused, and when a brake stops a "
        "rule; at most one of each kind in ten minutes.",
    )
    reload: Literal["auto", "apply"] = Field(
        default="auto",
        description="`auto`: a saved, valid change holds by itself within two seconds; `apply`: saved "
        "files are a draft.",
    )
    shadow: f.FilePath | None = Field(
        default=None,
        description="A folder with a candidate set of rules: judged beside the active one, obeyed by "
        "nobody; the log says where they differ.",
    )


class Markers(Section):
    """[markers]: words by which a recruiter says no, or yes, in the subject of one mail."""

    off: tuple[f.Marker, ...] = Field(
        default=("[no-link]", "【リンクなし】"),
        description="No link in this mail. Any case; taken out of the subject.",
    )
    on: tuple[f.Marker, ...] = Field(
        default=("[link]", "【リンクあり】"),
        description="A link in this mail, if its sender is in `force.senders`. Looked for, and taken out, "
        "only where there are such senders.",
    )


class Force(Section):
    """[force]: who may ask for a link that the rules do not give."""

    senders: tuple[f.Pattern, ...] = Field(
        default=(),
        description="Whose markers and placeholders are obeyed (by reverse-path or From field): addresses, "
        "domains, or patterns. Such links are marked `forced`, and the partner sees it.",
    )
    footer: f.Name = Field(
        default="", description="The footer for these. Default: the shipped one in the mail's language."
    )


class Link(Section):
    """[link]: what the footer points to."""

    url: LinkUrl = Field(description="The address of the link: https, with `{token}` in it once.")
    opt_out: OptOutUrl | None = Field(
        default=None,
        description='"No more of these": https or mailto, with `{token}` at most once. Needed without the '
        "public link; with it, default: its `/o/{token}`.",
    )
    landing_url: LinkUrl | None = Field(
        default=None,
        description="Where the public link (`/r/{token}` of `[web]`) leads: the partner's page, with "
        "`{token}`.",
    )
    landing_urls: Mapping[f.Text, LinkUrl] = Field(
        default_factory=dict, description="The same for single campaigns, by name."
    )
    valid_days: f.Days = Field(
        default=180, description="How long after the mail the public link leads there; then a page says so."
    )
    issue_secret_file: f.FilePath | None = Field(
        default=None,
        description="Secrets (`whsec_...`, one a line) with which the company's own systems may ask for "
        "links (`POST /v1/links`). Not the partner's.",
    )
    issue_columns: Mapping[f.Text, f.Line] = Field(
        default_factory=dict,
        description="Headers of the CSV files for `links issue`: our name (`email`, `external_id`, "
        "`campaign`) = theirs.",
    )

    @property
    def public(self) -> bool:
        """Whether links may lead through the gateway's own web server."""
        return self.landing_url is not None

    @property
    def opt_out_url(self) -> str:
        """The address for "no more of these", with its `{token}`; empty in a config that `check` refuses."""
        if self.opt_out is not None:
            return self.opt_out
        return own_opt_out(self.url) or "" if self.public else ""

    def for_token(self, token: str) -> str:
        """The link of the recipient whose token this is."""
        return with_token(self.url, token)

    def opt_out_for_token(self, token: str) -> str:
        """The address by which that recipient says "no more of these"."""
        return with_token(self.opt_out_url, token)
