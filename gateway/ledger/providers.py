"""Mail providers where two spellings of an address are one mailbox. Data, with the source of each line.

Only what the provider itself says is here. Where it says nothing (any company's own domain, even when it
is hosted by one of these), spellings stay apart: to take two people for one would cost a referral, and is
worse than a look-up by address that finds nothing, since the token finds it anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How a provider reads local parts.

    Attributes:
        domain: the one of its domains that stands for all of `aliases`.
        aliases: domains under which the same local part is the same mailbox.
        ignored: characters of a local part that the provider doesn't see.
        tag: the character from which on a local part is ignored; empty where there is none.
    """

    domain: str
    aliases: tuple[str, ...] = ()
    ignored: str = ""
    tag: str = "+"


_PROVIDERS = (
    # "Dots don't matter in Gmail addresses"; googlemail.com and plus addresses: Gmail Help.
    Provider(domain="gmail.com", aliases=("googlemail.com",), ignored="."),
    # Plus addressing is on for all consumer mailboxes; each domain has names of its own: Outlook support.
    Provider(domain="outlook.com"),
    Provider(domain="outlook.jp"),
    Provider(domain="hotmail.com"),
    Provider(domain="hotmail.co.jp"),
    Provider(domain="live.com"),
    Provider(domain="live.jp"),
    Provider(domain="msn.com"),
    # Who has name@mac.com or name@me.com has name@icloud.com too; plus addresses: Apple support.
    Provider(domain="icloud.com", aliases=("me.com", "mac.com")),
    # Dots, hyphens and underscores are not told apart, and the domains share their names: Proton support.
    Provider(domain="proton.me", aliases=("protonmail.com", "pm.me"), ignored=".-_"),
    # Plus addressing: Fastmail help.
    Provider(domain="fastmail.com"),
)

#: By domain, each provider's aliases too.
PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {domain: provider for provider in _PROVIDERS for domain in (provider.domain, *provider.aliases)}
)
