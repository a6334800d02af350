"""The partner's API: what is taken, what is refused, and that it says no more than it should."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.issue import name_of
from tests.fakes.web import ISSUER, LINK, NOW, OLD_SECRET, TOKEN, Web, signature

REGISTRATION = {
    "id": "A-1001",
    "token": LINK,
    "email": "a@example.com",
    "registered_at": "2026-12-01T09:00:00+09:00",
    "person_id": "P-77",
}


async def test_one_registration() -> None:
    """It is taken, with all that was said, and the answer says how it stands."""
    web = Web()
    answer = await web.post("/v1/registrations", REGISTRATION)
    assert (answer.status, answer.json) == (
        200,
        {
            "id": "A-1001",
            "status": 200,
            "result": "new",
            "state": "counted",
            "reason": "matched",
            "counts": True,
        },
    )
    (report,) = web.ledger.registered.values()
    assert (report.id, report.token, report.email, report.person_id) == (
        "A-1001",
        TOKEN,
        "a@example.com",
        "P-77",
    )
    assert answer.headers["content-type"] == "application/json"


async def test_the_same_again_and_something_else() -> None:
    """Idempotent on the id; other content under it is 409."""
    web = Web()
    await web.post("/v1/registrations", REGISTRATION)
    again = await web.post("/v1/registrations", REGISTRATION, id_="msg-2")
    assert (again.status, again.json["result"]) == (200, "known")
    other = await web.post("/v1/registrations", REGISTRATION | {"person_id": "P-78"}, id_="msg-3")
    assert (other.status, other.json["error"]) == (409, "conflict")


async def test_a_list_is_answered_item_by_item() -> None:
    """In order; what can't be read keeps nothing else from going in, and no address comes back."""
    items: list[Any] = [
        REGISTRATION,
        {"id": "A-2"},
        7,
        REGISTRATION | {"id": "A-3", "email": "broken", "registered_at": "x"},
        REGISTRATION | {"id": "A-4", "registered_at": "2026-12-01"},
        REGISTRATION | {"id": "A-5"},
    ]
    web = Web()
    answer = await web.post("/v1/registrations", {"registrations": items})
    assert answer.status == 200
    assert (answer.json["taken"], answer.json["refused"]) == (2, 4)
    told = answer.json["registrations"]
    assert [one["status"] for one in told] == [200, 422, 422, 422, 422, 200]
    assert [one["id"] for one in told] == ["A-1001", "A-2", None, "A-3", "A-4", "A-5"]
    assert all(one["message"] for one in told if one["status"] == 422)
    assert "a@example.com" not in answer.text
    assert {id_ for _, id_ in web.ledger.registered} == {"A-1001", "A-5"}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "not-json"),
        (b"{", 400, "not-json"),
        (b'{"id": "\xff"}', 400, "not-json"),
        ('{"id": "応募"}'.encode("cp932"), 400, "not-json"),
        (b'{"id": NaN}', 400, "not-json"),
        (b"[" * 100_000, 400, "not-json"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400, "not-json"),
        (b"7", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b'{"registrations": []}', 422, "invalid"),
        (b'{"registrations": {"id": "A-1"}}', 422, "invalid"),
        (b'{"id": "A-1", "registered_at": ' + b"9" * 5_000 + b"}", 422, "invalid"),
        (json.dumps(REGISTRATION | {"id": "x" * 201}).encode(), 422, "invalid"),
        (json.dumps(REGISTRATION | {"id": "a\nb"}).encode(), 422, "invalid"),
        (json.dumps(REGISTRATION | {"id": "\ud800"}).encode(), 422, "invalid"),
        (json.dumps(REGISTRATION | {"email": "x" * 2_000 + "@example.com"}).encode(), 422, "invalid"),
    ],
)
async def test_what_is_no_registration(content: bytes, status: int, code: str) -> None:
    """A clear error that repeats nothing; nothing is taken."""
    web = Web()
    answer = await web.post("/v1/registrations", content)
    assert (answer.status, answer.json["error"]) == (status, code)
    assert answer.json["message"]
    assert web.ledger.registered == {}


async def test_too_many_at_once() -> None:
    """A list has a bound."""
    web = Web(batch=3)
    answer = await web.post("/v1/registrations", {"registrations": [REGISTRATION] * 4})
    assert (answer.status, answer.json["error"]) == (413, "too-many")


async def test_a_giant_is_not_even_read() -> None:
    """By its own word it is refused before the first octet; without one, as soon as it is too large."""
    web = Web(body_bytes=1_000)
    body = b"x" * 1_001
    said = await web.ask(
        "POST", "/v1/registrations", body, signature(body) | {"content-length": "99999999999999999999999"}
    )
    assert (said.status, said.json["error"]) == (413, "too-large")
    pieces = [b"x" * 400] * 1_000
    unsaid = await web.ask("POST", "/v1/registrations", pieces, signature(b"".join(pieces)))
    assert (unsaid.status, unsaid.json["error"]) == (413, "too-large")
    assert web.ledger.seen == set()


