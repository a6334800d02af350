"""A copy's bytes: the mail with one recipient's footer and our own fields, checked, ready for the wire."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.footer.check import check_edit
from gateway.footer.compose import FooterPlan
from gateway.message.scan import Buffer, Message
from gateway.message.splice import Piece, join, splice
from gateway.message.text import MailText
from gateway.message.trace import own_id_field
from gateway.smtp.content import stuff
from gateway.token import encode_token
from gateway.transaction.policy import Policy

#: Octets written at a time; what is larger would only stand in the transport's buffer.
BLOCK = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a copy consists of behind its trace field: our own field, and pieces of the mail.

    Nothing of a large mail is held twice.
    """

    head: bytes
    data: Buffer
    pieces: tuple[Piece, ...]

    @classmethod
    def untouched(cls, data: Buffer) -> "Content":
        """The mail as it came."""
        return cls(head=b"", data=data, pieces=((0, len(data)),))

    def blocks(self, received: bytes) -> Iterator[bytes]:
        """The stuffed octets for the wire, `received` before everything, without the final dot."""
        if len(self.data) <= BLOCK:
            return stuff((received + self.head + join(self.data, self.pieces),))
        return stuff(self._cut(received + self.head))

    def _cut(self, head: bytes) -> Iterable[bytes]:
        yield head
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            start, end = piece
            for at in range(start, end, BLOCK):
                yield self.data[at : min(at + BLOCK, end)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Makes the copies of one mail. Each is checked against the original before it is given out."""

    message: Message
    text: MailText
    footer: FooterPlan
    policy: Policy

    def compose(self, token: bytes) -> Content:
        """The mail with the link of `token` (16 octets) and our own header field.

        Raises:
            MailUnreadable: the edited mail is not the original plus the footer; the original has to go out.
        """
        text_token = encode_token(token)
        values = self.policy.link.values(text_token)
        data = self.message.data
        edits = self.footer.edits(values)
        pieces = splice(data, edits)
        edited = join(data, pieces)
        check_edit(self.message, self.text, self.footer, values, edits, edited)
        head = own_id_field(text_token, self.policy.secrets.own_id)
        if len(edited) <= BLOCK:
            return Content(head=head, data=edited, pieces=((0, len(edited)),))
        return Content(head=head, data=data, pieces=pieces)
