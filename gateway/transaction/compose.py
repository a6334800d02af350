"""A copy's bytes: the mail with one recipient's footer and our own fields, checked and signed."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.dkim.sign import SigningFault, sign, sign_blocks
from gateway.dkim.treatment import UNSIGNED, Treatment
from gateway.errors import MailUnreadable
from gateway.footer.check import check_edit, idle_spans
from gateway.footer.compose import FooterPlan, nothing_of, prepare_removal
from gateway.footer.values import FooterValues
from gateway.message.agree import agrees_with_standard_library
from gateway.message.scan import Buffer, Message
from gateway.message.splice import Edit, Piece, blocks, join, let_go, splice
from gateway.message.text import MailText
from gateway.message.trace import own_id_field
from gateway.reason import Reason
from gateway.smtp.content import stuff
from gateway.token import encode_token
from gateway.transaction.decide import Reading
from gateway.transaction.policy import LinkForm, Policy

#: Octets written at a time; what is larger would only stand in the transport's buffer.
BLOCK = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a copy consists of behind its trace field: our own fields, and pieces of the mail.

    Nothing of a large mail is held twice. `fault` is why it could not be signed, where it should have been.
    """

    head: bytes
    data: Buffer
    pieces: tuple[Piece, ...]
    fault: SigningFault | None = None

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
        yield from blocks(self.data, self.pieces, BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Makes the copies of one mail. Each is checked against the original before it is given out.

    `treatment` says who signs the copies, and which signatures of the mail they replace; `marks` are edits of
    the header that take markers out; `link` is what the footer says, where it isn't the policy's own.
    """

    message: Message
    text: MailText
    footer: FooterPlan
    policy: Policy
    treatment: Treatment = UNSIGNED
    marks: tuple[Edit, ...] = ()
    link: LinkForm | None = None

    def compose(self, token: bytes) -> Content:
        """The mail with the link of `token` (16 octets), our own header field, and our signatures.

        A copy that cannot be signed goes without, and keeps the signatures that it came with; but where the
        mail may be edited only because we sign anew, the original goes.

        Raises:
            MailUnreadable: the edited mail is not the original plus the footer, or can't be signed and has to
                be; the original has to go out.
        """
        text = encode_token(token)
        values = (self.link or self.policy.link).values(text)
        return self._signed(values, own_id_field(text, self.policy.secrets.own_id))

    def clean(self) -> Content:
        """The mail without its markers and without a link, signed as a copy with one would be.

        Raises:
            MailUnreadable: as `compose`.
        """
        return self._signed(None, b"")

    def _signed(self, values: FooterValues | None, head: bytes) -> Content:
        try:
            return self._copy(values, head, self.treatment)
        except SigningFault as fault:
            if self.treatment.needed:
                raise MailUnreadable(Reason.SIGNING_FAULT, str(fault)) from fault
            return replace(self._copy(values, head, UNSIGNED), fault=fault)

    def _copy(self, values: FooterValues | None, head: bytes, treatment: Treatment) -> Content:
        data = self.message.data
        replaced = (Edit(start=old.start, end=old.end, replacement=b"") for old in treatment.replaced)
        edits = (*self.footer.edits(values), *self.marks, *replaced)
        pieces = splice(data, edits)
        if len(data) <= BLOCK:
            edited = join(data, pieces)
            check_edit(self.message, self.text, self.footer, values, edits, edited)
            if treatment.keys:
                head = sign(head, edited, treatment.keys) + head
            return Content(head=head, data=edited, pieces=((0, len(edited)),))
        # Nothing of its size is made: of the files that hang on it a few lines are looked at again.
        cuts = idle_spans(self.message, self.footer)
        shortened = join(data, splice(data, (*edits, *cuts)))
        check_edit(self.message, self.text, self.footer, values, edits, shortened, cuts)
        if treatment.keys:
            head = sign_blocks(head, blocks(data, pieces, BLOCK), treatment.keys) + head
        let_go(data)
        return Content(head=head, data=data, pieces=pieces)


def without_marks(reading: Reading, policy: Policy) -> Content | None:
    """The mail as it came, less the markers in it; None where there are none to be taken out.

    Raises:
        MailUnreadable: they have to stay.
    """
    if not reading.marked.cleans or reading.text is None:
        return None
    if not agrees_with_standard_library(reading.message):
        raise MailUnreadable(Reason.DISAGREE)
    plan = prepare_removal(reading.message, reading.text) if reading.marked.bodies else None
    return Composer(
        message=reading.message,
        text=reading.text,
        footer=plan or nothing_of(reading.message),
        policy=policy,
        treatment=reading.treatment,
        marks=reading.marked.edits,
    ).clean()


async def compose_aside(composer: Composer, token: bytes) -> Content:
    """`Composer.compose`, which for a large mail runs in a thread: no other mail waits meanwhile.

    A caller that is cancelled waits for the thread all the same, since it reads the mail's buffer.
    """
    if len(composer.message.data) <= BLOCK:
        if composer.treatment.keys:
            await asyncio.sleep(0)  # a thousand signatures take half a second; others' mail goes on between
        return composer.compose(token)
    work = asyncio.ensure_future(asyncio.to_thread(composer.compose, token))
    try:
        return await asyncio.shield(work)
    finally:
        await asyncio.wait((work,))
