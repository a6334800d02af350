"""What the transaction needs from the outside: a next hop and a ledger, as protocols, with their values.

`gateway.relay` implements `NextHop` and `Outbound`, `gateway.store` implements `Ledger`; tests use fakes of
both. The rule numbers are those of SMTP.md. What every mail with a link makes is a named tuple and not a
dataclass, whose fields cost a call each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple, Protocol

from gateway.reason import Reason
from gateway.ruleset.ruleset import Verdict
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Fate, Notice, Outcome
from gateway.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Start:
    """The next hop's answer to DATA.

    Attributes:
        reply: 354, or the refusal.
        recipients: the answers to the accepted RCPTs that are in force, in order. They differ from what the
            sender was told only where the transaction had to be opened again (rule 1); such an answer is that
            recipient's outcome.
    """

    reply: Reply
    recipients: tuple[Reply, ...]


class Outbound(Protocol):
    """One transaction at a next hop. Holds a place in its pool from `NextHop.begin` to `end` or `abort`.

    Until the first octet of content has gone out, a lost connection is replaced unseen: the same MAIL and the
    accepted RCPTs are said again on a fresh one, on any host that can carry the mail (rules 1 and 8). After
    it, every fault is a `NextHopFault`, and once the final dot may have left an `OutcomeUnknown`.
    """

    @property
    def host(self) -> str:
        """``host:port`` of the connection in use or last used; empty before the first."""

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Send MAIL and RCPT commands as one pipelined group; give the next hop's replies in order.

        A Mail starts a new transaction on the same connection (after `reset`, or at first). Callable many
        times for one mail.

        Raises:
            NextHopFault: no host could be asked. What was accepted before stays accepted: `data` will try to
                open it again.
        """

    async def data(self) -> Start:
        """Send DATA and wait for the answer (rule 7: 100 s).

        Nothing is sent where no recipient is accepted any more.

        Raises:
            NextHopFault: no host could be asked.
        """

    async def write(self, piece: bytes) -> None:
        """Send stuffed content, waiting while the next hop doesn't take it (rule 7: 150 s a block).

        Raises:
            NextHopFault: the connection is gone, or stalled; nothing was completed at the next hop.
        """

    async def finish(self) -> Reply:
        """Send the final dot (content ended with CRLF) and wait for the reply (rule 7: 9.5 min).

        Raises:
            OutcomeUnknown: no reply came.
        """

    async def reset(self) -> None:
        """RSET, so that another MAIL can follow.

        A connection that doesn't answer 250 is closed; `envelope` opens another.
        """

    async def end(self) -> None:
        """Give the place back.

        The connection is pooled only if its last answer was a 250 to the final dot (rule 8); otherwise QUIT.
        """

    def abort(self) -> None:
        """Give the place back and close the connection at once: what is under way is never completed."""


class NextHop(Protocol):
    """A set of hosts behind one name, with its pool."""

    @property
    def name(self) -> str:
        """The name of the route, for log and ledger."""

    async def capabilities(self) -> Capabilities:
        """What the hosts said in EHLO, remembered through their outages (rule 10).

        Asks when nothing is known yet.

        Raises:
            NextHopFault: nothing is known and no host answers.
        """

    async def begin(self, needs: frozenset[bytes]) -> Outbound:
        """Wait for a place in the pool (rule 9: 30 s), for a mail that needs these extensions.

        Doesn't connect yet.

        Raises:
            NextHopFault: none was free in time (`busy`).
        """

    def try_begin(self, needs: frozenset[bytes]) -> Outbound | None:
        """A place if one is free at this moment, else None.

        For copies: whoever holds a place never waits for another (rule 9).
        """


class SendIntent(NamedTuple):
    """A copy with a link that is about to be sent.

    Attributes:
        mail_key: 32 octets (rule 18).
        person: keyed hash of the recipient's normalised address, 32 octets.
        token: 16 fresh random octets; used only if (mail_key, person) has no token yet.
        address: the plain address, only where the admin chose to keep it.
        company: whose mail it is; `partner`: for whose link; ids of the config.
        footer_hash: the key of the footer's content, kept so that it can be shown as it was sent.
        matching: the address's hash under each live matching key of the partner: pairs of the key's id and
            32 octets.
        alone: nobody else is named in this attempt. If an earlier one was for others too, and its record is
            open and has this person, nothing is written, and `Issued.recorded` says so.
    """

    mail_key: bytes
    person: bytes
    token: bytes
    sender: str
    campaign: str
    rule: str
    footer: str
    ruleset: str
    message_id: str
    route: str
    address: str | None = None
    forced: bool = False
    # Nobody gets another link within so many days of this company's; 0 is off.
    frequency_days: int = 0
    company: str = "default"
    partner: str = "default"
    footer_hash: bytes | None = None
    matching: tuple[tuple[str, bytes], ...] = ()
    alone: bool = False


class Issued(NamedTuple):
    """What the ledger gave for an intent.

    Attributes:
        token: 16 octets: the same for every attempt of the same mail to the same recipient (rule 19).
        attempts: how often this send was intended before.
        put_off: how often it was put off after the dot with 4.6.x or 4.7.x (rule 15).
        left: why this person is to get no link after all, SUPPRESSED or FREQUENCY; nothing was written then.
        recorded: an open record has this person: it has to be claimed; nothing was written.
    """

    token: bytes
    attempts: int
    put_off: int
    left: Reason | None = None
    recorded: bool = False


