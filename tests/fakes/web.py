"""A client that calls an ASGI application in the same process, and a ledger for it that lives in memory."""

import asyncio
import base64
import hmac
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import ASGIApp, Message

from gateway.errors import LedgerFault
from gateway.ledger.intake import Reported
from gateway.store.links import Click, Given, Link, Wanted
from gateway.store.registrations import Taken
from gateway.store.said import EventReport, EventTaken, NoSuchRegistration, NotPossible
from gateway.token import encode_token
from gateway.web.app import make_app, private_routes
from gateway.web.pages import make_pages
from gateway.web.ports import Settings, Standing
from gateway.web.site import Site

SECRET, OLD_SECRET, ISSUER = b"s" * 32, b"o" * 32, b"i" * 32
NOW = 1_800_000_000.0
TOKEN = bytes(range(16))
LINK = encode_token(TOKEN)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGES = make_pages("株式会社サンプル")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an application answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body, read."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")


def signature(
    body: bytes, *, secret: bytes = SECRET, id_: str = "msg-1", at: float | str = NOW
) -> dict[str, str]:
    """The headers of a signed request, worked out without our own code."""
    timestamp = at if isinstance(at, str) else str(int(at))
    digest = hmac.digest(secret, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


class Journal:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def count(self, name: str) -> None:
        """Counted."""
        self.counts[name] += 1

    def fault(self, text: str, error: BaseException | None = None) -> None:
        """Told."""
        self.faults.append(f"{text}: {error}" if error else text)


@dataclass
class Ledger:
    """Both ports. `fault` makes every call fail; `broken` those that register."""

    sends: dict[bytes, Link] = field(default_factory=dict)
    suppressed: list[bytes] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    crowded: dict[bytes, int] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    registered: dict[tuple[str, str], Reported] = field(default_factory=dict)
    events: list[EventReport] = field(default_factory=list)
    disputes: list[tuple[str, str, str]] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    issuers: list[str] = field(default_factory=list)
    fault: bool = False
    broken: bool = False

    def _check(self) -> None:
        if self.fault:
            raise LedgerFault("the disk is full")

    async def find(self, token: bytes) -> Link | None:
        """See `Links`."""
        self._check()
        return self.sends.get(token)

    async def suppress(self, token: bytes) -> bool:
        """See `Links`."""
        self._check()
        self.suppressed.append(token)
        return True

    async def log_clicks(self, clicks: Sequence[Click], crowded: Mapping[bytes, int]) -> None:
        """See `Links`."""
        self._check()
        self.clicks += clicks
        self.crowded |= crowded

    async def issue(self, wanted: Sequence[Wanted], by: str) -> list[Given]:
        """See `Links`."""
        self._check()
        self.issuers.append(by)
        self.wanted += wanted
        return [
            Given(wanted=one, token=None, reason="suppressed")
            if one.address.startswith("no-more@")
            else Given(wanted=one, token=TOKEN)
            for one in wanted
        ]

    async def consume(self, partner: str, message_id: str) -> bool:
        """See `Registrar`."""
        self._check()
        if (partner, message_id) in self.seen:
            return False
        self.seen.add((partner, message_id))
        return True

    async def forget(self, partner: str, message_id: str) -> None:
        """See `Registrar`."""
        self.seen.discard((partner, message_id))

    async def register(self, partner: str, reports: Sequence[Reported]) -> list[Taken]:
        """See `Registrar`."""
        if self.broken:
            raise LedgerFault("the disk is full")
        answers = []
        for report in reports:
            before = self.registered.setdefault((partner, report.id), report)
            result = "known" if before is not report else "new"
            if before != report:
                result = "conflict"
            answers.append(
                Taken(id=report.id, result=result, number=1, state="counted", reason="matched", counts=True)
            )
        return answers

    def _known(self, partner: str, id_: str) -> None:
        if (partner, id_) not in self.registered:
            raise NoSuchRegistration(f"there is no registration {id_!r}")

    async def event(self, partner: str, report: EventReport) -> EventTaken:
        """See `Registrar`."""
        self._known(partner, report.registration)
        if report.reason == "impossible":
            raise NotPossible("refused is not possible for a registration that is reversed")
        known = [one for one in self.events if one.id == report.id]
        self.events.append(report)
        result = "new" if not known else "known" if known[0] == report else "conflict"
        return EventTaken(id=report.id, result=result, number=1, state=report.event.value, reason="partner")

    async def dispute(
        self, partner: str, id_: str, *, event_id: str, reason: str, evidence: str, until: int | None
    ) -> EventTaken:
        """See `Registrar`."""
        self._known(partner, id_)
        self.disputes.append((id_, reason, evidence))
        return EventTaken(id=event_id, result="new", number=1, state="disputed", reason="dispute")

    async def resolve(
        self, partner: str, id_: str, *, event_id: str, outcome: str, reason: str
    ) -> EventTaken:
        """See `Registrar`."""
        self._known(partner, id_)
        state = {"count": "counted", "keep": "unmatched"}[outcome]
        return EventTaken(id=event_id, result="new", number=1, state=state, reason="resolve")

    async def standing(self, partner: str, id_: str) -> Standing:
        """See `Registrar`."""
        self._known(partner, id_)
        return Standing(
            id=id_, state="counted", reason="matched", counts=True, registered_at=1_000_000,
            received_at=2_000_000, campaign="default", disputed=False,
        )  # fmt: skip


def send(token: bytes = TOKEN, *, age: float = 3_600.0, campaign: str = "default") -> Link:
    """A send that went out so many seconds ago."""
    at = int((NOW - age) * 1_000_000)
    return Link(
        token=token, campaign=campaign, company="default", partner="default", sent_at=at,
        accepted_at=at, state="accepted", origin="mail",
    )  # fmt: skip


SETTINGS = Settings(
    pages=PAGES,
    landing_url="https://agency.example/welcome?ref={token}",
    landing_urls={"engineering": "https://agency.example/engineers/{token}"},
    partners={"default": (SECRET, OLD_SECRET), "other": (b"p" * 32,)},
    issuers=(ISSUER,),
    link_for=lambda campaign, token: f"https://go.example/r/{token}#{campaign}",
    opt_out_for=lambda token: f"https://go.example/o/{token}",
    place_key=b"k" * 32,
)


class Web:
    """A site on a ledger in memory, and requests to it. `now` is both clocks."""

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401 - settings
        self.now = NOW
        self.ledger = Ledger(sends={TOKEN: send()})
        self.journal = Journal()
        self.site = Site(
            replace(SETTINGS, **changes),
            links=self.ledger,
            registrar=self.ledger,
            journal=self.journal,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )
        self.app: ASGIApp = make_app(self.site, private_routes(self.site))

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        *,
        peer: str = "192.0.2.1",
    ) -> Answer:
        """One request."""
        pieces = [body] if isinstance(body, bytes) else list(body)
        sent: list[Message] = []

        async def receive() -> Message:
            if pieces:
                piece = pieces.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
            await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def take(message: Message) -> None:
            sent.append(message)

        plain, _, query = path.partition("?")
        given = {"user-agent": BROWSER} | {name.lower(): value for name, value in (headers or {}).items()}
        await self.app(
            {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
                "scheme": "http", "path": plain, "raw_path": plain.encode(), "query_string": query.encode(),
                "root_path": "", "client": (peer, 50_000), "server": ("127.0.0.1", 8025),
                "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            },
            receive,
            take,
        )  # fmt: skip
        start = sent[0]
        return Answer(
            status=start["status"],
            headers={name.decode().lower(): value.decode() for name, value in start["headers"]},
            body=b"".join(message.get("body", b"") for message in sent[1:]),
        )

    async def post(self, path: str, content: object, **signed: Any) -> Answer:  # noqa: ANN401 - of `signature`
        """A signed request with JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await self.ask("POST", path, body, signature(body, **signed))
