"""Tells people by mail what happened in the books (`[notify]`): a slot was granted, a dispute was opened.

One worker of each node looks; only one of them sends, by what `gateway.store.news` keeps. Whoever
wrote it, a webhook, a command, another node, is all the same: it is in the ledger. A fault here is a line in
the log and stops no mail.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from gateway.config import Config
from gateway.service.alerts import Letter
from gateway.store.credit import CreditStore
from gateway.store.news import Fact, News, Topic, postpone, take, told
from gateway.transaction.report import Journal

#: How often the ledger is asked.
LOOK_SECONDS = 5.0
#: One attempt to send may take so long; less than `gateway.store.news.LEASE`.
SEND_SECONDS = 120.0

#: Sends to these; gives those for whom another attempt is worth it.
Send = Callable[[Sequence[str], Letter], Awaitable[list[str]]]


class Notifier:
    """Made once a worker that has this to do; `run` goes on until it is cancelled."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        open_store: Callable[[], CreditStore],
        send: Send,
        journal: Journal,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Nothing is opened before somebody is to be told.

        Args:
            config: what holds now.
            open_store: opens the books.
            send: one attempt to send.
            journal: for the log.
            now: microseconds since 1970.
        """
        self._config = config
        self._open = open_store
        self._send = send
        self._journal = journal
        self._store: CreditStore | None = None
        # Until when nobody wanted to be told: what was recorded before that is no news.
        self._since = dict.fromkeys(Topic, now())
        self._now = now

    async def run(self) -> None:
        """Look, and tell, again and again."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if self._store is not None:
                await asyncio.to_thread(self._store.close)

    async def look(self) -> None:
        """Tell what is new. Never raises for what ledger and next hop do."""
        for topic in Topic:
            people = people_of(self._config(), topic)
            if not people:
                self._since[topic] = self._now()
                continue
            try:
                await self._tell(topic, people)
            except Exception as error:  # noqa: BLE001 - mail of others is what matters
                self._journal.fault(f"notification of {topic.value}", error)

    async def _tell(self, topic: Topic, people: Sequence[str]) -> None:
        if self._store is None:
            self._store = await asyncio.to_thread(self._open)
        store = self._store
        news = await asyncio.to_thread(take, store, topic, since=self._since[topic])
        if news is None:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                left = await self._send(people, letter_of(news))
        except BaseException:
            await asyncio.to_thread(postpone, store, news)
            raise
        if len(left) == len(people):
            seconds = await asyncio.to_thread(postpone, store, news)
            self._journal.fault(f"notification of {topic.value} is tried again in {seconds} s")
            return
        if left:
            self._journal.fault(f"notification of {topic.value}: {len(left)} of {len(people)} did not get it")
        pause = self._config().notify.every_seconds
        await asyncio.to_thread(told, store, news, pause_seconds=pause)


def people_of(config: Config, topic: Topic) -> Sequence[str]:
    """Who is to be told of this."""
    notify = config.notify
    return notify.slot_granted if topic is Topic.SLOT_GRANTED else notify.dispute_opened


def letter_of(news: News) -> Letter:
    """The mail about these. Nothing about a person is in it, nor any text that somebody wrote."""
    if news.topic is Topic.SLOT_GRANTED:
        subject = "CareerRelay: a free placement slot was granted"
        head = "Referrals have earned a free placement slot:", "紹介の実績により、無料枠が付与されました。"
        lines = [_granted(fact) for fact in news.facts]
        commands = ["careerrelay credits show --slots", "careerrelay credits reserve"]
    else:
        subject = "CareerRelay: a dispute was opened"
        head = "Somebody objects to how a registration was decided:", "登録の判定に異議が申し立てられました。"
        lines = [_disputed(fact) for fact in news.facts]
        commands = ["careerrelay registrations show ID", "careerrelay registrations resolve ID"]
    if news.more:
        lines.append(f"* ... and {news.more} more (ほか {news.more} 件)")
    return Letter(subject=subject, lines=(*head, "", *lines), commands=commands)


def _granted(fact: Fact) -> str:
    return f"* {_local(fact.at)}  {fact.company}: slot {fact.what}"


def _disputed(fact: Fact) -> str:
    deadline = f", to be resolved until (期限) {_local(fact.until)}" if fact.until is not None else ""
    return f"* {_local(fact.at)}  {fact.company or '-'}: registration {fact.what} of {fact.partner}{deadline}"


def _local(microseconds: int) -> str:
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M %Z")
