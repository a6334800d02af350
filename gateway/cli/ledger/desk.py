"""Opening the ledger's credit for a command, who does it, and moments that are given to it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import operator

if TYPE_CHECKING:
    from gateway.config import Config, Keys
    from gateway.store.credit import CreditStore, Operator

company_option = click.option(
    "--company", metavar="ID", help="Whose books; needed where the config has several companies."
)
partner_option = click.option(
    "--partner", metavar="ID", help="Which partner; needed where the config has several."
)
operator_option = click.option(
    "--operator",
    metavar="NAME",
    envvar="CAREERRELAY_OPERATOR",
    help="Who does this, for the record. Default: your login.",
)


def open_config(path: Path) -> "tuple[Config, CreditStore]":
    """The config, and the credit of its ledger, with the key that the ledger was begun with."""
    from gateway.config import load_config
    from gateway.store.programme import open_credit

    config = load_config(path)
    return config, open_credit(config, keys_of(config))


def keys_of(config: "Config") -> "Keys":
    """The keys that the ledger was begun with.

    With another key nobody in it would be known: such a ledger is left alone. One that was begun with none
    (by `db upgrade`) takes the key file's, which is made if it isn't there, as at the gateway's first start.
    """
    from gateway.config import load_keys
    from gateway.store.migrate import KeyMatch, check_key_id, prepare, state_of

    file, url = config.gateway.key_file, config.ledger.url
    if state_of(url) is None:
        raise click.ClickException(
            f"{config.ledger.safe_url}: there is no ledger yet; `careerrelay db upgrade` makes it, "
            "or the first start of the gateway"
        )
    found = check_key_id(url, load_keys(file, create=False).id if file.exists() else "")
    if found is KeyMatch.OTHER:
        raise click.ClickException(
            f"{config.ledger.safe_url}: the ledger was begun with another key than {file}; put that key back"
        )
    keys = load_keys(file, create=found is KeyMatch.UNSET)
    if found is KeyMatch.UNSET:
        prepare(url, key_id=keys.id)
    return keys


def chosen_company(store: "CreditStore", name: str | None) -> str:
    """The company that is meant."""
    known = sorted(store.programme.companies)
    if name is None:
        sole = store.programme.sole_company
        if sole is None:
            raise click.UsageError(
                f"there are several companies: say --company with one of {', '.join(known)}"
            )
        return sole
    if name not in known:
        raise click.UsageError(f'there is no company "{name}": it is one of {", ".join(known)}')
    return name


def chosen_partner(store: "CreditStore", name: str | None) -> str:
    """The partner that is meant."""
    known = list(store.programme.partners)
    if name is None:
        if len(known) > 1:
            raise click.UsageError(
                f"there are several partners: say --partner with one of {', '.join(known)}"
            )
        return known[0]
    if name not in known:
        raise click.UsageError(f'there is no partner "{name}": it is one of {", ".join(known)}')
    return name


def operator_of(name: str | None) -> "Operator":
    """Who does it.

    A name that somebody gives for themselves is recorded with the login that gave it.
    """
    from gateway.store.credit import Operator

    given, login = (name or "").strip(), operator()
    return Operator(name=f"{given}, by {login}" if given else login)


def moment_option(text: str | None, *, end: bool = True) -> int | None:
    """A moment on the command line; without a zone in Japanese time, as months and partners' lists are.

    A date means its end, or else its first moment.
    """
    from gateway.ledger.months import parse_moment

    if text is None:
        return None
    try:
        return parse_moment(text, end=end)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(str(error)) from None


def content_of(file: Path) -> bytes:
    """What is in a list; - is standard input. What no list has is refused."""
    from gateway.ledger.listing import MAX_OCTETS

    if str(file) == "-":
        content = sys.stdin.buffer.read(MAX_OCTETS + 1)
    else:
        with file.open("rb") as stream:
            content = stream.read(MAX_OCTETS + 1)
    if len(content) > MAX_OCTETS:
        raise click.ClickException(f"{file}: larger than {MAX_OCTETS >> 20} MB; split it")
    return content
