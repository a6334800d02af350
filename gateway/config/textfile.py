"""Files that people edit, read with bounds.

Every text file of the gateway is UTF-8. Editors on Japanese Windows save CP932 without a word, and the
bytes of that often look like something else; so what is not UTF-8 is named for what it most likely is,
and refused with the remedy (RULES.md, "Safety").
"""

import codecs
import os
import stat
from pathlib import Path

from gateway.errors import ConfigError, Problem

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_bytes(path: Path, *, limit: int, key: str = "") -> bytes:
    """The content of a plain file of at most `limit` bytes.

    Args:
        path: the file; a symbolic link is followed (Kubernetes and systemd mount secrets that way).
        limit: the greatest size in bytes.
        key: the config key that named the file, for the error.

    Raises:
        ConfigError: with one problem; the file is missing, unreadable, no plain file, or too big.
    """

    def refuse(message: str, remedy: str) -> ConfigError:
        return ConfigError([Problem(file=str(path), key=key, message=message, remedy=remedy)])

    try:
        # Without O_NONBLOCK a named pipe in the place of a file would hold the start for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise refuse("there is no such file", "create it, or correct the path") from None
    except PermissionError:
        raise refuse(
            "the file may not be read by this user",
            f"give the user that runs the gateway the right to read it: ls -l {path}",
        ) from None
    except (OSError, ValueError) as error:
        raise refuse(f"the file cannot be opened: {error}", "check the path") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refuse("this is a folder or a device, not a file", "name a file")
    with os.fdopen(descriptor, "rb") as file:
        try:
            content = file.read(limit + 1)
        except OSError as error:
            raise refuse(f"the file cannot be read: {error}", "check the disk") from None
    if len(content) > limit:
        raise refuse(f"the file has more than {limit:,} bytes", "is this the file that was meant?")
    return content


def utf8_problem(content: bytes) -> tuple[str, str] | None:
    """What is wrong with the encoding of a text file, and the remedy; None when it is UTF-8 (BOM or not)."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    else:
        if b"\0" in content:
            return "the file holds NUL bytes: this is no text file", "save it as plain text in UTF-8"
        return None
    if content.startswith(_UTF16_MARKS):
        return "the file is in UTF-16, not UTF-8", "save it as UTF-8 (in Notepad: Save As, Encoding: UTF-8)"
    try:
        content.decode("cp932")
    except UnicodeDecodeError:
        return f"the file is not UTF-8 (line {line})", "save it as UTF-8"
    return (
        f"the file is not UTF-8 (line {line}); it looks like CP932 (Shift_JIS, ANSI on Japanese Windows)",
        "save it as UTF-8 (in Notepad: Save As, Encoding: UTF-8; or: iconv -f CP932 -t UTF-8)",
    )


def without_mark(content: bytes) -> bytes:
    """`content` without the byte order mark that some editors put in front of UTF-8."""
    return content.removeprefix(codecs.BOM_UTF8)


def read_text(path: Path, *, limit: int, key: str = "") -> str:
    """The text of a UTF-8 file, without a byte order mark; bounds and errors as for `read_bytes`."""
    content = read_bytes(path, limit=limit, key=key)
    fault = utf8_problem(content)
    if fault is not None:
        raise ConfigError([Problem(file=str(path), key=key, message=fault[0], remedy=fault[1])])
    return without_mark(content).decode("utf-8")


def open_to_others(path: Path, *, key: str) -> Problem | None:
    """The problem that others than the owner may read or write this secret; None when they may not."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    return Problem(
        file=str(path),
        key=key,
        message=f"others than its owner may use this secret (mode {mode:04o})",
        remedy=f"chmod 600 {path}",
    )
