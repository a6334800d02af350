"""ESMTP parameters of MAIL and RCPT, with the bytes and the case that they came in (RFC 5321 §4.1.2)."""

import re
from dataclasses import dataclass, field
from types import MappingProxyType

#: The extension that a MAIL or RCPT parameter belongs to. What is not named here is nobody's.
EXTENSION_OF_PARAMETER = MappingProxyType(
    {
        b"SIZE": b"SIZE",
        b"BODY": b"8BITMIME",
        b"SMTPUTF8": b"SMTPUTF8",
        b"RET": b"DSN",
        b"ENVID": b"DSN",
        b"NOTIFY": b"DSN",
        b"ORCPT": b"DSN",
        b"AUTH": b"AUTH",
        b"REQUIRETLS": b"REQUIRETLS",
    }
)
#: Extensions that are no need: a server without SIZE just doesn't take the hint, and AUTH= may be left out
#: (RFC 4954 §5).
_HINTS = (b"SIZE", b"AUTH")

_PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20\x7f]*))?\Z")


class ParameterError(ValueError):
    """The parameters are not of RFC 5321's form, or one is given twice."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one command, in order.

    Attributes:
        items: pairs of the upper-case keyword and the raw octets.
        keywords: the keywords in upper case.
        wire: the octets to put behind the path: each parameter with a blank before it.
        needs: the extensions without which a mail can't go on. BODY=7BIT says nothing, and needs none.
    """

    items: tuple[tuple[bytes, bytes], ...] = ()
    keywords: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    wire: bytes = field(init=False, repr=False, compare=False)
    needs: frozenset[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keywords", tuple([keyword for keyword, _ in self.items]))
        object.__setattr__(self, "wire", b"".join([b" " + word for _, word in self.items]))

        needs = [
            EXTENSION_OF_PARAMETER[keyword]
            for keyword, word in self.items
            if keyword in EXTENSION_OF_PARAMETER and word.upper() != b"BODY=7BIT"
        ]
        object.__setattr__(self, "needs", frozenset(needs).difference(_HINTS))

    @classmethod
    def parse(cls, raw: bytes) -> "Parameters":
        """Read what follows the path.

        Raises:
            ParameterError: with a text that is safe to show to the peer.
        """
        items: list[tuple[bytes, bytes]] = []
        seen: set[bytes] = set()
        for word in raw.replace(b"\t", b" ").split(b" "):
            if not word:
                continue
            found = _PARAMETER.match(word)
            if found is None:
                raise ParameterError("malformed parameter")
            keyword = found.group(1).upper()
            if keyword in seen:
                raise ParameterError("parameter given twice")
            seen.add(keyword)
            items.append((keyword, word))
        return cls(tuple(items))

    def get(self, keyword: bytes) -> bytes | None:
        """The value of `keyword` (upper case) as it came.

        Empty where it has none; None where it is not given.
        """
        for name, word in self.items:
            if name == keyword:
                return word.partition(b"=")[2]
        return None

    def without(self, *keywords: bytes) -> "Parameters":
        """The same parameters less the named ones."""
        return Parameters(tuple(item for item in self.items if item[0] not in keywords))


#: What a command without parameters has.
NO_PARAMETERS = Parameters()
