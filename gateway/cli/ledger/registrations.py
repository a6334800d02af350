"""``careerrelay registrations list | show | export | event | dispute | resolve``."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.ledger.desk import (
    chosen_company,
    chosen_partner,
    moment_option,
    open_config,
    operator_of,
    operator_option,
    partner_option,
)
from gateway.cli.ledger.second import perform
from gateway.cli.options import config_option, export_options, json_option, last_option
from gateway.cli.printing import local, local_text, print_json, print_table, write_records

if TYPE_CHECKING:
    from gateway.store.said import EventTaken

#: The words of gateway.ledger.states.State; a test holds the two together.
STATES = (
    "counted",
    "duplicate",
    "unmatched",
    "late",
    "before-send",
    "future",
    "self-referral",
    "shared-token",
    "refused",
    "disputed",
    "withdrawn",
    "reversed",
)
#: Those of gateway.ledger.states.PARTNER_EVENTS.
EVENTS = ("withdrawn", "refused", "reinstated", "confirmed", "placed")

_said_id_option = click.option(
    "--id", "event_id", default="", metavar="ID", help="The partner's number of what it said, if it has one."
)
_by_option = click.option(
    "--by",
    type=click.Choice(["company", "partner"]),
    default="company",
    show_default=True,
    help="Whose word this is.",
)
_state_option = click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only these; several times for several.",
)


@click.command("list")
@config_option
@last_option
@_state_option
@click.option("--flagged", is_flag=True, help="Only those that somebody may want to look at.")
@click.option("--company", metavar="ID", default="", help="Only this company's.")
@click.option("--partner", metavar="ID", default="", help="Only this partner's.")
@json_option
def list_(
    *,
    config_path: Path,
    last: int,
    states: tuple[str, ...],
    flagged: bool,
    company: str,
    partner: str,
    as_json: bool,
) -> None:
    """The newest registrations, newest first; times are local."""
    from gateway.store.views import RegistrationFilter, last_registrations

    _, store = open_config(config_path)
    wanted = RegistrationFilter(states=states, company=company, partner=partner, flagged=flagged)
    with store:
        store.rematch()
        with store.reading() as connection:
            found = last_registrations(connection, last, wanted)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no registrations" + (" that are meant" if states or flagged or company else " yet"))
    else:
        rows: list[list[object]] = [["REGISTERED", "ID", "STATE", "REASON", "COMPANY", "CAMPAIGN", "FLAGS"]]
        rows += [
            [
                local_text(one["registered_at"]),
                one["id"],
                one["state"],
                one["reason"],
                one["company"],
                one["campaign"],
                one["flags"],
            ]
            for one in found
        ]
        print_table(rows)


@click.command()
@config_option
@click.argument("registration", metavar="ID")
@click.option("--partner", metavar="ID", help="Whose id it is, where several partners have it.")
@json_option
def show(*, config_path: Path, registration: str, partner: str | None, as_json: bool) -> None:
    """The whole story of one registration: what was said, decided, booked, and why.

    ID is the partner's number of the registration, or # and ours.
    """
    from gateway.store.said import find_registration
    from gateway.store.views import story

    _, store = open_config(config_path)
    with store:
        store.rematch()
        with store.reading() as connection:
            found = story(connection, find_registration(connection, registration, partner))
    if as_json:
        print_json(found)
    else:
        _tell_story(found)


def _tell_story(found: Mapping[str, object]) -> None:
    click.echo(f"Registration {found['id']} of {found['partner']} (#{found['number']})")
    counts = "a referral" if found["counts"] else "no referral"
    click.echo(f"  state       {found['state']}: {found['why']}; {counts}")
    if found["flags"]:
        click.echo(f"  look at     {found['flags']}")
    click.echo(f"  registered  {local_text(found['registered_at'])}")
    click.echo(f"  received    {local_text(found['received_at'])} by {found['source']}")
    send = found["send"]
    if isinstance(send, Mapping):
        purged = (
            " (the send itself is purged)"
            if send["purged"]
            else "".join(f", {send[name]}" for name in ("campaign", "rule") if send[name])
        )
        click.echo(
            f"  send        {send['token']} by {found['matched_by']}, {local_text(send['sent_at'])}{purged}"
        )
        place = "credit to" if found["counts"] else "belongs to"
        click.echo(
            f"  {place:<10}  {found['company']} / {found['campaign']} {found['department'] or ''}".rstrip()
        )
    rules = f", rules {found['ruleset']}" if found["ruleset"] else ""
    click.echo(f"  decided     matcher {found['matcher'] or '-'}, settings {found['settings'] or '-'}{rules}")
    if found["dispute_until"]:
        click.echo(f"  dispute     until {local_text(found['dispute_until'])}")
    others = found["others"]
    if isinstance(others, list) and others:
        click.echo("  see also    " + ", ".join(f"{one['id']} ({one['state']})" for one in others))
    click.echo("What happened:")
    events = found["events"]
    for event in events if isinstance(events, list) else ():
        words = [
            str(event[name])
            for name in ("state", "reason", "evidence", "outcome", "operator")
            if event.get(name)
        ]
        if isinstance(until := event.get("until"), int):
            words.append(f"until {local(until)}")
        click.echo(f"  {local_text(event['at'])}  {event['kind']:<10} {', '.join(words)}")
    booked = found["postings"]
    if isinstance(booked, list) and booked:
        click.echo("In the books:")
        for posting in booked:
            click.echo(
                f"  {local_text(posting['recorded_at'])}  {posting['kind']:<10} "
                f"{posting['company']} / {posting['campaign']} (posting {posting['posting']})"
            )


@click.command()
@config_option
@export_options
@_state_option
def export(*, config_path: Path, kind: str, out: Path | None, excel: bool, states: tuple[str, ...]) -> None:
    """All registrations, oldest first, with times in UTC (ISO 8601). Nothing about people."""
    from gateway.store.views import REGISTRATION_FIELDS, RegistrationFilter, all_registrations

    _, store = open_config(config_path)
    with store:
        store.rematch()
        with store.reading() as connection:
            found = all_registrations(connection, RegistrationFilter(states=states))
            write_records(REGISTRATION_FIELDS, found, kind=kind, out=out, excel=excel)


@click.command()
@config_option
@click.argument("registration", metavar="ID")
@click.argument("event", type=click.Choice(EVENTS))
@partner_option
@click.option("--id", "event_id", required=True, metavar="ID", help="The partner's number of what it said.")
@click.option("--reason", default="", metavar="TEXT", help="Why; nothing about the person.")
@click.option("--at", metavar="TIME", help="When it happened; without a zone in Japanese time. Default: now.")
@operator_option
@json_option
def event(
    *,
    config_path: Path,
    registration: str,
    event: str,
    partner: str | None,
    event_id: str,
    reason: str,
    at: str | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Note what a partner says of a registration by mail or phone, as its webhook would.

    The same number of the event again changes nothing.
    """
    from gateway.ledger.states import Event
    from gateway.store.said import EventReport

    _, store = open_config(config_path)
    with store:
        taken = store.receive_event(
            chosen_partner(store, partner),
            EventReport(
                registration=registration,
                id=event_id,
                event=Event(event),
                occurred_at=moment_option(at, end=False),
                reason=reason,
            ),
            operator_of(operator),
        )
    _tell_taken(registration, taken, as_json=as_json)


