import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.lines import (
    PIPE_OCTETS,
    JsonFormatter,
    LevelledFormatter,
    LineHandler,
    TextFormatter,
    goes_to_the_journal,
    start_logging,
)

#: What a stranger would write lines with, or talk to a terminal with: CR, LF, VT, FF, NUL, ESC, DEL, CSI
#: (C1), NEL, LS, PS, a direction override, a BOM, and a surrogate that stands alone.
EVIL = "\r\n\x0b\x0c\0\x1b[2J\x7f\x9b31m\x85\u2028\u2029\u202e\ufeff\udc80"


def record(message: str, **fields: object) -> logging.LogRecord:
    """A record as the gateway makes them."""
    made = logging.LogRecord("careerrelay", logging.WARNING, "x.py", 1, message, (), None)
    made.fields = fields
    return made


def test_text_cannot_pretend_to_be_another_field() -> None:
    """A value with blanks or quotes is quoted, so that what follows is no field of ours."""
    line = TextFormatter().format(record("m", a='b c="d', e="f=g", h="", i=1.5, j=["k", "l m"]))
    assert line.partition("] ")[2] == 'm a="b c=\\"d" e=f=g h="" i=1.5 j=["k","l m"]'


def test_japanese_stays_readable() -> None:
    """Escaping is for what could do harm, not for the language of the house."""
    for text in ("採用担当", "採用 担当"):
        assert "採用" in TextFormatter().format(record("m", a=text, b=[text]))
        assert text in JsonFormatter().format(record("m", a=text))


def test_json_is_json() -> None:
    """One object, with what was put in given back; times in UTC."""
    made = record("m", a=EVIL.replace("\udc80", ""), b=[{"to": "x"}], c=None)
    made.created, made.msecs = 1_772_413_200.25, 250.0
    assert json.loads(JsonFormatter().format(made)) == {
        "time": "2026-03-02T01:00:00.250Z",
        "level": "warning",
        "pid": made.process,
        "message": "m",
        "a": EVIL.replace("\udc80", ""),
        "b": [{"to": "x"}],
        "c": None,
    }


def test_tracebacks_are_kept() -> None:
    """An error that was logged with its traceback has it in both forms."""
    made = record("m")
    try:
        int("inner")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: invalid" in TextFormatter().format(made)
    assert "ValueError: invalid" in json.loads(JsonFormatter().format(made))["traceback"]


def test_the_journal_hears_the_level() -> None:
    """`journalctl -p err` shows errors and all lines of their tracebacks; nobody else can set a level."""
    shown = LevelledFormatter(TextFormatter())
    for level, mark in ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        made = record("<0>stranger")
        made.levelno = level
        assert shown.format(made) == f"<{mark}>{TextFormatter().format(made)}"
    made = record("failed")
    made.levelno = logging.ERROR
    try:
        int("why\n<0>not")
    except ValueError:
        made.exc_info = sys.exc_info()
    lines = shown.format(made).split("\n")
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)
    assert LevelledFormatter(JsonFormatter()).format(record("x")).startswith('<4>{"time"')


def test_only_the_journal_hears_it(tmp_path: Path) -> None:
    """JOURNAL_STREAM names the file; standard error that was sent elsewhere has other numbers."""
    with (tmp_path / "log").open("w") as stream, (tmp_path / "other").open("w") as other:
        found = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert goes_to_the_journal(stream, environment)
        assert not goes_to_the_journal(other, environment)
        assert not goes_to_the_journal(stream, {})


def test_start_logging_may_be_done_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A reload changes form and level; a line is written once, not once a reload."""
    root, own = logging.getLogger(), logging.getLogger("careerrelay")
    kept = root.handlers[:], root.level, own.level
    try:
        start_logging(form="text", level="info")
        start_logging(form="json", level="error")
        own.warning("quiet")
        own.error("loud")
        logging.getLogger("asyncio").info("not ours")
        assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
    finally:
        root.handlers[:] = kept[0]
        root.setLevel(kept[1])
        own.setLevel(kept[2])


class _Writes(io.StringIO):
    """Keeps what was written by each call."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Keep it."""
        self.writes.append(text)
        return len(text)


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, _Writes]]:
    """A log of its own, and what came of it."""
    stream = _Writes()
    logger = logging.Logger("lines")  # noqa: LOG001 - none that others know of
    handler = LineHandler(stream)
    logger.addHandler(handler)
    yield logger, stream
    handler.close()


async def test_lines_of_one_turn_are_one_write(lines: tuple[logging.Logger, _Writes]) -> None:
    """They wait for the end of the turn, and no longer."""
    log, stream = lines
    for number in range(3):
        log.info(str(number))
    assert stream.writes == []
    await asyncio.sleep(0)
    assert stream.writes == ["0\n1\n2\n"]
    log.info("3")
    await asyncio.sleep(0)
    assert stream.writes[1:] == ["3\n"]


async def test_a_warning_waits_for_nothing(lines: tuple[logging.Logger, _Writes]) -> None:
    """It goes out at once, behind what was said before it."""
    log, stream = lines
    log.info("0")
    log.warning("1")
    assert "".join(stream.writes) == "0\n1\n"
    log.info("2")
    await asyncio.sleep(0)
    assert "".join(stream.writes) == "0\n1\n2\n"


def test_nothing_waits_without_a_loop(lines: tuple[logging.Logger, _Writes]) -> None:
    """Nobody would come to write it."""
    log, stream = lines
    log.info("0")
    assert stream.writes == ["0\n"]


