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
from collections.abc import Sequence

from gateway.errors import NextHopFault
from gateway.smtp import failure
from gateway.smtp.capabilities import needs_of
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.reply import Reply
from gateway.transaction.deliver import fault_reply
from gateway.transaction.road import Road
from gateway.transaction.source import ContentRefused, SenderGone, Source, drain


class Transaction(Road):
    """One mail of one session. Made at MAIL; used once."""

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Pass MAIL and RCPTs on as one group; give the replies for the sender, in order.

        The first call starts with the MAIL that this transaction was made for. Where its reply is not
        positive, the transaction is over.
        """
        try:
            if self._outbound is None:
                self._outbound = await self._hop.begin(needs_of(self.mail, commands[1:]))
            replies = await self._outbound.envelope(commands)
        except NextHopFault as fault:
            self._services.journal.fault(f"next hop {self._hop.name}: {fault}")
            return [fault_reply(fault)] + [
                failure.NEED_MAIL if isinstance(commands[0], Mail) else fault_reply(fault)
            ] * (len(commands) - 1)
        shown = []
        for command, said in zip(commands, replies, strict=True):
            reply = failure.for_sender(said, self._policy.gateway_refusals)
            shown.append(reply)
            if isinstance(command, Rcpt):
                self._named += 1
                if reply.positive:
                    self.accepted.append(command)
        return shown

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
        report = self._report
        try:
            try:
                road = await self._choose(source, begun)
                replies = await road
            except (SenderGone, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - nothing escapes
                replies = await self._fail(source, error)
        except SenderGone as error:
            self.abort()
            report.detail = f"sender gone: {error}"
            self._services.journal.mail(report)
            raise
        except BaseException:
            self.abort()
            raise
        finally:
            in_hand.mails -= 1
        report.octets = source.octets
        report.sent = self._services.monotonic() - begun - report.held
        report.reply = replies[0] if len(replies) == 1 or len(set(replies)) == 1 else None
        # Behind the reply: the sender doesn't wait until it is written down for people.
        asyncio.get_running_loop().call_soon(self._tell, replies)
        return replies

    def _tell(self, replies: Sequence[Reply]) -> None:
        self._services.journal.mail(self._report)
        if self._sighting is not None:
            self._sighting.tell(self._services.safety, self._report, replies)

    async def _fail(self, source: Source, error: Exception) -> list[Reply]:
        """The replies to a mail that is refused here, or in which we failed: what is unknown is transient."""
        if isinstance(error, ContentRefused):
            reply = error.reply
            self._report.detail = self._report.detail or f"refused: {reply}"
        else:
            self._services.journal.fault("transaction", error)
            reply = failure.INTERNAL
        self.abort()
        await drain(source)
        return [reply] * (len(self.accepted) if self._lmtp else 1)
