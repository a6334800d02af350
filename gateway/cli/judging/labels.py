"""Labelled mails: a file with a line of JSON for each, and what is right about it.

    {"file": "a.eml", "label": "pos", "language": "ja", "class": "formal",
     "mail_from": "hr@example.co.jp", "rcpt_to": ["taro@example.com"]}

`file` is relative to the label file. `mail_from` (``<>`` or empty: the null sender) and `rcpt_to` (one, or a
list) are the envelope; where one is left out or null, the mail's header says it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.rewriting.envelope import NoAddress, path_of
from gateway.config.textfile import utf8_problem, without_mark
from gateway.errors import ConfigError, Problem
from gateway.message.mailboxes import mailboxes

# A line for each of 100,000 mails.
_MAX_LABELS = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One line. `name` is the file as the line has it, `path` where it is; `positive`: it should match."""

    name: str
    path: Path
    positive: bool
    language: str
    kind: str
    sender: str | None
    recipients: tuple[str, ...] | None

    @property
    def label(self) -> str:
        """As it is written."""
        return "pos" if self.positive else "neg"


def read_labels(path: Path) -> list[Labelled]:
    """All lines of a label file; blank ones and those that begin with ``#`` are passed over.

    Raises `ConfigError` with everything that is wrong with them, and OSError.
    """
    with path.open("rb") as file:
        content = without_mark(file.read(_MAX_LABELS + 1))
    fault = utf8_problem(content)
    if fault is None and len(content) > _MAX_LABELS:
        fault = (f"the file has more than {_MAX_LABELS:,} bytes", "is this the file that was meant?")
    if fault is not None:
        raise ConfigError([Problem(file=str(path), key="", message=fault[0], remedy=fault[1])])
    labelled: list[Labelled] = []
    problems: list[Problem] = []
    for number, line in enumerate(content.decode("utf-8").split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            labelled.append(_read_line(line, path.parent))
        except _BadLineError as error:
            problems.append(
                Problem(
                    file=str(path), key=error.key, message=error.message, remedy=error.remedy, line=number
                )
            )
    if not labelled and not problems:
        message, remedy = "there is no line in it", 'write {"file": "a.eml", "label": "pos"}, one line a mail'
        problems.append(Problem(file=str(path), key="", message=message, remedy=remedy))
    if problems:
        raise ConfigError(problems)
    return labelled


class _BadLineError(Exception):
    def __init__(self, key: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.key, self.message, self.remedy = key, message, remedy


def _read_line(line: str, folder: Path) -> Labelled:
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BadLineError("", f"this is no JSON: {error}", "write one object a line") from None
    if not isinstance(entry, dict):
        raise _BadLineError("", "this is no JSON object", 'write {"file": ..., "label": ...}')
    name = entry.get("file")
    if not isinstance(name, str) or not name or "\0" in name:
        raise _BadLineError("file", "no file is named", 'write the name of the mail: "file": "a.eml"')
    label = entry.get("label")
    if label not in {"pos", "neg"}:
        raise _BadLineError("label", f"{label!r} is no label", 'write "pos" or "neg"')
    path = folder / name
    if not path.is_file():
        raise _BadLineError(
            "file", f"there is no file {path}", "names count from the folder of the label file"
        )
    return Labelled(
        name=name,
        path=path,
        positive=label == "pos",
        language=str(entry.get("language") or ""),
        kind=str(entry.get("class") or ""),
        sender=_sender(entry.get("mail_from")),
        recipients=_recipients(entry.get("rcpt_to")),
    )


def _sender(value: object) -> str | None:
    if value is None:
        return None
    if value in {"", "<>"}:
        return ""
    senders = _addresses("mail_from", value)
    if len(senders) != 1:
        raise _BadLineError("mail_from", f"{value!r} is more than one mail address", "write one")
    return senders[0]


def _recipients(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    given: Sequence[object] = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(address for one in given for address in _addresses("rcpt_to", one)))


def _addresses(key: str, value: object) -> list[str]:
    """One address; or as many as a header field would hold, with names."""
    if not isinstance(value, str):
        raise _BadLineError(key, f"{value!r} is no mail address", 'write "name@example.co.jp"')
    try:
        path_of(value.strip())
    except NoAddress as error:
        found = mailboxes(value.encode("utf-8", "replace"))
        if not found:
            raise _BadLineError(key, str(error), 'write "name@example.co.jp"') from None
        return found
    return [value.strip()]
