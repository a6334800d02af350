"""The lines of the log: how a record is written, and when the lines go out.

What a stranger sent is shown escaped, so that nobody writes lines of their own into the log (CWE-117).
"""

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any, TextIO

from gateway.service.mailline import MailFields

#: Made once: `json.dumps` with arguments makes an encoder a call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

#: A pipe takes so many octets at once, never mixed with what other processes write (pipe(7), PIPE_BUF).
PIPE_OCTETS = 4_096


class _Stamping(logging.Formatter):
    """Makes the time of a second once, in the form and the zone of its kind."""

    def __init__(self, form: str, zone: Callable[[float], time.struct_time]) -> None:
        super().__init__()
        self._form, self._zone = form, zone
        self._second = -1
        self._stamp = ""

    def _stamp_at(self, created: float) -> str:
        second = int(created)
        if second != self._second:
            self._stamp = time.strftime(self._form, self._zone(second))
            self._second = second
        return self._stamp


class TextFormatter(_Stamping):
    """For people: local time, level, message, ``key=value``."""

    def __init__(self) -> None:
        super().__init__("%Y-%m-%d %H:%M:%S", time.localtime)

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, if there is one, behind it."""
        message = record.getMessage()
        if not message.isprintable():
            message = message.encode("unicode_escape").decode("ascii")
        stamp = self._stamp_at(record.created)
        begun = f"{stamp} {record.levelname.lower()} [{record.process}] {message}"
        fields = getattr(record, "fields", {})
        if isinstance(fields, MailFields):
            if not record.exc_info and (usual := fields.usual_text()):
                return f"{begun} {usual}"
            fields = fields.made()
        parts = [begun]
        for key, value in fields.items():
            if isinstance(value, str):
                bare = value and value.isprintable() and " " not in value and '"' not in value
                parts.append(f"{key}={value if bare else _json(value)}")
            else:
                parts.append(f"{key}={_json(value) if isinstance(value, list) else value!s}")
        if record.exc_info:
            parts[-1] += "\n" + self.formatException(record.exc_info)
        return " ".join(parts)


class JsonFormatter(_Stamping):
    """For programs: one JSON object a line, times in UTC."""

    def __init__(self) -> None:
        super().__init__("%Y-%m-%dT%H:%M:%S", time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = getattr(record, "fields", {})
        entry: dict[str, Any] = {
            "time": f"{self._stamp_at(record.created)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "pid": record.process,
            "message": record.getMessage(),
            **(fields.made() if isinstance(fields, MailFields) else fields),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return _json(entry)


def _json(value: object) -> str:
    """JSON on one line that no terminal or reader takes for anything else.

    JSON lets DEL, the C1 controls (U+009B begins an escape sequence), U+2028 and the like stand as they are.
    """
    text = encode_basestring(value) if isinstance(value, str) else _encode(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


class LevelledFormatter(logging.Formatter):
    """For systemd's journal: each line begins with its level (sd-daemon(3)), for ``journalctl -p err``.

    Args:
        formatter: makes the lines.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """The lines of `formatter`, marked; the journal takes the mark away."""
        mark = "<7>"
        for least, marked in _SYSLOG:
            if record.levelno >= least:
                mark = marked
                break
        return mark + self._formatter.format(record).replace("\n", "\n" + mark)


#: From this level of ours on, the one of syslog(3).
_SYSLOG = ((logging.CRITICAL, "<2>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))


def goes_to_the_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written there goes straight to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines; those of one turn of an event loop together.

    What is no warning waits for the end of the turn, if one is on in this thread. A warning, and any line of
    another thread, goes out at once, behind all that waits: lines stand in the log in the order in which they
    were made. `logging.shutdown` lets out what waits, so a process that ends, whatever the reason, ends with
    all its lines written; only one that is killed loses those of a turn.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._waiting: deque[str] = deque()
        self._turn: asyncio.AbstractEventLoop | None = None  # at the end of whose turn what waits goes out
        self._lock = threading.RLock()

    def handle(self, record: logging.LogRecord) -> bool:
        """As every handler does it, without a call for each end of the lock."""
        if self.filters and not self.filter(record):
            return False
        with self._lock:
            self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Make the line; write it, or see to it that it is written soon."""
        try:
            formatter = self.formatter
            line = formatter.format(record) if formatter is not None else self.format(record)
        except Exception:  # noqa: BLE001 - as every handler of the library
            self.handleError(record)
            return
        self._waiting.append(line + self.terminator)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if record.levelno >= logging.WARNING:
            self.flush()
        elif self._turn is not loop:  # the first line of a turn sees to those behind it
            self._turn = loop
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write all that waits, in portions that a pipe takes whole."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._turn = None
            waiting = self._waiting
            while waiting:
                text = waiting.popleft()
                while waiting and _fits(both := text + waiting[0]):
                    text = both
                    waiting.popleft()
                self.stream.write(text)
                self.stream.flush()


def _fits(text: str) -> bool:
    return len(text if text.isascii() else text.encode("utf-8", "backslashreplace")) <= PIPE_OCTETS


def start_logging(*, form: str, level: str) -> None:
    """Send the gateway's log to standard error; the libraries' only from warnings on."""
    handler = LineHandler()
    formatter = JsonFormatter() if form == "json" else TextFormatter()
    handler.setFormatter(LevelledFormatter(formatter) if goes_to_the_journal(handler.stream) else formatter)
    # No line of ours tells where in the code it was written; finding that out costs more than the line
    # (Python's Logging HOWTO, "Optimization").
    logging._srcfile = None  # noqa: SLF001 - the documented switch
    logging.logThreads = False
    logging.logMultiprocessing = False
    root = logging.getLogger()
    for before in root.handlers:
        before.flush()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("careerrelay").setLevel(level.upper())
    # aiosmtpd tells every command at INFO, and in its own words why a PROXY header is none
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    logging.getLogger("mail.debug").setLevel(logging.CRITICAL)
