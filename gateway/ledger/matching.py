"""From registrations and sends to what each registration is worth. Pure.

`decide` takes all registrations that have to do with each other and works out all of them anew, in an order
of their own (`registered_at`, then partner and id), not in that of their arrival. So the same facts give the
same totals whatever way they came, and coming twice changes nothing.

Who is one person: registrations that share an address, or the partner's id of the person, directly or through
others. A registration that names no address is taken to be of the person that its link was sent to. A link
counts for one person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.ledger.contract import DAY, Contract, NoToken, Programme
from gateway.ledger.states import State

#: Changes when the same facts would be decided otherwise. Stored with each decision.
VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A send, as matching sees it. `sent_at` is the moment of its first intent."""

    token: bytes
    person_ref: bytes
    company: str
    campaign: str
    partner: str
    sent_at: int
    ruleset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a registration is worth, and why.

    `reason` is one of `REASONS`; `flags` are what somebody may want to look at.
    """

    state: State
    reason: str
    counts: bool = False
    flags: tuple[str, ...] = ()
    company: str = ""
    campaign: str = ""
    matched_by: str = ""
    send: Sent | None = None
    contract: Contract = field(default_factory=Contract)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A registration as it came, and what was said of it since.

    Attributes:
        number: our own.
        token: of the link, where the partner gave one that can be read.
        address_ref, person_id_ref: who it is about; None where that was not said.
        own: the address is one of the company's own.
        known: the partner knew the person before: empty, ``active`` or ``inactive``.
        barred: scopes in which a person who is erased now had counted.
        hold: what holds whatever matching says: empty, or the word of a `State`.
        company: for ``hold = "counted"`` without a send.
        forgotten: the person was erased without a trace: it stays counted, and keeps nobody else from it.
        matched: the send of the last decision, which may be purged by now, and how it was found.
    """

    number: int
    partner: str
    external_id: str
    registered_at: int
    received_at: int
    token: bytes | None = None
    token_flag: str = ""
    address_ref: bytes | None = None
    person_id_ref: bytes | None = None
    own: bool = False
    known: str = ""
    barred: frozenset[str] = frozenset()
    hold: str = ""
    company: str = ""
    confirmed: bool = False
    disputed: bool = False
    forgotten: bool = False
    matched: Sent | None = None
    matched_by: str = ""

    @property
    def order(self) -> tuple[int, str, str]:
        """Which of two counts for one person."""
        return self.registered_at, self.partner, self.external_id


#: Why a registration is in its state, for people.
REASONS: Mapping[str, str] = {
    "matched": "a send fits",
    "no-send": "no send is known for its token or address",
    "proposed": "found by address alone: waits for the partner's yes",
    "same-person": "the person counted by an earlier registration",
    "erased-person": "the person had counted before they were erased",
    "link-used": "the link counted for somebody else",
    "window": "later than the window after the send",
    "reported-late": "reported later than the contract allows",
    "before-send": "earlier than the send",
    "future": "later than its receipt",
    "own-address": "an address of the company itself",
    "known": "the partner knew the person before",
    "no-token": "the contract wants a token",
    "partner": "the partner said so",
    "dispute": "the end of a dispute",
}

_HELD = {
    "withdrawn": (State.WITHDRAWN, "partner"),
    "refused": (State.REFUSED, "partner"),
    "reversed": (State.REVERSED, "dispute"),
}


class _People:
    """Union-find over references: who is one person."""

    def __init__(self) -> None:
        self._parent: dict[bytes, bytes] = {}

    def find(self, ref: bytes) -> bytes:
        while (parent := self._parent.get(ref, ref)) != ref:
            self._parent[ref] = self._parent.get(parent, parent)
            ref = parent
        return ref

    def join(self, one: bytes, other: bytes) -> None:
        first, second = sorted((self.find(one), self.find(other)))
        self._parent[second] = first


@dataclass(slots=True)
class _Scope:
    """Who has counted where a person counts once, and by whom (as far as they said) each link was used."""

    people: set[bytes] = field(default_factory=set)
    links: dict[bytes, frozenset[bytes]] = field(default_factory=dict)


def decide(
    registrations: Sequence[Registration],
    *,
    by_token: Mapping[bytes, Sent],
    by_person: Mapping[bytes, Sequence[Sent]],
    programme: Programme,
) -> dict[int, Decision]:
    """What each of `registrations` is worth, by number.

    Args:
        registrations: complete: all that share an address, a person's id, or a link with any of them.
        by_token: the sends of their tokens.
        by_person: the sends to their addresses.
        programme: companies and their contracts.
    """
    people = _People()
    for one in registrations:
        if one.address_ref is not None and one.person_id_ref is not None:
            people.join(one.address_ref, one.person_id_ref)
    scopes: dict[tuple[str, bool], _Scope] = {}
    decisions: dict[int, Decision] = {}
    for one in sorted(registrations, key=lambda registration: registration.order):
        found = _alone(one, by_token, by_person, programme)
        if found.counts:
            scope = scopes.setdefault((programme.company(found.company).scope, one.forgotten), _Scope())
            found = _with_others(one, found, scope, people)
        if one.disputed:
            found = _changed(found, state=State.DISPUTED)
        decisions[one.number] = found
    return decisions


