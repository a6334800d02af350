"""Registrations are decided anew with all that they have to do with, and what changed is booked.

Every function works inside a transaction that holds the lock of credit (`gateway.store.credit`). What is
decided is `gateway.ledger.matching`; here is only what becomes of its answer.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from gateway.ledger.books import Kind
from gateway.ledger.contract import Contract, settings_of
from gateway.ledger.matching import VERSION, Decision, decide
from gateway.store.chronicle import event_row
from gateway.store.cluster import cluster_of, registration_of
from gateway.store.credit_schema import registration_events, registrations, settings
from gateway.store.journal import Journal


def reevaluate(connection: Connection, journal: Journal, numbers: Iterable[int]) -> int:
    """Decide these registrations anew, and all that have to do with them; book what changed.

    The first decision is one, too, where nothing is known yet. Gives how many changed.
    """
    seeds = sorted(set(numbers))
    if not seeds:
        return 0
    rows, by_token, by_person = cluster_of(connection, seeds)
    decisions = decide(
        [registration_of(row) for row in rows.values()],
        by_token=by_token,
        by_person=by_person,
        programme=journal.programme,
    )
    changed = [
        (rows[number], decision)
        for number, decision in sorted(decisions.items())
        if not rows[number].matcher or _differs(rows[number], decision)
    ]
    if changed:
        _write(connection, journal, changed)
    return len(changed)


def _values(decision: Decision) -> dict[str, object]:
    send = decision.send
    return {
        "state": decision.state.value,
        "reason": decision.reason,
        "flags": " ".join(decision.flags),
        "counts": decision.counts,
        "company": decision.company,
        "campaign": decision.campaign,
        "matched_by": decision.matched_by,
        "send_token": send.token if send else None,
        "send_ref": send.person_ref if send else None,
        "sent_at": send.sent_at if send else None,
        "ruleset": send.ruleset if send else "",
    }


def _differs(row: "Row[tuple[object, ...]]", decision: Decision) -> bool:
    return any(
        (bytes(found) if isinstance(found := getattr(row, name), memoryview) else found) != value
        for name, value in _values(decision).items()
    )


def _write(
    connection: Connection,
    journal: Journal,
    changed: "Sequence[tuple[Row[tuple[object, ...]], Decision]]",
) -> None:
    digests = {contract: settings_of(contract) for contract in {decision.contract for _, decision in changed}}
    _keep_settings(connection, digests.values(), journal.now)
    events = []
    updates: list[dict[str, object]] = []
    touched: set[str] = set()
    for row, decision in changed:
        booked = row.counts, row.company, row.campaign
        recount = (decision.counts, decision.company, decision.campaign) != booked and (
            decision.counts or row.counts
        )
        values = _values(decision) | {
            "matcher": VERSION,
            "settings": digests[decision.contract][0],
            "decided_at": journal.now,
            # What it was booked by stays, for as long as it is booked.
            "ratio": row.ratio,
            "contract_from": row.contract_from,
            "department": row.department,
        }
        if decision.counts and recount:
            values |= {
                "ratio": decision.contract.ratio,
                "contract_from": decision.contract.since,
                "department": journal.programme.department(decision.campaign),
            }
        updates.append({f"new_{name}": value for name, value in values.items()} | {"number": row.id})
        events.append(
            event_row(
                row.id,
                journal.now,
                "decided",
                state=decision.state.value,
                reason=decision.reason,
                detail={
                    "matcher": VERSION,
                    "settings": digests[decision.contract][0],
                    "ruleset": decision.send.ruleset if decision.send else "",
                    "counts": decision.counts,
                    "company": decision.company,
                    "campaign": decision.campaign,
                    "by": decision.matched_by,
                    "flags": list(decision.flags),
                },
            )
        )
        if recount and decision.counts:
            touched.add(decision.company)
            _book(journal, Kind.COUNT, row, (decision.company, decision.campaign), decision.contract)
    # Only after all that count: a referral that moves to another registration must not cost a slot meanwhile.
    for row, decision in changed:
        same = (decision.counts, decision.company, decision.campaign) == (
            row.counts,
            row.company,
            row.campaign,
        )
        if row.counts and not same:
            touched.add(row.company)
            contract = Contract(since=row.contract_from, ratio=row.ratio)
            _book(journal, Kind.UNCOUNT, row, (row.company, row.campaign), contract, reason=decision.reason)
    names = [name.removeprefix("new_") for name in updates[0] if name != "number"]
    connection.execute(
        update(registrations)
        .where(registrations.c.id == bindparam("number"))
        .values({name: bindparam(f"new_{name}") for name in names}),
        updates,
    )
    connection.execute(insert(registration_events), events)
    for company in sorted(touched):
        journal.settle(company)


def _book(
    journal: Journal,
    kind: Kind,
    row: "Row[tuple[object, ...]]",
    place: tuple[str, str],
    contract: Contract,
    *,
    reason: str = "",
) -> None:
    """`place`: the company and the campaign that it is booked to."""
    journal.post(
        kind,
        place[0],
        effective_at=row.registered_at,
        campaign=place[1],
        registration=row.id,
        reason=reason,
        contract=(contract.since, contract.ratio),
        department=row.department if kind is Kind.UNCOUNT else None,
    )


def _keep_settings(connection: Connection, found: Iterable[tuple[str, str]], now: int) -> None:
    for digest, content in found:
        known = connection.execute(select(settings.c.digest).where(settings.c.digest == digest)).first()
        if known is None:
            connection.execute(insert(settings).values(digest=digest, content=content, at=now))
