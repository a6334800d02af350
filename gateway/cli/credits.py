"""``careerrelay credits``: referrals and slots."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.ledger.desk import (
    chosen_company,
    company_option,
    moment_option,
    open_config,
    operator_of,
    operator_option,
)
from gateway.cli.ledger.second import confirm, perform
from gateway.cli.options import config_option, export_options, json_option, last_option
from gateway.cli.printing import local, local_text, print_json, print_table, write_records

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.store.consent import Value
    from gateway.store.credit import CreditStore
    from gateway.store.slots import Slot

_slot_option = click.option("--slot", "slot_id", type=click.IntRange(1), metavar="N", help="Which slot.")
_requisition_option = click.option(
    "--requisition", default="", metavar="TEXT", help="The requisition that the slot is for."
)


@click.group()
def credits_() -> None:
    """Referrals and slots: ten referrals (or as the contract says) buy a slot at once."""


@credits_.command()
@config_option
@company_option
@click.option(
    "--at", metavar="TIME", help="By what was recorded until then. A date means its end, in Japanese time."
)
@click.option("--slots", is_flag=True, help="Each slot too.")
@json_option
def show(*, config_path: Path, company: str | None, at: str | None, slots: bool, as_json: bool) -> None:
    """The balance: referrals, slots, what is missing for the next one, debt.

    Slots available are those granted, less reserved, redeemed and expired ones. Debt is the referrals that
    are missing under used slots after some were taken back.
    """
    from gateway.store.views import referrals_by, slot_records

    _, store = open_config(config_path)
    with store:
        whose = chosen_company(store, company)
        moment = moment_option(at)
        if moment is None:
            store.rematch()
            store.expire_slots()
        found = store.balance(whose, at=moment)
        answer: dict[str, object] = {"company": whose, **asdict(found)}
        with store.reading() as connection:
            if moment is None:
                answer["by_campaign"], answer["by_department"] = referrals_by(connection, whose)
            if slots:
                answer["slots"] = slot_records(connection, whose)
    if as_json:
        print_json(answer)
        return
    click.echo(f"{whose}" + (f" as recorded until {local(moment)}" if moment is not None else ""))
    for name, value in asdict(found).items():
        click.echo(f"  {name.replace('_', ' '):<16} {value:>6}")
    for title in ("by_campaign", "by_department"):
        parts = answer.get(title)
        if isinstance(parts, dict) and any(parts):
            shown = ", ".join(f"{name or '(none)'} {count}" for name, count in parts.items())
            click.echo(f"  {title.replace('_', ' '):<16} {shown}")
    for slot in slot_records_of(answer):
        click.echo(
            f"  slot {slot['slot']:<5} {slot['state']:<10} {slot['requisition']} "
            f"granted {local_text(slot['granted_at'])}, expires {local_text(slot['expires_at'])}"
        )


def slot_records_of(answer: dict[str, object]) -> list[dict[str, object]]:
    """The slots in an answer, if it has them."""
    found = answer.get("slots")
    return found if isinstance(found, list) else []


@credits_.command()
@config_option
@company_option
@last_option
@_slot_option
@json_option
def history(*, config_path: Path, company: str | None, last: int, slot_id: int | None, as_json: bool) -> None:
    """What was posted, newest first; times are local."""
    from gateway.store import views

    _, store = open_config(config_path)
    with store:
        whose = chosen_company(store, company)
        with store.reading() as connection:
            found = views.history(connection, whose, last=last, slot=slot_id)
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("nothing was posted yet")
        return
    rows: list[list[object]] = [
        ["RECORDED", "POSTING", "KIND", "REFERRALS", "SLOT", "REGISTRATION", "CAMPAIGN", "BY", "REASON"]
    ]
    rows += [
        [
            local_text(one["recorded_at"]),
            one["posting"],
            one["kind"],
            one["referrals"],
            one["slot"],
            f"#{one['registration']}" if one["registration"] else "",
            one["campaign"],
            one["operator"],
            one["reason"],
        ]
        for one in found
    ]
    print_table(rows)


@credits_.command()
@config_option
@company_option
@export_options
def export(*, config_path: Path, company: str | None, kind: str, out: Path | None, excel: bool) -> None:
    """All postings, oldest first, each with its hash; times in UTC (ISO 8601)."""
    from gateway.store import views

    _, store = open_config(config_path)
    with store:
        whose = chosen_company(store, company)
        with store.reading() as connection:
            found = views.all_postings(connection, whose)
            write_records(views.POSTING_FIELDS, found, kind=kind, out=out, excel=excel)


def _act(
    config_path: Path,
    company: str | None,
    *,
    as_json: bool,
    act: "Callable[[Config, CreditStore, str], Slot]",
) -> None:
    config, store = open_config(config_path)
    with store:
        store.rematch()
        slot = act(config, store, chosen_company(store, company))
    if as_json:
        from gateway.store.views import slot_record

        print_json(slot_record(slot))
    else:
        meant = f" for {slot.requisition}" if slot.requisition else ""
        click.echo(f"slot {slot.id} is {slot.state}{meant}")


@credits_.command()
@config_option
@company_option
@_requisition_option
@_slot_option
@operator_option
@json_option
def reserve(
    *,
    config_path: Path,
    company: str | None,
    requisition: str,
    slot_id: int | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Reserve a slot for a requisition; the one that expires first.

    The same requisition again gives the slot that it has.
    """
    _act(
        config_path,
        company,
        as_json=as_json,
        act=lambda _, store, whose: store.reserve(
            whose, operator_of(operator), requisition=requisition, slot_id=slot_id
        ),
    )