def _alone(
    one: Registration,
    by_token: Mapping[bytes, Sent],
    by_person: Mapping[bytes, Sequence[Sent]],
    programme: Programme,
) -> Decision:
    """What it would be worth if there were no other."""
    send, matched_by, flags = _match(one, by_token, by_person, programme)
    company = send.company if send else one.company
    terms = programme.company(company or programme.sole_company or "")
    contract = terms.contract_at(one.registered_at)
    found = Decision(
        state=State.UNMATCHED,
        reason="no-send",
        flags=flags,
        company=company,
        campaign=send.campaign if send else "",
        matched_by=matched_by,
        send=send,
        contract=contract,
    )
    if one.hold in _HELD:
        state, reason = _HELD[one.hold]
        return _changed(found, state=state, reason=reason)
    if one.hold == "counted" and company:
        if terms.scope in one.barred:
            return _changed(found, state=State.DUPLICATE, reason="erased-person")
        return _changed(found, state=State.COUNTED, reason="dispute", counts=True)
    state, reason = _judge(one, send, matched_by, contract)
    if state is State.COUNTED and terms.scope in one.barred:
        state, reason = State.DUPLICATE, "erased-person"
    return _changed(found, state=state, reason=reason, counts=state is State.COUNTED)


def _judge(one: Registration, send: Sent | None, matched_by: str, contract: Contract) -> tuple[State, str]:
    """The first line that applies."""
    if one.registered_at > one.received_at + contract.skew:
        return State.FUTURE, "future"
    if one.own:
        return State.SELF_REFERRAL, "own-address"
    if send is None:
        return State.UNMATCHED, "no-send"
    if one.registered_at < send.sent_at - contract.skew:
        return State.BEFORE_SEND, "before-send"
    if one.registered_at > send.sent_at + contract.window_days * DAY:
        return State.LATE, "window"
    within = contract.report_within_days
    if within and one.received_at > one.registered_at + within * DAY + contract.skew:
        return State.LATE, "reported-late"
    if one.known and (
        contract.already_known == "refuse"
        or (contract.already_known == "count_if_inactive" and one.known == "active")
    ):
        return State.REFUSED, "known"
    if matched_by == "address":
        rule: NoToken = contract.no_token
        if rule == "refuse":
            return State.REFUSED, "no-token"
        if rule == "propose" and not one.confirmed:
            return State.UNMATCHED, "proposed"
    return State.COUNTED, "matched"


def _match(
    one: Registration,
    by_token: Mapping[bytes, Sent],
    by_person: Mapping[bytes, Sequence[Sent]],
    programme: Programme,
) -> tuple[Sent | None, str, tuple[str, ...]]:
    """The send, how it was found, and what is odd: by token, else by address the latest before it."""
    flags: list[str] = [one.token_flag] if one.token_flag else []
    if one.token is not None:
        send = by_token.get(one.token)
        if send is None and one.matched is not None and one.matched.token == one.token:
            send = one.matched
        if send is not None and send.partner == one.partner:
            if one.address_ref not in (None, send.person_ref):
                flags.append("other-address")
            return send, "token", tuple(flags)
        flags.append("token-of-another-partner" if send is not None else "token-unknown")
    mine = [send for send in by_person.get(one.address_ref or b"", ()) if send.partner == one.partner]
    if one.matched is not None and one.matched_by == "address" and one.matched not in mine:
        mine.append(one.matched)
    if not mine:
        return None, "", tuple(flags)
    before = [send for send in mine if send.sent_at <= one.registered_at + _skew(send, one, programme)]
    chosen = max(before, key=_moment) if before else min(mine, key=_moment)
    return chosen, "address", tuple(flags)


def _moment(send: Sent) -> tuple[int, bytes]:
    return send.sent_at, send.token


def _skew(send: Sent, one: Registration, programme: Programme) -> int:
    return programme.company(send.company).contract_at(one.registered_at).skew


def _with_others(one: Registration, found: Decision, scope: _Scope, people: _People) -> Decision:
    """What it is worth beside those that come before it; notes what it takes."""
    refs = {people.find(ref) for ref in (one.address_ref, one.person_id_ref) if ref is not None}
    if one.address_ref is None and found.send is not None:
        refs.add(people.find(found.send.person_ref))
    if not refs.isdisjoint(scope.people):
        if _is_of_another(one, found, scope, people):
            return _changed(found, state=State.SHARED_TOKEN, reason="link-used", counts=False)
        return _changed(found, state=State.DUPLICATE, reason="same-person", counts=False)
    if found.send is not None and found.send.token in scope.links:
        return _changed(found, state=State.SHARED_TOKEN, reason="link-used", counts=False)
    scope.people |= refs
    if found.send is not None:
        scope.links[found.send.token] = frozenset(
            people.find(ref) for ref in (one.address_ref, one.person_id_ref) if ref is not None
        )
    return found


def _is_of_another(one: Registration, found: Decision, scope: _Scope, people: _People) -> bool:
    """Whether only the link makes it the same person: both said who they are, and say different people."""
    said = {people.find(ref) for ref in (one.address_ref, one.person_id_ref) if ref is not None}
    counted = scope.links.get(found.send.token) if found.send is not None else None
    return bool(said and counted) and said.isdisjoint(scope.people)


def _changed(
    found: Decision, *, state: State, reason: str | None = None, counts: bool | None = None
) -> Decision:
    return Decision(
        state=state,
        reason=found.reason if reason is None else reason,
        counts=found.counts if counts is None else counts,
        flags=found.flags,
        company=found.company,
        campaign=found.campaign,
        matched_by=found.matched_by,
        send=found.send,
        contract=found.contract,
    )


def counted(decisions: Iterable[Decision]) -> int:
    """How many of them are referrals."""
    return sum(1 for one in decisions if one.counts)