class SendState(StrEnum):
    """What became of a copy with a link, in the ledger's words."""

    INTENDED = "intended"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PUT_OFF = "put-off"
    UNKNOWN = "unknown"
    UNLINKED = "unlinked"


class SendOutcome(NamedTuple):
    """The next hop's word on a copy with a link.

    `reply` is its text, for the ledger; `host` is ``host:port``.
    """

    mail_key: bytes
    person: bytes
    state: SendState
    reply: str
    host: str
    counts_as_put_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyIntent:
    """One recipient of a mail with several, at least one of them a candidate.

    `send` is None for the untouched copy.
    """

    person: bytes
    send: SendIntent | None


class Standing(Enum):
    """How a recipient of an open mail stands."""

    OURS = "ours"
    SETTLED = "settled"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The ledger's answer for one recipient (rules 19 and 20).

    Attributes:
        standing: OURS: this process sends it now. SETTLED: an earlier attempt has its final outcome.
            ELSEWHERE: another living process has it.
        issued: for a copy with a link.
        outcome: where SETTLED; fate TAKEN or REFUSED.
    """

    person: bytes
    standing: Standing
    issued: Issued | None
    outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCopy:
    """A recipient in the plan of an open mail: with a link by this rule and footer, or without."""

    person: bytes
    linked: bool
    campaign: str = ""
    rule: str = ""
    footer: str = ""
    ruleset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMail:
    """A mail whose reply is still owed to its sender (rules 19 and 21).

    `notice` is set once a failure notice was taken or refused.
    """

    mail_key: bytes
    copies: Mapping[bytes, PlannedCopy]
    notice: Notice | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOutcome:
    """What became of one recipient's copy in this attempt.

    TAKEN and REFUSED settle it; anything else leaves it owed and unclaimed.
    """

    person: bytes
    fate: Fate
    reply: Reply
    send: SendOutcome | None


class Ledger(Protocol):
    """The memory of what was sent.

    Every method that waits raises `LedgerFault` when it can't be done in the configured time (rule 22).
    """

    async def intend(self, intents: Sequence[SendIntent]) -> list[Issued]:
        """Write intents; durable when it returns. For mails that need no record."""

    def note(self, outcome: SendOutcome) -> None:
        """Queue an outcome to be written soon.

        Never raises; what can't be written goes to the log for repair (rule 22).
        """

    async def find(self, mail_key: bytes) -> OpenMail | None:
        """The open record of this mail, if there is one (rule 21)."""

    async def claim(self, mail_key: bytes, copies: Sequence[CopyIntent]) -> list[Claim]:
        """Open the record if it isn't, write the intents, claim what is owed (rules 3, 19, 20).

        One commit, durable when it returns. Recipients that an open record doesn't know yet are added to it.
        The answers are in the order of `copies`.
        """

    async def settle(
        self, mail_key: bytes, outcomes: Sequence[CopyOutcome], *, notice: Notice | None = None, close: bool
    ) -> None:
        """Write outcomes, give up the claims on what is still owed; with `close` end the record.

        What another attempt has claimed at that moment stays in it: its copy is on the wire.
        One commit, durable when it returns.
        """

    async def link_refused(self) -> int:
        """Record that a copy went through only without its link (rule 15).

        Gives how many did so in the last ten minutes, in all processes.
        """

    async def pull_brake(self, why: str) -> None:
        """Put the whole installation into `observe` until an admin resumes it (rule 15)."""


class Safety(Protocol):
    """The brake, and what is kept of what the rules saw (RULES.md, "Safety" and "Roll-out").

    Nothing here raises or waits; ordinary mail costs a number in memory.
    """

    def mail(self) -> None:
        """There is a mail, of whatever kind."""

    def take(self, rule: str, links: int) -> str:
        """Count a mail in which the rule is about to put so many links. Empty if it may, else why not."""

    def give_back(self, rule: str, links: int, *, mail: bool) -> None:
        """So many of them were not new, or not given after all; with `mail` none were."""

    def seen(self, mail: "MailSeen") -> None:
        """The rules found something in a mail."""

    def alert(self, kind: str, text: str) -> None:
        """Something that a person has to look at; told at most once in a while for each kind."""


class MailSeen(NamedTuple):
    """What is kept of a mail in which the rules found something: no text, no recipient.

    `reason` is what became of it. `snippets` are the sentences that matched, masked, where an admin wants
    them.
    """

    mail: str
    message_id: str
    sender: str
    ruleset: str
    verdict: Verdict
    reason: Reason
    snippets: tuple[str, ...] = ()


class Unwatched:
    """No brake, and nothing is kept: for programs that send no mail."""

    def mail(self) -> None:
        """Nothing is counted."""

    def take(self, _rule: str, _links: int) -> str:
        """It may."""
        return ""

    def give_back(self, _rule: str, _links: int, *, mail: bool) -> None:
        """Nothing was counted."""

    def seen(self, mail: MailSeen) -> None:
        """It isn't kept."""

    def alert(self, kind: str, text: str) -> None:
        """Nobody is told."""
