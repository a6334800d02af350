"""The roads that a mail's content takes, from its first octet to the next hop's answer.

The head is held until the verdict. A mail that stays as it came then streams through the transaction that is
open; one that gets links goes out as copies; a large one that has to be edited is taken in whole before that.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

from gateway.errors import LedgerFault
from gateway.message.splice import let_go
from gateway.message.trace import received_field
from gateway.reason import Reason
from gateway.smtp import failure
from gateway.smtp.content import Unstuffer, unstuff
from gateway.smtp.envelope import Envelope
from gateway.smtp.fold import Fate, fold, is_mixed
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

#: A smaller head is put behind our `Received:` field, so that a small mail leaves in one piece.
_WORTH_JOINING = 32_768


class Road(Examined):
    """The part of a transaction that takes content in and sends it on."""

    # --- from the first octet of content to the verdict ---------------------------------------------------

    async def _choose(self, source: Source, begun: float) -> Coroutine[Any, Any, list[Reply]]:
        """Hold the head, decide, and give the road that the mail takes: to be awaited, for the replies.

        While the mail is on its road nothing of its head is kept here: that would be half of a large mail's
        cost. `begun`: when its content began to come, on the monotonic clock.
        """
        self._services.safety.mail()
        head = await source.read()
        self._check(source)
        complete = source.done
        if not complete and source.octets < self._policy.window:
            head = await self._hold(source, head)
            complete = source.done
        self._report.held = self._services.monotonic() - begun
        envelope = Envelope(self.mail, tuple(self.accepted))
        reading, decision, opened = await self._verdict(unstuff(head), envelope, complete=complete)
        if reading is not None and (decision.footer is not None or decision.whole or opened is not None):
            if not complete:
                # what was read of the head is read again in all of it: nothing is held twice meanwhile
                return self._whole(source, [head], envelope)
            linked = await self._linked(source, envelope, reading, decision, opened)
            if linked is not None:
                return linked
        cleaned = self._cleaned(reading) if reading is not None and complete else None
        return self._untouched(source, iter((head,)) if cleaned is None else cleaned.blocks(b""), envelope)

    async def _hold(self, source: Source, segment: bytes) -> bytes:
        """The head of a mail that begins with this segment: all of it, or as much as the window holds."""
        segments = [segment]
        while not source.done and source.octets < self._policy.window:
            segments.append(await source.read())
            self._check(source)
        return b"".join(segments)

    def _check(self, source: Source) -> None:
        """Whether what came so far may pass.

        Raises:
            ContentRefused: it may not.
        """
        if self._policy.refuse_bare_newlines and source.bare:
            raise ContentRefused(failure.BARE_NEWLINE)
        if self._policy.size and source.octets > self._policy.size:
            raise ContentRefused(failure.TOO_BIG)

    def _received(self, recipients: Sequence[int]) -> bytes:
        """The `Received:` field, with the loop mark, for a copy that goes to these of the `accepted`.

        It names one only if there is no other (RFC 5321 §4.4 and §7.2; SMTP.md rule 13).
        """
        session, policy = self._session, self._policy
        return received_field(
            helo=session.helo,
            peer=session.peer,
            hostname=policy.hostname,
            protocol=session.protocol,
            recipient=self.accepted[recipients[0]].path.raw if len(recipients) == 1 else None,
            session_id=self._report.id,
            date=self._services.date(),
            mark_key=policy.secrets.mark,
        )

    # --- a mail that stays as it came ---------------------------------------------------------------------

    async def _untouched(self, source: Source, blocks: Iterable[bytes], envelope: Envelope) -> list[Reply]:
        """Send what is held and stream the rest. `blocks` are stuffed; the first holds the header."""
        outbound = self._require_outbound()
        recipients = len(self.accepted)
        received = self._received(range(recipients))
        held = iter(blocks)
        first = next(held)
        quoted = unstuff(first[:MAX_QUOTED]) if recipients > 1 else b""
        begin = (received + first,) if len(first) < _WORTH_JOINING else (received, first)
        content = itertools.chain(begin, held)
        del blocks, held, first, begin
        delivery = await deliver(
            outbound,
            content,
            recipients=recipients,
            codes=self._policy.gateway_refusals,
            before_dot=partial(need_sender, source),
            more=None if source.done else partial(self._more, source),
            all_or_none=not self._lmtp,
        )
        if not source.done:
            await drain(source)
        host, outcomes = outbound.host, delivery.outcomes
        await self.abandon()
        taken = 0
        for rcpt, (fate, reply) in zip(self.accepted, outcomes, strict=True):
            taken += fate is Fate.TAKEN
            self._report.copies.append(
                CopyReport(recipient=rcpt.path.text, token="", host=host, fate=fate, reply=reply.shown)
            )
        if taken == recipients:
            self._services.untouched_taken[self._report.route] = self._services.monotonic()
        if self._lmtp:
            return [outcome.reply for outcome in outcomes]
        if not is_mixed(outcomes):
            return [fold(outcomes)]
        settlement = Settlement(self._services, self._policy, self._hop, envelope, host)
        reply, _ = await settlement.reply(outcomes, original=quoted, complete=False, earlier=None)
        return [reply]

    async def _more(self, source: Source) -> bytes:
        while not source.done:
            segment = await source.read()
            self._check(source)
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
                    source, itertools.chain(Content(spool.buffer()).blocks(b""), (left,)), envelope
                )
            content = spool.buffer()
            reading, decision, opened = await self._verdict(content, envelope, complete=True)
            let_go(content)
            if reading is not None and (decision.footer is not None or opened is not None):
                linked = await self._linked(source, envelope, reading, decision, opened)
                if linked is not None:
                    return await linked
            cleaned = (self._cleaned(reading) if reading is not None else None) or Content(content)
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
            segment = await source.read()
            self._check(source)

    async def _linked(
        self,
        source: Source,
        envelope: Envelope,
        reading: Reading,
        decision: Decision,
        opened: OpenMail | None,
    ) -> Coroutine[Any, Any, list[Reply]] | None:
        """The road of the copies, once they are promised. None where the mail has to go untouched."""
        linked = LinkedMail(
            services=self._services,
            policy=self._policy,
            hop=self._hop,
            envelope=envelope,
            received=self._received,
            reading=reading,
            lmtp=self._lmtp,
            source=source,
            report=self._report,
            original=self._cleaned(reading) or Content(reading.message.data),
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
        return linked.send(outbound)

    async def abandon(self) -> None:
        """The sender gave the mail up before its content (RSET, QUIT, another EHLO)."""
        if self._outbound is not None:
            outbound, self._outbound = self._outbound, None
            await outbound.end()

    def _require_outbound(self) -> Outbound:
        if self._outbound is None:
            raise RuntimeError("content before envelope")
        return self._outbound
