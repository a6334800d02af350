"""A copy's bytes: the mail with one recipient's footer and our own fields, checked and signed."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.dkim.sign import SigningFault, sign, sign_blocks
from gateway.dkim.treatment import UNSIGNED, Treatment
from gateway.errors import MailUnreadable
from gateway.footer.check import check_edit, idle_spans
from gateway.footer.compose import FooterPlan, nothing_of, prepare_removal
from gateway.message.agree import agrees_with_standard_library
from gateway.message.scan import Buffer
from gateway.message.splice import Edit, Piece, blocks, join, let_go, splice
from gateway.message.trace import own_id_field
from gateway.reason import Reason
from gateway.smtp.content import stuff, stuffed
from gateway.token import encode_token
from gateway.transaction.decide import Reading
from gateway.transaction.policy import LinkForm, Policy
from gateway.transaction.report import Journal

#: Octets written at a time; what is larger would only stand in the transport's buffer.
BLOCK = 262_144


class Content(NamedTuple):
    """What a copy consists of behind its trace field: our own fields, and the mail or pieces of it.

    Nothing of a large mail is held twice. `pieces` is None where it is all of `data`; `fault` is why it could
    not be signed, where it should have been; `token` is that of the link in it, as text, empty for none. A
    named tuple and not a dataclass, since every mail makes some.
    """

    data: Buffer
    head: bytes = b""
    pieces: tuple[Piece, ...] | None = None
    fault: SigningFault | None = None
    token: str = ""

    @property
    def octets(self) -> bytes:
        """The whole of it."""
        return self.head + (self.data[:] if self.pieces is None else join(self.data, self.pieces))

    def blocks(self, received: bytes) -> Iterator[bytes]:
        """The stuffed octets for the wire, `received` before everything, without the final dot."""
        data = self.data
        if len(data) <= BLOCK:
            mail = data[:] if self.pieces is None else join(data, self.pieces)
            whole = stuffed(b"".join((received, self.head, mail)))
            return iter((whole,) if whole else ())
        return stuff(self._cut(received + self.head))

    def _cut(self, head: bytes) -> Iterable[bytes]:
        yield head
        pieces = ((0, len(self.data)),) if self.pieces is None else self.pieces
        yield from blocks(self.data, pieces, BLOCK)


class Composer(NamedTuple):
    """Makes the copies of one mail. Each is checked against the original before it is given out.

    `treatment` says who signs the copies, and which signatures of the mail they replace; `marks` are edits of
    the header that take markers out; `link` is what the footer says, where it isn't the policy's own.
    """

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
        return self._copy(text, own_id_field(text, self.policy.secrets.own_id), self.treatment)

    def clean(self) -> Content:
        """The mail without its markers and without a link, signed as a copy with one would be.

        Raises:
            MailUnreadable: as `compose`.
        """
        return self._copy("", b"", self.treatment)

    def _copy(self, token: str, head: bytes, treatment: Treatment) -> Content:
        plan, keys = self.footer, treatment.keys
        data = plan.message.data
        if token:
            runs, edits = plan.filled(self.link or self.policy.link, token)
        else:
            runs = plan.runs()
            edits = plan.edits(runs)
        edits += self.marks
        for old in treatment.replaced:
            edits.append(Edit(old.start, old.end, b""))
        pieces = splice(data, edits)
        try:
            if len(data) <= BLOCK:
                edited = join(data, pieces)
                check_edit(plan, runs, edits, edited)
                return Content(edited, sign(head, edited, keys) + head if keys else head, token=token)
            # Nothing of its size is made: of the files that hang on it a few lines are looked at again.
            cuts = idle_spans(plan)
            shortened = join(data, splice(data, (*edits, *cuts)))
            check_edit(plan, runs, edits, shortened, cuts)
            signed = sign_blocks(head, blocks(data, pieces, BLOCK), keys) + head if keys else head
            let_go(data)
            return Content(data, signed, pieces, token=token)
        except SigningFault as fault:
            if treatment.needed:
                raise MailUnreadable(Reason.SIGNING_FAULT, str(fault)) from fault
            return self._copy(token, head, UNSIGNED)._replace(fault=fault)


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
        footer=plan or nothing_of(reading.message),
        policy=policy,
        treatment=reading.treatment,
        marks=reading.marked.edits,
    ).clean()


async def compose(composer: Composer, token: bytes, journal: Journal) -> Content:
    """`Composer.compose`, so that no other mail waits meanwhile; what goes wrong is told to the journal.

    Raises:
        MailUnreadable: the copy can't be made.
    """
    try:
        if len(composer.footer.message.data) > BLOCK:
            content = await _compose_aside(composer, token)
        else:
            if composer.treatment.keys:
                await asyncio.sleep(
                    0
                )  # a thousand signatures take half a second; others' mail goes on between
            content = composer.compose(token)
    except MailUnreadable as error:
        journal.fault("copy with a link not made", error)
        raise
    if content.fault is not None:
        journal.fault("copy goes unsigned", content.fault)
        journal.count(Reason.SIGNING_FAULT)
    return content


async def _compose_aside(composer: Composer, token: bytes) -> Content:
    """`Composer.compose` of a large mail, in a thread.

    A caller that is cancelled waits for the thread all the same, since it reads the mail's buffer.
    """
    work = asyncio.ensure_future(asyncio.to_thread(composer.compose, token))
    try:
        return await asyncio.shield(work)
    finally:
        await asyncio.wait((work,))