def _tell_taken(registration: str, taken: "EventTaken", *, as_json: bool) -> None:
    if taken.result == "conflict":
        raise click.ClickException(f"the event {taken.id} was something else before; nothing changed")
    if as_json:
        print_json({"registration": registration, **asdict(taken)})
        return
    known = "known already, " if taken.result == "known" else ""
    click.echo(f"{registration}: {known}now {taken.state} ({taken.reason})")


@click.command()
@config_option
@click.argument("registration", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; nothing about the person.")
@_by_option
@click.option("--evidence", default="", metavar="TEXT", help="Where the evidence is.")
@click.option(
    "--deadline",
    metavar="DATE",
    help="Until when it is to be resolved; a date means its end, in Japanese time.",
)
@_said_id_option
@click.option("--partner", metavar="ID", help="Whose id it is, where several partners have it.")
@operator_option
@json_option
def dispute(
    *,
    config_path: Path,
    registration: str,
    reason: str,
    by: str,
    evidence: str,
    deadline: str | None,
    event_id: str,
    partner: str | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Object to a decision. The books stay as they are until `registrations resolve`.

    The same again changes nothing.
    """
    _, store = open_config(config_path)
    with store:
        taken = store.dispute(
            registration,
            operator_of(operator),
            by=by,
            reason=reason,
            partner=partner,
            evidence=evidence,
            until=moment_option(deadline),
            event_id=event_id,
        )
    _tell_taken(registration, taken, as_json=as_json)


@click.command()
@config_option
@click.argument("registration", metavar="ID")
@click.option(
    "--outcome",
    type=click.Choice(["count", "reverse", "keep"]),
    required=True,
    help="count: a referral, whatever matching says (but never a second one of a person); reverse: none; "
    "keep: as without the dispute.",
)
@click.option("--reason", required=True, metavar="TEXT", help="Why; nothing about the person.")
@click.option("--company", metavar="ID", help="Whose referral it is, where no send is known.")
@_by_option
@_said_id_option
@click.option("--partner", metavar="ID", help="Whose id it is, where several partners have it.")
@operator_option
@json_option
def resolve(
    *,
    config_path: Path,
    registration: str,
    outcome: str,
    reason: str,
    company: str | None,
    by: str,
    event_id: str,
    partner: str | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """End a dispute. Who did it is recorded; the same again changes nothing.

    More than `credit.second_operator_referrals` referrals in a month that are made this way
    (`--outcome count`) wait until a second operator confirms them (`careerrelay credits confirm`).
    """
    from gateway.store.consent import Deed

    config, store = open_config(config_path)
    values = {
        "registration": registration,
        "outcome": outcome,
        "reason": reason,
        "partner": partner,
        "by": by,
        "event_id": event_id,
    }
    with store:
        whose = chosen_company(store, company) if company else ""
        deed = Deed(action="resolve", company=whose, values=values)
        taken = perform(config, store, deed, operator_of(operator))
    _tell_taken(registration, taken, as_json=as_json)