async def test_a_line_of_another_thread_waits_for_nothing(lines: tuple[logging.Logger, _Writes]) -> None:
    """No turn of a loop of its own ends behind it; what waits goes out before it."""
    log, stream = lines
    log.info("0")
    other = threading.Thread(target=log.info, args=("1",))
    other.start()
    other.join()
    assert "".join(stream.writes) == "0\n1\n"


def test_a_loop_that_ended_in_its_turn_keeps_nothing_back(lines: tuple[logging.Logger, _Writes]) -> None:
    """Its last line goes out with the first of the next loop."""
    log, stream = lines

    async def say(text: str, turns: int) -> None:
        log.info(text)
        for _ in range(turns):
            await asyncio.sleep(0)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    with closing(first), closing(second):
        task = first.create_task(say("0", 9))
        first.call_soon(first.stop)  # with what it was asked to do at the end of this turn undone
        first.run_forever()
        assert stream.writes == []
        second.run_until_complete(say("1", 1))
        assert "".join(stream.writes) == "0\n1\n"
        task.cancel()
        with suppress(asyncio.CancelledError):
            first.run_until_complete(task)


async def test_threads_keep_the_order(lines: tuple[logging.Logger, _Writes]) -> None:
    """Each thread's lines stand in their order, each once, whichever thread wrote them."""
    log, stream = lines
    turns = 300

    def write(name: str) -> None:
        for number in range(turns):
            log.log(logging.WARNING if number % 3 == 0 else logging.INFO, "%s%d", name, number)

    others = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for other in others:
        other.start()
    for number in range(turns):
        log.info("c%d", number)
        await asyncio.sleep(0)
    for other in others:
        other.join()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    written = "".join(stream.writes).split()
    for name in "abc":
        assert [line for line in written if line[0] == name] == [f"{name}{number}" for number in range(turns)]


@pytest.mark.parametrize("letter", ["x", "語"])
async def test_a_pipe_takes_each_write_whole(lines: tuple[logging.Logger, _Writes], letter: str) -> None:
    """Lines of several workers in one pipe stay whole: no write is larger than what a pipe takes at once."""
    log, stream = lines
    said = [letter * 300 for _ in range(40)]
    for line in said:
        log.info(line)
    await asyncio.sleep(0)
    assert "".join(stream.writes).split() == said
    assert 1 < len(stream.writes) < 15
    assert all(len(text.encode()) <= PIPE_OCTETS for text in stream.writes)
    assert all(text.endswith("\n") for text in stream.writes)
    log.info("y" * 9_000)
    await asyncio.sleep(0)
    assert len(stream.writes[-1]) == 9_001


async def test_a_log_that_takes_nothing_harms_nobody(lines: tuple[logging.Logger, _Writes]) -> None:
    """A full disk or a reader that went away: the line is lost, the mail is not."""
    log, stream = lines
    stream.close()
    log.info("0")
    log.warning("1")
    await asyncio.sleep(0)


def test_what_cannot_be_said_harms_nobody(
    lines: tuple[logging.Logger, _Writes], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line with a mistake of ours in it is told to whoever looks at standard error."""
    log, stream = lines
    log.info("%d", "no number")
    assert stream.writes == []
    assert "Logging error" in capsys.readouterr().err


def test_a_filter_is_heard(lines: tuple[logging.Logger, _Writes]) -> None:
    """As with every handler."""
    log, stream = lines
    log.handlers[0].addFilter(lambda record: record.msg != "0")
    log.info("0")
    log.info("1")
    assert stream.writes == ["1\n"]


_DYING = """
import asyncio, logging, os
from gateway.service.lines import start_logging

def leave():
    logging.shutdown()
    os._exit(1)

async def main():
    log = logging.getLogger("careerrelay")
    log.info("zero")
    log.warning("one")
    log.info("two")
    start_logging(form="text", level="info")
    log.info("three")
    {end}

start_logging(form="text", level="info")
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "end", ["return", "raise KeyError", "raise SystemExit(1)", "logging.shutdown(); os._exit(1)"]
)
def test_what_waits_is_written_before_the_end(end: str) -> None:
    """However a process ends by itself, all its lines are out, in their order; also past a reload."""
    done = subprocess.run(
        [sys.executable, "-c", _DYING.format(end=end)], capture_output=True, text=True, check=False
    )
    said = [line.split()[-1] for line in done.stderr.splitlines() if "] " in line]
    assert said == ["zero", "one", "two", "three"]


_TEXTS = st.text(st.sampled_from('ab=" \\語\x1b\n\x85'), max_size=6)
_VALUES = st.one_of(
    _TEXTS,
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.lists(st.one_of(_TEXTS, st.dictionaries(_TEXTS, _TEXTS, max_size=2)), max_size=2),
)


@given(st.dictionaries(st.text("abc", min_size=1), _VALUES, max_size=5))
def test_fields_one_by_one(fields: dict[str, object]) -> None:
    """A line is its fields, each by the same rule, and can be taken apart again."""
    line = TextFormatter().format(record("m", **fields))
    rest = line.partition("] ")[2].removeprefix("m")
    for key, value in fields.items():
        plain = isinstance(value, str) and value and value.isprintable() and not set(' "') & set(value)
        assert rest.startswith(f" {key}=")
        rest = rest[len(key) + 2 :]
        if plain or not isinstance(value, str | list):
            rest = rest.removeprefix(str(value))
        else:
            found, end = json.JSONDecoder().raw_decode(rest)
            assert found == value
            rest = rest[end:]
    assert rest == ""
