"""Answers of the API in JSON, and reading what comes in: bounded, and with errors that tell no secrets."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response


class Refused(Exception):
    """A request that gets an error: the status, a code for programs, words for people."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def answer(self) -> Response:
        """As it goes out."""
        return answer({"error": self.code, "message": self.message}, self.status, **self.headers)


def answer(content: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status, named, "application/json")


async def read_body(request: Request, limit: int) -> bytes:
    """The body, if it has at most `limit` octets.

    Raises:
        Refused: it has more, by its own word or as it turns out.
    """
    too_large = Refused(413, "too-large", f"a request has at most {limit} octets", connection="close")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise too_large
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > limit:
                raise too_large
    except ClientDisconnect:
        raise Refused(400, "incomplete", "the request ended too early") from None
    return bytes(body)


def read_json(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body.

    Raises:
        Refused: it is none, or not in UTF-8.
    """
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_no_constant, parse_int=_int)
    except UnicodeDecodeError:
        raise Refused(400, "not-json", "the body is not in UTF-8") from None
    except (ValueError, RecursionError):
        raise Refused(400, "not-json", "the body is not JSON") from None
    if not isinstance(found, dict):
        raise Refused(422, "invalid", "a JSON object is wanted")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _int(text: str) -> int:
    # Python refuses to read numbers of many digits, with a text of its own; none of ours has so many.
    return int(text) if len(text) <= 20 else 10**20


def entries(content: Mapping[str, Any], name: str, most: int) -> tuple[list[Any], bool]:
    """What is to be done: the list under `name`, or the object itself; and whether it was a list.

    Raises:
        Refused: it is no list, empty, or has more than `most` entries.
    """
    if name not in content:
        return [content], False
    listed = content[name]
    if not isinstance(listed, list):
        raise Refused(422, "invalid", f'"{name}" is no list')
    if not listed:
        raise Refused(422, "invalid", f'"{name}" is empty')
    if len(listed) > most:
        raise Refused(413, "too-many", f'"{name}" has more than {most} entries')
    return listed, True


def text_of(content: Mapping[str, Any], name: str, most: int, *, needed: bool = False) -> str:
    """The text under `name`, empty if there is none.

    Raises:
        Refused: it is no text, too long, or missing though it is needed.
    """
    value = content.get(name)
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise Refused(422, "invalid", f"{name}: text is wanted")
    value = value.strip()
    if needed and not value:
        raise Refused(422, "invalid", f"{name}: missing")
    if len(value) > most:
        raise Refused(422, "invalid", f"{name}: longer than {most} characters")
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in value):
        raise Refused(422, "invalid", f"{name}: control characters are in it")
    return value
