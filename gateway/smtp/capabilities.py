"""What a server says it can do (EHLO), and what the gateway may say in its own name.

RFC 5321 §4.1.1.1; SMTP.md rule 10.

The gateway advertises what both it and the next hop can do, since a sender acts on what it reads: a mail
server bounces at once where SMTPUTF8 is missing or SIZE is small, and re-encodes bodies where 8BITMIME is
missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.smtp.envelope import OWN_OCTETS, Mail, Rcpt
from gateway.smtp.reply import Reply

#: Keywords that every next hop of a listener must have before the gateway offers them.
ALL_MUST_HAVE = (b"8BITMIME", b"DSN", b"CHUNKING")
#: Keywords that are offered when any next hop has them: the refusal of another stands on its own.
ANY_MAY_HAVE = (b"SMTPUTF8", b"REQUIRETLS")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The EHLO keywords of one server, upper case, with their parameters as octets."""

    keywords: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def parse(cls, reply: Reply) -> "Capabilities":
        """Read the lines behind the first of an EHLO reply.

        ``AUTH=LOGIN``, as servers from before RFC 2554 write it, is read as ``AUTH LOGIN``.
        """
        pairs = []
        for line in reply.lines[1:]:
            word, _, parameters = line.strip().partition(b" ")
            keyword, _, first = word.partition(b"=")
            if keyword:
                pairs.append((keyword.upper(), (first + b" " + parameters).strip()))
        return cls(tuple(pairs))

    def __contains__(self, keyword: object) -> bool:
        return any(name == keyword for name, _ in self.keywords)

    def parameters(self, keyword: bytes) -> bytes:
        """The parameters of `keyword`; empty where it is missing or has none."""
        return next((parameters for name, parameters in self.keywords if name == keyword), b"")

    def without(self, keyword: bytes) -> "Capabilities":
        """The same less one keyword."""
        if keyword not in self:
            return self
        return Capabilities(tuple(pair for pair in self.keywords if pair[0] != keyword))

    @property
    def size(self) -> int:
        """The largest mail that the server takes (RFC 1870); 0 where it names none."""
        value = self.parameters(b"SIZE")
        # RFC 1870 §4 has 20 digits at most; more would only cost time to read.
        return int(value) if value.isdigit() and len(value) <= 20 else 0

    def can_carry(self, needs: frozenset[bytes]) -> bool:
        """Whether the server has every extension in `needs`."""
        return all(need in self for need in needs)


def needs_of(mail: Mail, behind: Sequence[Mail | Rcpt] = ()) -> frozenset[bytes]:
    """The extensions that a mail asks of a next hop, by the parameters of its MAIL and what stands behind."""
    needs = mail.parameters.needs
    for command in behind:
        if command.parameters.needs:
            needs |= command.parameters.needs
    return needs


def advertise(next_hops: Sequence[Capabilities], *, own_size: int) -> tuple[bytes, ...]:
    """The EHLO lines of the gateway for a listener whose mail may go to any of `next_hops`.

    Args:
        next_hops: what each of them said after TLS and AUTH; at least one.
        own_size: the gateway's own limit in octets; 0 for none.
    """
    lines = [b"PIPELINING"]
    sizes = [max(hop.size - OWN_OCTETS, 1) if hop.size else 0 for hop in next_hops]
    size = 0 if 0 in sizes else max(sizes)
    if own_size:
        size = min(size, own_size) if size else own_size
    lines.append(b"SIZE %d" % size if size else b"SIZE")
    lines += [keyword for keyword in ALL_MUST_HAVE if all(keyword in hop for hop in next_hops)]
    lines += [keyword for keyword in ANY_MAY_HAVE if any(keyword in hop for hop in next_hops)]
    lines.append(b"ENHANCEDSTATUSCODES")
    return tuple(lines)
