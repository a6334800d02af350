"""The roads that a mail's content takes, from its first octet to the next hop's answer.

The head is held until the verdict. A mail that stays as it came then streams through the transaction that is
open; one that gets links goes out as copies; a large one that has to be edited is taken in whole before that.
"""

import asyncio
import itertools
from collections.abc import Iterable

from gateway.errors import LedgerFault
from gateway.message.splice import let_go
from gateway.reason import Reason
from gateway.smtp import failure
from gateway.smtp.content import Unstuffer, unstuff
from gateway.smtp.envelope import Envelope
from gateway.smtp.fold import Fate
from gateway.smtp.reply import Reply
from gateway.transaction.compose import Content
from gateway.transaction.decide import Decision, Reading
from gateway.transaction.deliver import deliver
from gateway.transaction.examined import Examined
from gateway.transaction.linked import LinkedMail, Unlinkable
from gateway.transaction.markers import PLACEHOLDER
from gateway.transaction.notice import MAX_QUOTED
from gateway.transaction.ports import OpenMail, Outbound
from gateway.transaction.report import CopyReport
from gateway.transaction.settle import Settlement
from gateway.transaction.source import ContentRefused, SenderGone, Source, Spool, drain, need_sender
from gateway.transaction.trace import Trace

#: A smaller head is put behind our `Received:` field, so that a small mail leaves in one piece.
_WORTH_JOINING = 32_768


class Road(Examined):
    """The part of a transaction that takes content in and sends it on."""

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
            CopyReport(recipient=rcpt.path.text, token="", host=host, fate=o.fate.value, reply=str(o.reply))
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

    async def abandon(self) -> None:
        """The sender gave the mail up before its content (RSET, QUIT, another EHLO)."""
        if self._outbound is not None:
            outbound, self._outbound = self._outbound, None
            await outbound.end()

    def _require_outbound(self) -> Outbound:
        if self._outbound is None:
            raise RuntimeError("content before envelope")
        return self._outbound
