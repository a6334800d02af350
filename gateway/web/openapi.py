"""The description of the API (OpenAPI 3.1): ``/v1/openapi.json``, and the same in ``docs/openapi.json``."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.ledger.intake import MAX_EMAIL, MAX_ID
from gateway.ledger.states import PARTNER_EVENTS, Event, State
from gateway.web.answers import answer

_WORDS = [event.value for event in PARTNER_EVENTS] + [Event.DISPUTE.value, Event.RESOLVE.value]


def routes() -> list[Route]:
    """The table."""

    async def show(request: Request) -> Response:
        del request
        return answer(description())

    return [Route("/v1/openapi.json", show, methods=["GET"])]


def _text(most: int, words: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"type": "string", "maxLength": most, "description": words, **more}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any], words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _either(name: str, many: str) -> dict[str, Any]:
    return {"oneOf": [_ref(name), _ref(many)]}


_MOMENT = {"type": "string", "format": "date-time"}

_SCHEMAS: dict[str, Any] = {
    "Registration": {
        "type": "object",
        "description": "One of token, email, email_hash and person_id is needed.",
        "required": ["id", "registered_at"],
        "properties": {
            "id": _text(
                MAX_ID,
                "The agency's own id of the registration; the same again changes nothing.",
                minLength=1,
            ),
            "token": _text(MAX_ID, "From the link: 26 letters and digits, in any case."),
            "email": _text(MAX_EMAIL, "The candidate's address."),
            "email_hash": _text(64, "HMAC-SHA256 of the normalised address under the matching key, in hex."),
            "registered_at": {**_MOMENT, "description": "When the candidate registered, with its time zone."},
            "person_id": _text(MAX_ID, "The agency's own id of the person: one person counts once."),
            "already_known": {
                "description": "Whether the agency knew the person before.",
                "oneOf": [{"type": "boolean"}, {"enum": ["active", "inactive"]}],
            },
        },
        "anyOf": [{"required": [name]} for name in ("token", "email", "email_hash", "person_id")],
        "not": {"required": ["registrations"]},
        "example": {
            "id": "A-1001",
            "token": "5zj9h2v4k8m3q7r1t6w0xycdef",
            "email": "a@example.com",
            "registered_at": "2026-12-01T09:00:00+09:00",
            "person_id": "P-77",
        },
    },
    "Registrations": {
        "type": "object",
        "required": ["registrations"],
        "properties": {
            "registrations": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1_000,
                "items": _ref("Registration"),
            }
        },
    },
    "Answer": {
        "type": "object",
        "required": ["id", "status"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "status": {
                "type": "integer",
                "description": "200 taken, 409 other content before, 422 not readable.",
            },
            "result": {"enum": ["new", "known"]},
            "state": {"enum": [state.value for state in State]},
            "reason": {"type": "string", "description": "Why it is in that state."},
            "counts": {"type": "boolean", "description": "Whether it is a referral in the books."},
            "error": {"type": "string"},
            "message": {"type": "string"},
        },
    },
    "Answers": {
        "type": "object",
        "required": ["taken", "refused", "registrations"],
        "properties": {
            "taken": {"type": "integer"},
            "refused": {"type": "integer"},
            "registrations": {"type": "array", "items": _ref("Answer")},
        },
    },
    "Event": {
        "type": "object",
        "required": ["event"],
        "properties": {
            "id": _text(
                MAX_ID,
                "The agency's own id of the event: the same again changes nothing. "
                "Needed but for dispute and resolve.",
            ),
            "event": {"enum": _WORDS},
            "registration": _text(MAX_ID, "The registration, as in the path; the signature covers this one."),
            "occurred_at": {**_MOMENT, "description": "When. Default: now."},
            "reason": _text(500, "In words; nothing about the person."),
            "evidence": _text(2_000, "For a dispute: where it can be seen."),
            "until": {**_MOMENT, "description": "For a dispute: its deadline."},
            "outcome": {"enum": ["count", "keep"], "description": "For resolve."},
        },
        "example": {"id": "E-1", "event": "withdrawn", "reason": "the candidate asked for it"},
    },
    "EventAnswer": {
        "type": "object",
        "required": ["registration", "event", "result", "state"],
        "properties": {
            "registration": {"type": "string"},
            "id": {"type": "string"},
            "event": {"type": "string"},
            "result": {"enum": ["new", "known", "conflict"]},
            "state": {"enum": [state.value for state in State]},
            "reason": {"type": "string"},
            "error": {"type": "string"},
            "message": {"type": "string"},
        },
    },
    "Standing": {
        "type": "object",
        "required": [
            "id",
            "state",
            "reason",
            "counts",
            "disputed",
            "campaign",
            "registered_at",
            "received_at",
        ],
        "properties": {
            "id": {"type": "string"},
            "state": {"enum": [state.value for state in State]},
            "reason": {"type": "string"},
            "counts": {"type": "boolean"},
            "disputed": {"type": "boolean"},
            "campaign": {"type": "string"},
            "registered_at": _MOMENT,
            "received_at": _MOMENT,
        },
    },
    "LinkRequest": {
        "type": "object",
        "required": ["email"],
        "properties": {
            "email": _text(MAX_EMAIL, "For whom."),
            "campaign": _text(200, "Default: default."),
            "external_id": _text(
                200, "The ATS's id of the application; the same person, campaign and id get the same link."
            ),
        },
        "not": {"required": ["links"]},
    },
    "LinkRequests": {
        "type": "object",
        "required": ["links"],
        "properties": {
            "links": {"type": "array", "minItems": 1, "maxItems": 1_000, "items": _ref("LinkRequest")}
        },
    },
    "LinkAnswer": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "integer"},
            "external_id": {"type": "string"},
            "campaign": {"type": "string"},
            "token": {"type": ["string", "null"]},
            "link": {"type": ["string", "null"]},
            "opt_out": {"type": ["string", "null"]},
            "reason": {"enum": ["own-address", "excluded", "suppressed", "frequency", "no-company"]},
            "error": {"type": "string"},
            "message": {"type": "string"},
        },
    },
    "LinkAnswers": {
        "type": "object",
        "required": ["issued", "refused", "links"],
        "properties": {
            "issued": {"type": "integer"},
            "refused": {"type": "integer"},
            "links": {"type": "array", "items": _ref("LinkAnswer")},
        },
    },
    "Error": {
        "type": "object",
        "required": ["error", "message"],
        "properties": {
            "error": {"type": "string", "description": "For programs."},
            "message": {"type": "string", "description": "For people."},
        },
    },
}

_SIGNED = [
    {
        "name": name,
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": words,
    }
    for name, words in (
        ("webhook-id", "Another one for each message; at most 128 visible characters."),
        ("webhook-timestamp", "Seconds since 1970; within five minutes of now."),
        (
            "webhook-signature",
            "v1, and the base64 of the HMAC-SHA256 of id.timestamp.body; several with blanks.",
        ),
    )
]
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _operation(
    name: str,
    words: str,
    answers: dict[str, Any],
    body: dict[str, Any] | None = None,
    *,
    path_id: bool = False,
) -> dict[str, Any]:
    problem = _json(_ref("Error"), "Not taken; the body says why.")
    errors = dict.fromkeys(("400", "401", "404", "409", "413", "422", "429", "503"), problem)
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": words,
        "parameters": [*([_ID] if path_id else []), *_SIGNED],
        "responses": {**errors, **answers},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def description() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CareerRelay partner API",
            "version": "1",
            "description": "Signed as Standard Webhooks (HMAC-SHA256). See docs/partner-api.md.",
        },
        "paths": {
            "/v1/registrations": {
                "post": _operation(
                    "register",
                    "Report one registration, or a list of them. A list is answered item by item.",
                    {
                        "200": _json({"anyOf": [_ref("Answer"), _ref("Answers")]}, "Taken."),
                        "409": _json({"anyOf": [_ref("Answer"), _ref("Error")]}, "The id was used before."),
                        "422": _json({"anyOf": [_ref("Answer"), _ref("Error")]}, "Not readable."),
                    },
                    _either("Registration", "Registrations"),
                )
            },
            "/v1/registrations/{id}": {
                "get": _operation(
                    "standing",
                    "How a registration stands. The signature covers an empty body.",
                    {"200": _json(_ref("Standing"), "As it stands.")},
                    path_id=True,
                )
            },
            "/v1/registrations/{id}/events": {
                "post": _operation(
                    "event",
                    "Say what became of a registration, or object to how it stands.",
                    {
                        "200": _json(_ref("EventAnswer"), "Taken."),
                        "409": _json(
                            {"anyOf": [_ref("EventAnswer"), _ref("Error")]}, "Not possible as it stands."
                        ),
                    },
                    _ref("Event"),
                    path_id=True,
                )
            },
            "/v1/links": {
                "post": _operation(
                    "issue",
                    "Links for mail that never passes the gateway. Signed by the company's own systems.",
                    {
                        "200": _json(
                            {"anyOf": [_ref("LinkAnswer"), _ref("LinkAnswers")]}, "Given, or why not."
                        ),
                        "422": _json({"anyOf": [_ref("LinkAnswer"), _ref("Error")]}, "Not readable."),
                    },
                    _either("LinkRequest", "LinkRequests"),
                )
            },
        },
        "components": {"schemas": _SCHEMAS},
    }
