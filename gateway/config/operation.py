"""Sections on running the gateway: the ledger's database, bounds, times, the log."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.config import fields as f
from gateway.config.ledger_url import LedgerUrl, file_of, without_password
from gateway.config.section import Section


class Ledger(Section):
    """[ledger]: where it is kept what was sent."""

    url: LedgerUrl = Field(
        description="`sqlite:///file.db` (four slashes: an absolute path), or "
        "`postgresql://user@host/name` "
        "where several gateways share one ledger."
    )
    fault: Literal["relay", "defer"] = Field(
        default="relay",
        description="When the ledger cannot be read or written: `relay` the mail without a "
        "link, or `defer` it (451).",
    )
    wait_seconds: f.Seconds = Field(
        default=2, description="How long a mail waits for the ledger before that."
    )
    store_addresses: f.Switch = Field(
        default=False, description="Keep recipients' addresses in plain text, not just a keyed hash of them."
    )
    lease_seconds: f.Seconds = Field(
        default=1_800,
        description="When a node has gone silent with a mail in hand, another takes that mail "
        "over after this. "
        "Must be longer than the longest mail may take.",
    )
    record_days: f.Days = Field(
        default=8, description="How long it is remembered which copies of a mail are still owed."
    )

    @property
    def sqlite_file(self) -> Path | None:
        """The database file, when the ledger is SQLite."""
        return file_of(self.url)

    @property
    def safe_url(self) -> str:
        """The URL without its password, for people and logs."""
        return without_password(self.url)


class Limits(Section):
    """[limits]: what is bounded, so that no peer can use up the machine."""

    connections: f.Count = Field(
        default=1_000, description="SMTP sessions at once, over all workers of a node; more get 421."
    )
    connections_per_peer: f.Count = Field(
        default=500,
        description="Of these, from one address, so that one system in trouble leaves room for the others; "
        "more get 421. An IPv6 address counts with its /64.",
    )
    commands: f.Count = Field(
        default=5_000,
        description="Commands of a session since its last mail was taken, beyond `recipients`; then 421.",
    )
    errors: f.Count = Field(
        default=100,
        description="Commands of a session that are none, or out of turn; then 421. "
        "Recipients that the next hop refuses are no errors.",
    )
    recipients: f.Count = Field(
        default=1_000, description="Recipients of one mail; more get 452 and are tried again by the sender."
    )
    command_line_bytes: f.Bytes = Field(
        default=4_096,
        description="A command line with its CRLF. RFC 5321 asks for 512, extensions add to it.",
    )
    path_bytes: f.Bytes = Field(
        default=1_024,
        description="An address in MAIL or RCPT. RFC 5321 asks for 256; the next hop has the last word.",
    )
    mail_bytes: f.BytesOrOff = Field(
        default=0, description="The size of a mail; 0 leaves it to the next hop's SIZE. Larger ones get 552."
    )
    sender_mails_per_hour: f.CountOrOff = Field(
        default=0,
        description="Mails of one sender (a user who logged in, else the envelope's address) in an hour; "
        "more get 450. 0 is off: only you know how much yours send. Each worker counts its share.",
    )
    window_bytes: f.Bytes = Field(
        default=245_760,
        description="How much of a mail is held until the verdict is known. Without one by then: untouched.",
    )
    memory_bytes: f.Bytes = Field(
        default=524_288,
        description="How much of a mail that gets a footer is kept in memory; more goes to a temporary file.",
    )
    spool_directory: f.FilePath = Field(
        default=Path("/var/tmp"),  # noqa: S108 - only files without a name are made there
        description="Where those temporary files are. They have no name and are gone with the "
        "process. Not on a tmpfs.",
    )
    spool_reserve_bytes: f.BytesOrOff = Field(
        default=268_435_456, description="Free space that is left there; with less, mails go untouched."
    )
    parallel_copies: f.Count = Field(
        default=5, description="Copies of one mail on their way at once, each on a connection of its own."
    )


class Timeouts(Section):
    """[timeouts]: how long each step may take (RFC 5321 §4.5.3.2)."""

    command_seconds: f.Seconds = Field(
        default=300, description="A sender's silence between commands; then 421."
    )
    session_seconds: f.Seconds = Field(
        default=3_600,
        description="A session's age after which it ends with 421, once no mail is in hand.",
    )
    upload_seconds: f.Seconds = Field(
        default=3_600,
        description="The upload of one mail, from first to last byte; then 421, and nothing is sent on.",
    )
    block_seconds: f.Seconds = Field(default=150, description="One block of content, coming in or going out.")
    connect_seconds: f.Seconds = Field(
        default=30,
        description="Connecting to the next hop, to the end of EHLO, TLS and login, over all its hosts.",
    )
    pool_wait_seconds: f.Seconds = Field(
        default=30, description="Waiting at MAIL for a free connection to the next hop; then 451 4.3.2."
    )
    envelope_seconds: f.Seconds = Field(default=240, description="MAIL and each RCPT at the next hop.")
    data_seconds: f.Seconds = Field(default=100, description="The next hop's 354 after DATA.")
    dot_seconds: f.Seconds = Field(
        default=570,
        description="The next hop's reply to the end of a mail. Below 600, where Postfix gives up on us.",
    )
    copies_seconds: f.Seconds = Field(
        default=240,
        description="All the copies of one mail to several candidates; then 451, and the rest "
        "with the retry.",
    )


class Notify(Section):
    """[notify]: who gets a mail when something has happened that people want to know, or have to look at."""

    slot_granted: tuple[f.MailAddress, ...] = Field(
        default=(), description="When referrals have earned a free placement slot."
    )
    dispute_opened: tuple[f.MailAddress, ...] = Field(
        default=(), description="When somebody objects to how a registration was decided."
    )
    brake_pulled: tuple[f.MailAddress, ...] = Field(
        default=(),
        description="When a brake stops a rule, beside `editors` of `[rules]`.",
    )
    every_seconds: f.Seconds = Field(
        default=600,
        description="At most one mail of each kind in this time (of a brake: from each worker); what happens "
        "meanwhile is in the next one.",
    )


class Log(Section):
    """[log]: what is written to standard error."""

    format: Literal["text", "json"] = Field(default="text", description="For people, or for programs.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is told."
    )
    addresses: Literal["hashed", "plain"] = Field(
        default="hashed", description="Mail addresses in the log: as a keyed hash, or as they are."
    )
