"""A footer as it goes into plain text, written once for all copies that differ in nothing but their token.

Nearly all mails of a company get the same octets but for the 26 characters of a token. So these are made once
for each footer, link form, charset and surroundings, with a token of no meaning, and cut where that stands; a
copy only joins the pieces with its own. Templates that do more with a link than write it have no such form
(`FooterText.links_only`). That a form gives what writing the footer anew would give is tried when it is made.
"""

from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from gateway.footer.place import Around, set_apart
from gateway.footer.scripts import Script
from gateway.footer.template import FooterText
from gateway.footer.values import FooterValues

# As tokens are; no footer holds the first one, or trying the form with the second shows it.
_MARK: Final = "7" + "z" * 25
_OTHER: Final = "0" * 26
# One installation has a few footers, companies and charsets; lead and trail are line ends.
_REMEMBERED: Final = 256


class Links(Protocol):
    """How a token becomes the values of a footer. Compared by value."""

    def __hash__(self) -> int: ...

    def values(self, token: str, /) -> FooterValues:
        """The values of the copy with this token."""


class Form(NamedTuple):
    """What stands before, between and behind the tokens: as text, and in the octets of a charset."""

    texts: tuple[str, ...]
    octets: tuple[bytes, ...]


@lru_cache(maxsize=_REMEMBERED)
def form_of(footer: FooterText, links: Links, script: Script, around: Around) -> Form | None:
    """The form of a footer in a text; None where it can have none, or not in this charset.

    Raises `MailUnreadable` if the template fails.
    """
    if "txt" not in footer.links_only or script.wide:
        return None
    made: list[tuple[str, bytes]] = []
    for token in (_MARK, _OTHER):
        plain = footer.render_plain(links.values(token))
        text = set_apart(plain, around)
        octets = script.write(text)
        if octets is None:
            return None
        made.append((text, octets))
    (text, octets), other = made
    form = Form(tuple(text.split(_MARK)), tuple(octets.split(_MARK.encode())))
    filled = (_OTHER.join(form.texts), _OTHER.encode().join(form.octets))
    return form if filled == other else None
