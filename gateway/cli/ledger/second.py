"""What one operator may not do alone: it is asked for, and another one confirms it (``credits confirm``)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.ledger.desk import open_config, operator_option
from gateway.cli.logins import Login
from gateway.cli.options import config_option, json_option, operator
from gateway.cli.printing import local, print_json, print_table

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.store.consent import Deed, Request
    from gateway.store.credit import CreditStore, Operator

_BY = ", by "


def perform(config: "Config", store: "CreditStore", deed: "Deed", who: "Operator") -> Any:  # noqa: ANN401 - what the store gives, each deed its own
    """Do it, or have it wait for a second operator where it is more than one may do alone."""
    from gateway.store.consent import WAITS_DAYS, WantsSecond

    try:
        return _do(config, store, deed, who)
    except WantsSecond as much:
        own = Login.own()
        number = store.ask(deed, who, (own.uid, own.login))
        hint = ""
        if own.login is None and _BY not in who.name:
            hint = " (where all share this account: ask for it again with --operator YOUR-NAME)"
        raise click.ClickException(
            f"{much} want a second operator. Nothing was done yet: within {WAITS_DAYS} days somebody else, "
            f"with a login of their own, runs `careerrelay credits confirm {number}`{hint}"
        ) from None


def _do(config: "Config", store: "CreditStore", deed: "Deed", who: "Operator") -> object:
    values: dict[str, Any] = dict(deed.values)
    terms = config.credit
    if deed.action == "redeem":
        return store.redeem(deed.company, who, limit=terms.second_operator_slots, **values)
    values["limit"] = terms.second_operator_referrals
    if deed.action == "adjust":
        return store.adjust(deed.company, who, **values)
    return store.resolve(values.pop("registration"), who, company=deed.company, **values)


@click.command()
@config_option
@click.argument("number", type=click.IntRange(1), required=False, metavar="[NUMBER]")
@operator_option
@json_option
def confirm(*, config_path: Path, number: int | None, operator: str | None, as_json: bool) -> None:
    """Say yes to what another operator asked for; it is done then. Without NUMBER: what waits.

    Somebody else is who logged in as somebody else, whatever account (sudo) the command then runs as. Where
    the system can't tell, since everybody shares one account, both have to give their names (--operator).
    """
    config, store = open_config(config_path)
    with store:
        if number is None:
            _list(store.requests(), as_json=as_json)
            return
        request = store.request(number)
        second = _second(request, (operator or "").strip())
        store.rematch()
        perform(config, store, request.deed, second)
    if as_json:
        print_json(_record(request) | {"second": second.second})
    else:
        click.echo(f"done: {_words(request)}")


def _second(request: "Request", given: str) -> "Operator":
    """Who says yes, if that is somebody else than who asked."""
    from gateway.store.credit import Operator

    own, account = Login.own(), operator()
    asked = Login(uid=request.login[0], login=request.login[1])
    other = own.is_other_than(asked)
    if other is False:
        raise click.ClickException(f"{request.operator} asked for it: somebody else has to say yes")
    if other is None:
        taken = request.operator.partition(_BY)[0] if _BY in request.operator else ""
        names = {taken.casefold(), account.partition(" (")[0].casefold()}
        if not taken or not given or given.casefold() in names:
            raise click.ClickException(
                f"{account} asked for it, an account that several may share: "
                "who asks and who says yes both have to say who they are (--operator NAME)"
            )
    me = f"{given}{_BY}{account}" if given else account
    return Operator(name=request.operator, second=me, request=request.number)


def _list(requests: "list[Request]", *, as_json: bool) -> None:
    if as_json:
        print_json([_record(one) for one in requests])
    elif not requests:
        click.echo("nothing waits for a second operator")
    else:
        rows: list[list[object]] = [["NUMBER", "ASKED", "BY", "WHAT"]]
        rows += [[one.number, local(one.at), one.operator, _words(one)] for one in requests]
        print_table(rows)


def _record(request: "Request") -> dict[str, object]:
    from gateway.store.flat import iso

    return {
        "request": request.number,
        "at": iso(request.at),
        "operator": request.operator,
        "action": request.deed.action,
        "company": request.deed.company,
        "values": dict(request.deed.values),
    }


def _words(request: "Request") -> str:
    """What it is, in words."""
    deed = request.deed
    said = ", ".join(f"{name} {value}" for name, value in deed.values.items() if value not in (None, ""))
    return f"{deed.action}{f' for {deed.company}' if deed.company else ''}{f': {said}' if said else ''}"