async def test_cut_off_in_the_middle() -> None:
    """A sender that goes away half way leaves nothing behind."""
    web = Web()
    body = json.dumps(REGISTRATION).encode()
    answer = await web.ask("POST", "/v1/registrations", [], signature(body))
    assert answer.status == 400
    assert web.ledger.registered == {}


BODY = json.dumps(REGISTRATION).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signature(BODY, secret=b"x" * 32),
        signature(BODY, secret=ISSUER),
        signature(BODY, at=NOW - 301),
        signature(BODY, at=NOW + 301),
        signature(BODY, at="now"),
        signature(BODY, at="-1"),
        signature(BODY, at="1" * 30),
        signature(BODY, id_=""),
        signature(BODY, id_="x" * 129),
        signature(BODY) | {"webhook-id": "another"},
        signature(BODY) | {"webhook-timestamp": str(int(NOW) + 1)},
        signature(BODY + b" "),
        signature(BODY) | {"webhook-signature": ""},
        signature(BODY) | {"webhook-signature": "v1,"},
        signature(BODY) | {"webhook-signature": "v1,????"},
        signature(BODY) | {"webhook-signature": "v1a," + "A" * 44},
        signature(BODY) | {"webhook-signature": " ".join(["v1," + "A" * 43 + "="] * 5_000)},
        signature(BODY) | {"webhook-signature": "\xe3\x81\x82"},
    ],
)
async def test_forged(headers: dict[str, str]) -> None:
    """Whatever was wrong, the answer is the same 401; nothing is taken, and the id isn't used up."""
    web = Web()
    answer = await web.ask("POST", "/v1/registrations", BODY, headers)
    assert answer.status == 401
    assert answer.json == {
        "error": "unauthorized",
        "message": "the request is not signed as it should be",
    }
    assert (web.ledger.registered, web.ledger.seen) == ({}, set())
    assert (await web.ask("POST", "/v1/registrations", BODY, signature(BODY))).status == 200


@pytest.mark.parametrize("at", [NOW - 300, NOW + 300])
async def test_clocks_may_differ(at: float) -> None:
    """By five minutes."""
    assert (await Web().ask("POST", "/v1/registrations", BODY, signature(BODY, at=at))).status == 200


async def test_secrets_are_rotated() -> None:
    """Every live secret will do; so will one good signature among others."""
    assert (await Web().post("/v1/registrations", REGISTRATION, secret=OLD_SECRET)).status == 200
    headers = signature(BODY)
    headers["webhook-signature"] = f"v2,xyz v1,{'A' * 43}= {headers['webhook-signature']}"
    assert (await Web().ask("POST", "/v1/registrations", BODY, headers)).status == 200


async def test_each_partner_speaks_for_itself() -> None:
    """Who signed is whose registration it is."""
    web = Web()
    await web.post("/v1/registrations", REGISTRATION, secret=b"p" * 32)
    assert set(web.ledger.registered) == {("other", "A-1001")}
    answer = await web.ask("GET", "/v1/registrations/A-1001", b"", signature(b"", id_="msg-2"))
    assert answer.status == 404


async def test_a_replay_is_refused() -> None:
    """The same octets again are 409; the same message signed anew is a repetition, and harmless."""
    web = Web()
    assert (await web.post("/v1/registrations", REGISTRATION)).status == 200
    replay = await web.post("/v1/registrations", REGISTRATION)
    assert (replay.status, replay.json["error"]) == (409, "replayed")
    repeated = await web.post("/v1/registrations", REGISTRATION, at=NOW + 1)
    assert (repeated.status, repeated.json["result"]) == (200, "known")