@credits_.command()
@config_option
@company_option
@_requisition_option
@_slot_option
@operator_option
@json_option
def redeem(
    *,
    config_path: Path,
    company: str | None,
    requisition: str,
    slot_id: int | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Use a slot for a hire: a reserved one, else one that is reserved first.

    A requisition that has used its slot already gets that one, and nothing changes. More than
    `credit.second_operator_slots` in a month wait until a second operator confirms them.
    """
    from gateway.store.consent import Deed

    def act(config: "Config", store: "CreditStore", whose: str) -> "Slot":
        wanted = {"requisition": requisition, "slot_id": slot_id}
        deed = Deed(action="redeem", company=whose, values=wanted)
        slot: Slot = perform(config, store, deed, operator_of(operator))
        return slot

    _act(config_path, company, as_json=as_json, act=act)


@credits_.command("return")
@config_option
@company_option
@_requisition_option
@_slot_option
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@operator_option
@json_option
def give_back(
    *,
    config_path: Path,
    company: str | None,
    requisition: str,
    slot_id: int | None,
    reason: str,
    operator: str | None,
    as_json: bool,
) -> None:
    """The hire fell through (a used slot comes back), or a reserved slot isn't needed."""
    _act(
        config_path,
        company,
        as_json=as_json,
        act=lambda _, store, whose: store.give_back(
            whose, operator_of(operator), requisition=requisition, slot_id=slot_id, reason=reason
        ),
    )


@credits_.command()
@config_option
@company_option
@click.option("--referrals", type=int, required=True, metavar="N", help="So many more, or (-N) fewer.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stays in the books.")
@click.option("--campaign", default="", metavar="NAME", help="The campaign that it belongs to.")
@operator_option
@json_option
def adjust(
    *,
    config_path: Path,
    company: str | None,
    referrals: int,
    reason: str,
    campaign: str,
    operator: str | None,
    as_json: bool,
) -> None:
    """Correct the referrals by hand; slots follow. Who did it, and why, is recorded.

    More than `credit.second_operator_referrals` in a month, up and down taken together, wait until a second
    operator confirms them.
    """
    from gateway.store.consent import Deed

    if not 0 < abs(referrals) <= 1_000_000:
        raise click.UsageError("--referrals is a number other than 0, and at most a million")
    config, store = open_config(config_path)
    with store:
        whose = chosen_company(store, company)
        values: dict[str, Value] = {"referrals": referrals, "reason": reason, "campaign": campaign}
        deed = Deed(action="adjust", company=whose, values=values)
        found = perform(config, store, deed, operator_of(operator))
    if as_json:
        print_json({"company": whose, **asdict(found)})
    else:
        click.echo(f"{whose}: {found.referrals} referrals, {found.slots_available} slots available")


credits_.add_command(confirm)
command = credits_
