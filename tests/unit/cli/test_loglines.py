"""Our log is read back, whatever format it has and whatever stands before its lines."""

import gzip
import json
import logging
from pathlib import Path

import pytest

from gateway.cli.operating.loglines import mails_in, read_line
from gateway.service.lines import JsonFormatter, TextFormatter

FIELDS = {
    "id": "1.1",
    "message_id": '<a b="c"@example.com>',
    "octets": 700,
    "copies": [{"to": "x@example.com", "reply": "250 2.0.0 ok = yes"}],
    "reply": "250 ok id=7",
}


def line(formatter: logging.Formatter) -> str:
    """A line about a mail."""
    record = logging.LogRecord("careerrelay", logging.INFO, "x", 1, "mail", (), None)
    record.fields = FIELDS
    return formatter.format(record)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize("before", ["", "Nov 29 10:00:00 gw careerrelay[12]: "])
def test_both_formats(formatter: logging.Formatter, before: str) -> None:
    """Every field comes back."""
    found = read_line(before + line(formatter))
    assert found
    assert found["message"] == "mail"
    assert {name: str(found[name]) for name in FIELDS} == {name: str(value) for name, value in FIELDS.items()}


@pytest.mark.parametrize("text", ["", "nonsense", "{", '{"a": 1}', "Nov 29 systemd[1]: Started message_id=3"])
def test_lines_of_others(text: str) -> None:
    """They are passed over."""
    assert read_line(text) is None


def test_a_packed_log(tmp_path: Path) -> None:
    """Rotated logs are packed."""
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress((line(JsonFormatter()) + "\nother\n" + json.dumps({})).encode()))
    assert [one["id"] for one in mails_in(path)] == ["1.1"]
