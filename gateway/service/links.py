"""Links for mail that never passes the gateway: by the config, and by the same rules as the mail path."""

from collections.abc import Callable, Sequence

from gateway.config import AddressPatterns, Config, Excluded, Keys
from gateway.config.link_url import with_token
from gateway.store.links import Given, LinkDesk, Wanted
from gateway.store.programme import own_address_test, person_keys, programme_of

#: With who asks, as the ledger is to name the sender.
Issue = Callable[[LinkDesk, Sequence[Wanted], str], list[Given]]


def link_for(config: Config, campaign: str, token: str) -> str:
    """The link of a campaign with this token."""
    own = next((one.url for one in config.campaign if one.id == campaign and one.url is not None), None)
    return config.link.for_token(token) if own is None else with_token(own, token)


def issuing(config: Config, keys: Keys, excluded: Excluded) -> Issue:
    """How links are given by this config.

    Raises:
        ConfigError: a matching key file can't be read.
    """
    programme, people = programme_of(config), person_keys(config, keys)
    patterns, is_own = AddressPatterns(excluded.recipients), own_address_test(config)

    def refuse(address: str) -> str:
        if is_own(address):
            return "own-address"
        return "excluded" if patterns.matches(address) else ""

    def issue(desk: LinkDesk, wanted: Sequence[Wanted], by: str) -> list[Given]:
        return desk.issue(
            wanted,
            programme=programme,
            keys=people,
            mail_key=keys.mail,
            refuse=refuse,
            sender=by,
            frequency_days=config.rules.frequency_days,
            keep_plain=config.ledger.store_addresses,
        )

    return issue