async def test_a_fault_uses_nothing_up() -> None:
    """503 with a time to come back; the very same request is taken then."""
    web = Web()
    web.ledger.broken = True
    refused = await web.post("/v1/registrations", REGISTRATION)
    assert (refused.status, refused.json["error"]) == (503, "unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert "disk" not in refused.text
    web.ledger.broken = False
    assert (await web.post("/v1/registrations", REGISTRATION)).status == 200
    web.ledger.fault = True
    assert (await web.post("/v1/registrations", REGISTRATION, id_="msg-9")).status == 503


async def test_a_flood_of_forgeries() -> None:
    """After a while they are turned away; who signs well is not."""
    web = Web()
    statuses = [(await web.ask("POST", "/v1/registrations", BODY)).status for _ in range(70)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert (await web.post("/v1/registrations", REGISTRATION)).status == 200


async def test_what_became_of_it() -> None:
    """Events are taken once, and how a registration stands can be asked."""
    web = Web()
    await web.post("/v1/registrations", REGISTRATION | {"id": "A/1 1"})
    path = "/v1/registrations/A/1 1/events"
    event = {"id": "E-1", "event": "withdrawn", "occurred_at": "2026-12-02T00:00:00Z", "reason": "asked"}
    first = await web.post(path, event, id_="m2")
    assert (first.status, first.json["state"], first.json["result"]) == (200, "withdrawn", "new")
    assert (await web.post(path, event, id_="m3")).json["result"] == "known"
    conflict = await web.post(path, event | {"reason": "other"}, id_="m4")
    assert (conflict.status, conflict.json["error"]) == (409, "conflict")
    answer = await web.ask("GET", "/v1/registrations/A/1 1", b"", signature(b"", id_="m5"))
    assert (answer.status, answer.json["id"], answer.json["state"]) == (200, "A/1 1", "counted")
    assert answer.json["registered_at"] == "1970-01-01T00:00:01Z"


async def test_disputes() -> None:
    """A partner may object, and end its objection; taking a referral back that way is not its to do."""
    web = Web()
    await web.post("/v1/registrations", REGISTRATION)
    path = "/v1/registrations/A-1001/events"
    opened = await web.post(path, {"event": "dispute", "reason": "known since May"}, id_="m2")
    assert (opened.status, opened.json["state"]) == (200, "disputed")
    assert web.ledger.disputes == [("A-1001", "known since May", "")]
    ended = await web.post(path, {"id": "D-2", "event": "resolve", "outcome": "count"}, id_="m3")
    assert (ended.json["state"], ended.json["id"], ended.json["result"]) == ("counted", "D-2", "new")
    assert (await web.post(path, {"event": "resolve", "outcome": "reverse"}, id_="m4")).status == 422


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"event": "withdrawn"}, 422),
        ({"id": "E"}, 422),
        ({"id": "E", "event": "promoted"}, 422),
        ({"id": "E", "event": 7}, 422),
        ({"id": "E", "event": "placed", "occurred_at": "yesterday"}, 422),
        ({"id": "E", "event": "placed", "occurred_at": "2026-12-01T00:00:00"}, 422),
        ({"id": "E", "event": "placed", "registration": "A-9"}, 422),
        ({"id": "E", "event": "refused", "reason": "x" * 501}, 422),
        ({"id": "E", "event": "refused", "reason": "impossible"}, 409),
        ([], 422),
    ],
)
async def test_what_is_no_event(event: object, status: int) -> None:
    """A clear error, and nothing is said of the registration."""
    web = Web()
    await web.post("/v1/registrations", REGISTRATION)
    answer = await web.post("/v1/registrations/A-1001/events", event, id_="m2")
    assert answer.status == status
    assert answer.json["message"]
    assert web.ledger.events == []


async def test_registrations_that_there_are_not() -> None:
    """404, the same as for another partner's."""
    web = Web()
    answer = await web.post("/v1/registrations/A-1/events", {"id": "E", "event": "placed"})
    assert (answer.status, answer.json["error"]) == (404, "unknown")


async def test_links_for_an_ats() -> None:
    """One link a person, or the reason why there is none; signed by the company's own systems only."""
    web = Web()
    single = await web.post("/v1/links", {"email": "a@example.com", "external_id": "X-1"}, secret=ISSUER)
    assert (single.status, single.json["token"]) == (200, LINK)
    assert single.json["link"] == f"https://go.example/r/{LINK}#default"
    assert single.json["opt_out"] == f"https://go.example/o/{LINK}"
    items: list[Any] = [
        {"email": "no-more@example.com", "campaign": "sales"},
        {"email": "nobody"},
        {},
        None,
        {"email": "b@example.com", "external_id": 7},
    ]
    many = await web.post("/v1/links", {"links": items}, secret=ISSUER, id_="m2")
    assert (many.json["issued"], many.json["refused"]) == (0, 5)
    assert [one["status"] for one in many.json["links"]] == [200, 422, 422, 422, 422]
    assert many.json["links"][0]["reason"] == "suppressed"
    assert [(one.address, one.campaign, one.reference) for one in web.ledger.wanted] == [
        ("a@example.com", "default", "X-1"),
        ("no-more@example.com", "sales", ""),
    ]


async def test_the_ledger_is_told_which_system_asked() -> None:
    """By its secret; one message is taken once, whichever of two secrets it shows."""
    old, new = b"1" * 32, b"2" * 32
    web = Web(issuers=(new, old))
    body = {"email": "a@example.com"}
    assert (await web.post("/v1/links", body, secret=old)).status == 200
    assert (await web.post("/v1/links", body, secret=new)).status == 409
    assert (await web.post("/v1/links", body, secret=new, id_="m2")).status == 200
    assert web.ledger.issuers == [name_of(old), name_of(new)]
    assert name_of(old) == "system " + hashlib.sha256(old).hexdigest()[:8]


async def test_a_partner_gives_itself_no_links() -> None:
    """Who is paid by referrals must not make them."""
    web = Web()
    assert (await web.post("/v1/links", {"email": "a@example.com"})).status == 401
    web = Web(issuers=())
    assert (await web.post("/v1/links", {"email": "a@example.com"}, secret=ISSUER)).status == 401
    assert web.ledger.wanted == []


@given(body=st.binary(max_size=300), path=st.sampled_from(["/v1/registrations", "/v1/links", "/v1/x"]))
async def test_any_octets(body: bytes, path: str) -> None:
    """Whatever is in a request, the answer is an error in JSON, never a fault of ours."""
    web = Web(issuers=(b"s" * 32,))
    answer = await web.post(path, body)
    assert 400 <= answer.status < 500
    assert answer.json["error"]
    assert not [told for told in web.journal.faults if "failed" in told]
