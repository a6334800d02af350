"""One mail, from MAIL to its reply.

What always holds, whatever happens in here:

* A positive reply is given only when the next hop took every copy, or took the failure notice for those that
  it refused (promise 2).
* What goes wrong in reading, deciding, editing or in the ledger costs the link, never the mail (promise 1).
* No half mail is ever completed: a sender that breaks off, or a fault on the way, ends in `Outbound.abort`.

The steps follow "How a mail flows" in docs/design.md: the envelope is passed on as it comes; content is held
until the verdict; an untouched mail then streams through the transaction that is open; a mail with links is
taken in whole and goes out as copies.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from gateway.errors import LedgerFault, MailUnreadable, NextHopFault
from gateway.message.scan import Buffer
from gateway.message.splice import let_go
from gateway.reason import Reason
from gateway.smtp import failure
from gateway.smtp.capabilities import needs_of
from gateway.smtp.content import Unstuffer, unstuff
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.smtp.fold import Fate
from gateway.smtp.reply import Reply
from gateway.transaction.compose import Content, without_marks
from gateway.transaction.context import Services, SessionInfo
from gateway.transaction.decide import Decision, Reading, decide, left_by_rules, read_mail, view_of
from gateway.transaction.deliver import deliver, fault_reply
from gateway.transaction.linked import LinkedMail, Unlinkable, needs_lookup
from gateway.transaction.markers import PLACEHOLDER
from gateway.transaction.notice import MAX_QUOTED
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop, OpenMail, Outbound
from gateway.transaction.report import CopyReport, MailReport, ShadowReport
from gateway.transaction.settle import Settlement
from gateway.transaction.sighting import Sighting
from gateway.transaction.source import ContentRefused, SenderGone, Source, Spool, drain, need_sender
from gateway.transaction.trace import Trace

T = TypeVar("T")

#: A smaller head is put behind our `Received:` field, so that a small mail leaves in one piece.
_WORTH_JOINING = 32_768


class Transaction:
    """One mail of one session. Made at MAIL; used once.

    Args:
        lmtp: whether the sender speaks LMTP: then there is a reply for each recipient (SMTP.md rule 17).
    """

    def __init__(
        self,
        *,
        services: Services,
        policy: Policy,
        hop: NextHop,
        mail: Mail,
        session: SessionInfo,
        lmtp: bool = False,
    ) -> None:
        self._services = services
        self._policy = policy
        self._hop = hop
        self._session = session
        self._lmtp = lmtp
        self._outbound: Outbound | None = None
        self._accepted: list[Rcpt] = []
        self._named = 0
        self._report = MailReport(
            id=session.next_mail(),
            peer=session.peer,
            listener=session.listener,
            route=hop.name,
            sender=mail.path.text(),
            proven=session.proven,
            ruleset=policy.ruleset.id,
        )
        self._sighting = Sighting(services=services, policy=policy)
        self.mail = mail

    @property
    def accepted(self) -> Sequence[Rcpt]:
        """The recipients that the next hop accepted, in order."""
        return self._accepted

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Pass MAIL and RCPTs on as one group; give the replies for the sender, in order.

        The first call starts with the MAIL that this transaction was made for. Where its reply is not
        positive, the transaction is over.
        """
        try:
            if self._outbound is None:
                recipients = [command for command in commands if isinstance(command, Rcpt)]
                self._outbound = await self._hop.begin(needs_of(self.mail, recipients))
            replies = await self._outbound.envelope(commands)
        except NextHopFault as fault:
            self._services.journal.fault(f"next hop {self._hop.name}: {fault}")
            return [fault_reply(fault)] + [
                failure.NEED_MAIL if isinstance(commands[0], Mail) else fault_reply(fault)
            ] * (len(commands) - 1)
        self._named += sum(isinstance(command, Rcpt) for command in commands)
        shown = [failure.for_sender(reply, self._policy.gateway_refusals) for reply in replies]
        self._accepted += [
            command
            for command, reply in zip(commands, shown, strict=True)
            if isinstance(command, Rcpt) and reply.positive
        ]
        return shown

    async def abandon(self) -> None:
        """The sender gave the mail up before its content (RSET, QUIT, another EHLO)."""
        if self._outbound is not None:
            outbound, self._outbound = self._outbound, None
            await outbound.end()

    def abort(self) -> None:
        """The sender is gone: close what is open at the next hop."""
        if self._outbound is not None:
            outbound, self._outbound = self._outbound, None
            outbound.abort()

    async def content(self, source: Source) -> list[Reply]:
        """Take the content, send it on, and give the reply; with LMTP one for each accepted recipient.

        Raises:
            SenderGone: nobody is there to be answered any more.
        """
        begun = self._services.monotonic()
        in_hand = self._services.in_hand
        in_hand.mails += 1
        try:
            replies = await self._guarded_content(source)
        except SenderGone as error:
            self.abort()
            self._report.detail = f"sender gone: {error}"
            self._services.journal.mail(self._report)
            raise
        except BaseException:
            self.abort()
            raise
        finally:
            in_hand.mails -= 1
        self._report.octets = source.octets
        self._report.sent = self._services.monotonic() - begun - self._report.held
        self._report.reply = replies[0] if len(set(replies)) == 1 else None
        # Behind the reply: the sender doesn't wait until it is written down for people.
        asyncio.get_running_loop().call_soon(self._tell, replies)
        return replies

    def _tell(self, replies: Sequence[Reply]) -> None:
        self._services.journal.mail(self._report)
        self._sighting.tell(self._report, replies)

    async def _guarded_content(self, source: Source) -> list[Reply]:
        try:
            return await self._content(source)
        except ContentRefused as refused:
            reply = refused.reply
            self._report.detail = self._report.detail or f"refused: {reply}"
        except (SenderGone, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - nothing escapes; what is unknown is transient
            self._services.journal.fault("transaction", error)
            reply = failure.INTERNAL
        self.abort()
        await drain(source)
        return [reply] * (len(self._accepted) if self._lmtp else 1)

    # --- from the first octet of content to the verdict ---------------------------------------------------

    async def _content(self, source: Source) -> list[Reply]:
        self._services.safety.mail()
        begun = self._services.monotonic()
        head = await self._hold(source)
        self._report.held = self._services.monotonic() - begun
        envelope = Envelope(self.mail, tuple(self._accepted))
        reading, decision, opened = await self._verdict(unstuff(head), envelope, complete=source.done)
        if reading is not None and (decision.inject or decision.whole or opened is not None):
            if not source.done:
                # what was read of the head is read again in all of it: nothing is held twice meanwhile
                held = [head]
                del head, reading, decision, opened
                return await self._whole(source, held, envelope)
            replies = await self._linked(source, envelope, reading, decision, opened)
            if replies is not None:
                return replies
        cleaned = self._cleaned(reading) if reading is not None and source.done else None
        # while the rest streams nothing of the head is kept here: that would be half of a large mail's cost
        blocks = iter((head,)) if cleaned is None else cleaned.blocks(b"")
        del head, reading, decision, opened
        return await self._untouched(source, blocks, envelope)

    async def _hold(self, source: Source) -> bytes:
        """The head of the mail: all of it, or as much as the window holds."""
        segments = []
        while True:
            segments.append(await self._read(source))
            if source.done or source.octets >= self._policy.window:
                return b"".join(segments) if len(segments) > 1 else segments[0]

    async def _read(self, source: Source) -> bytes:
        segment = await source.read()
        if source.bare and self._policy.refuse_bare_newlines:
            raise ContentRefused(failure.BARE_NEWLINE)
        if self._policy.size and source.octets > self._policy.size:
            raise ContentRefused(failure.TOO_BIG)
        return segment

    async def _verdict(
        self, content: Buffer, envelope: Envelope, *, complete: bool
    ) -> tuple[Reading | None, Decision, OpenMail | None]:
        """Read, look up, decide. A fault of ours on the way gives a decision to leave the mail alone."""
        left_alone = Decision(reason=Reason.INTERNAL_FAULT)
        reading = self._try(
            "reading",
            lambda: read_mail(
                content, complete=complete, envelope=envelope, policy=self._policy, route=self._hop.name
            ),
        )
        if reading is None:
            self._note(left_alone)
            return None, left_alone, None
        if reading.looping:
            self._report.reason = Reason.LOOP
            raise ContentRefused(failure.LOOP)
        message_id = reading.message.value(b"message-id")
        self._report.message_id = (message_id or b"").decode("ascii", "backslashreplace")[:998]
        opened: OpenMail | None = None
        if not self._lmtp and needs_lookup(reading, self._named):
            try:
                opened = await LinkedMail.find(self._services.ledger, self._policy, reading, envelope)
            except LedgerFault as fault:
                decision = self._ledger_fault(fault)
                return reading, decision, None
        decision = self._try("deciding", lambda: decide(reading, envelope, self._policy)) or left_alone
        self._note(decision)
        self._compare(reading, envelope, decision)
        self._sighting.note(reading, decision)
        if decision.reason is Reason.RECIPIENTS:
            told = f"a mail to many people stays as it came: {decision.detail}"
            self._services.journal.alarm(told)
            self._services.safety.alert("recipients", told)
        return reading, decision, opened

    def _ledger_fault(self, fault: LedgerFault) -> Decision:
        """Without the ledger a mail goes untouched, or waits where the admin chose that (SMTP.md rule 22)."""
        self._services.journal.fault("ledger", fault)
        decision = Decision(reason=Reason.LEDGER_FAULT, detail=str(fault))
        self._note(decision)
        if self._policy.defer_on_ledger_fault:
            raise ContentRefused(failure.LEDGER_DEFER)
        return decision

    def _try(self, what: str, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - promise 1: a fault in rules or footer never holds a mail
            self._services.journal.fault(what, error)
            return None

    def _compare(self, reading: Reading, envelope: Envelope, decision: Decision) -> None:
        """What the candidate set would have said, where the active one was asked; for the log alone."""
        shadow = self._policy.shadow
        if shadow is None or decision.verdict is None or decision.whole:
            return
        try:
            active, candidate = decision.verdict, shadow.judge(view_of(reading, envelope))
        except Exception as error:  # noqa: BLE001 - promise 1
            self._services.journal.fault("candidate rules", error)
            return
        self._services.journal.count("shadow-judged")
        if active.matched != candidate.matched or left_by_rules(active) != left_by_rules(candidate):
            self._services.journal.count("shadow-differs")
            self._report.shadow = ShadowReport(ruleset=shadow.id, active=active, candidate=candidate)

    def _note(self, decision: Decision) -> None:
        self._report.reason = decision.reason
        self._report.detail = decision.detail
        if decision.verdict is not None:
            self._report.rule = decision.verdict.rule
            self._report.score = decision.verdict.score
            self._report.matched = decision.verdict.matched

    def _cleaned(self, reading: Reading) -> Content | None:
        """The mail without its markers, if there are any and they can be taken out."""
        stays = reading.marked.stays
        content: Content | None = None
        try:
            content = without_marks(reading, self._policy)
        except MailUnreadable as error:
            stays = f"markers stay in it: {error}"
        except Exception as error:  # noqa: BLE001 - promise 1: then the mail goes as it came
            self._services.journal.fault("taking markers out", error)
        if stays:
            self._services.journal.count("marker-left")
            self._report.detail = "; ".join(filter(None, (self._report.detail, stays)))
        elif content is not None:
            self._services.journal.count("marker-taken-out")
        return content

    # --- a mail that stays as it came ---------------------------------------------------------------------

    async def _untouched(self, source: Source, blocks: Iterable[bytes], envelope: Envelope) -> list[Reply]:
        """Send what is held and stream the rest. `blocks` are stuffed; the first holds the header."""
        outbound = self._require_outbound()
        received = Trace(self._report.id, self._session, self._policy, self._services, envelope).received(
            range(len(self._accepted))
        )
        held = iter(blocks)
        first = next(held)
        quoted = unstuff(first[:MAX_QUOTED]) if len(self._accepted) > 1 else b""
        begin = (received + first,) if len(first) < _WORTH_JOINING else (received, first)
        content = itertools.chain(begin, held)
        del first, begin
        delivery = await deliver(
            outbound,
            content,
            recipients=len(self._accepted),
            codes=self._policy.gateway_refusals,
            before_dot=lambda: need_sender(source),
            more=None if source.done else lambda: self._more(source),
            all_or_none=not self._lmtp,
        )
        if not source.done:
            await drain(source)
        host = outbound.host
        await self.abandon()
        if all(outcome.fate is Fate.TAKEN for outcome in delivery.outcomes):
            self._services.untouched_taken[self._hop.name] = self._services.monotonic()
        self._report.copies = [
            CopyReport(recipient=rcpt.path.text(), token="", host=host, fate=o.fate.value, reply=str(o.reply))
            for rcpt, o in zip(self._accepted, delivery.outcomes, strict=True)
        ]
        if self._lmtp:
            return [outcome.reply for outcome in delivery.outcomes]
        settlement = Settlement(self._services, self._policy, self._hop, envelope, host)
        reply, _ = await settlement.reply(delivery.outcomes, original=quoted, complete=False, earlier=None)
        return [reply]

    async def _more(self, source: Source) -> bytes:
        while not source.done:
            segment = await self._read(source)
            if segment:
                if PLACEHOLDER[:1] in segment and PLACEHOLDER in segment:  # base64 has no such octet
                    self._services.journal.count("marker-past-window")
                return segment
        return b""

    # --- a mail that gets links ---------------------------------------------------------------------------

    async def _whole(self, source: Source, held: list[bytes], envelope: Envelope) -> list[Reply]:
        """Take in the rest of a large mail that the verdict says to change, and decide again on all of it.

        `held` is its head, and is taken out.
        """
        spool = self._services.spool()
        try:
            left = await self._fill(spool, source, held.pop())
            if left is not None:
                self._note(Decision(reason=Reason.DISK))
                return await self._untouched(
                    source, itertools.chain(Content.untouched(spool.buffer()).blocks(b""), (left,)), envelope
                )
            content = spool.buffer()
            reading, decision, opened = await self._verdict(content, envelope, complete=True)
            let_go(content)
            if reading is not None and (decision.inject or opened is not None):
                replies = await self._linked(source, envelope, reading, decision, opened)
                if replies is not None:
                    return replies
            cleaned = (self._cleaned(reading) if reading is not None else None) or Content.untouched(content)
            return await self._untouched(source, cleaned.blocks(b""), envelope)
        finally:
            spool.close()

    async def _fill(self, spool: Spool, source: Source, segment: bytes) -> bytes | None:
        """Write this segment and all that come to the spool; give the one that found no place, or None."""
        unstuffer = Unstuffer()
        while True:
            try:
                spool.write(unstuffer(segment))
            except OSError as error:
                self._services.journal.fault("spool", error)
                return segment
            if source.done:
                return None
            segment = await self._read(source)

    async def _linked(
        self,
        source: Source,
        envelope: Envelope,
        reading: Reading,
        decision: Decision,
        opened: OpenMail | None,
    ) -> list[Reply] | None:
        """Send the copies. None where the mail has to go untouched, through what is still open."""
        linked = LinkedMail(
            services=self._services,
            policy=self._policy,
            hop=self._hop,
            envelope=envelope,
            trace=Trace(self._report.id, self._session, self._policy, self._services, envelope),
            reading=reading,
            lmtp=self._lmtp,
            source=source,
            report=self._report,
            original=self._cleaned(reading) or Content.untouched(reading.message.data),
        )
        try:
            await linked.prepare(decision, opened)
        except Unlinkable as error:
            self._services.journal.count(f"left-alone-{error.reason}")
            self._note(Decision(reason=error.reason, verdict=decision.verdict, detail=str(error)))
            return None
        except LedgerFault as fault:
            self._ledger_fault(fault)
            return None
        except (SenderGone, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - promise 1: nothing has been sent yet, so the original goes
            self._services.journal.fault("preparing copies", error)
            self._note(Decision(reason=Reason.INTERNAL_FAULT, verdict=decision.verdict))
            return None
        outbound, self._outbound = self._require_outbound(), None
        return await linked.send(outbound)

    def _require_outbound(self) -> Outbound:
        if self._outbound is None:
            raise RuntimeError("content before envelope")
        return self._outbound
