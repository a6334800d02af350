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
