"""What becomes of a mail's signatures: may it be edited, who signs the copy, which fields are replaced.

SMTP.md rule 29. An edit breaks every signature that covers the body, so before it the question is whether
somebody makes a new one:

======  =================================================================================================
auto    edit if we hold the key that matters, or a system further on signs; else leave it alone
skip    never edit a mail that is signed
resign  edit if we hold the key that matters; else leave it alone
break   edit
======  =================================================================================================

The key that matters is one for the author's domain, or for a signature of a domain above it (DMARC, RFC 7489
§3.1.1, looks at those two), or one for each domain that has signed. Whatever the rule, a copy is signed with
the keys that we hold for its author and for its signatures, and a mail that nobody had signed is too. Of the
signatures that break, those go whose domain signs anew; the others stay, and count as if they were not there
(RFC 6376 §6.1). ARC fields stay as they are.
"""

from dataclasses import dataclass, field
from typing import Literal

from gateway.dkim.author import author_domain, signature_domain
from gateway.dkim.key import Keyring, SigningKey
from gateway.message.scan import Field, Message

Rule = Literal["auto", "skip", "resign", "break"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The settings. `signing_routes` are the names of the routes after which somebody else signs."""

    rule: Rule = "auto"
    keyring: Keyring = field(default_factory=Keyring)
    signing_routes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What the policy says about one mail.

    Attributes:
        allowed: whether the mail may be edited.
        keys: those that sign the edited copy.
        replaced: the signatures that are taken out, since `keys` make new ones for the same domain.
        needed: the edit is allowed only because of `keys`: without new signatures the original has to go.
    """

    allowed: bool
    keys: tuple[SigningKey, ...] = ()
    replaced: tuple[Field, ...] = ()
    needed: bool = False


#: For a copy that is not signed.
UNSIGNED = Treatment(allowed=True)


def treat(message: Message, signing: Signing, route: str) -> Treatment:
    """What the policy says about `message` on the route of this name."""
    signatures = message.head.all(b"dkim-signature")
    if signatures and signing.rule == "skip":
        return Treatment(allowed=False)
    signed_on = route in signing.signing_routes
    keyring = signing.keyring
    if not keyring.by_domain:
        free = not signatures or signing.rule == "break" or (signing.rule == "auto" and signed_on)
        return UNSIGNED if free else Treatment(allowed=False)
    author = author_domain(message)
    domains = [signature_domain(message, signature) for signature in signatures]
    needed = bool(signatures) and (signing.rule == "resign" or (signing.rule == "auto" and not signed_on))
    if needed and not _restores(keyring, author, domains):
        return Treatment(allowed=False)
    nearest = keyring.nearest(author) if author is not None else None
    signers = dict.fromkeys(
        domain for domain in (nearest, *domains) if domain is not None and keyring.holds(domain)
    )
    return Treatment(
        allowed=True,
        keys=tuple(key for domain in signers for key in keyring.by_domain[domain]),
        replaced=tuple(old for old, domain in zip(signatures, domains, strict=True) if domain in signers),
        needed=needed,
    )


def _restores(keyring: Keyring, author: str | None, domains: list[str | None]) -> bool:
    """Whether our keys give back to an edited mail what its signatures were worth."""
    held = [domain is not None and keyring.holds(domain) for domain in domains]
    if all(held):
        return True
    if author is None:
        return False
    above = (domain for domain, ours in zip(domains, held, strict=True) if ours and domain is not None)
    return keyring.holds(author) or any(author.endswith("." + domain) for domain in above)
