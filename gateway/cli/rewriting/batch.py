"""A whole tree of mails: each result under the same name in another folder, and a line about each.

A fault in one mail never ends the run: that mail is written as it came, and its line says ``internal-fault``.
"""

import json
import mmap
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gateway.cli.rewriting.mail import Refused, Rewriter, Rewritten, as_received
from gateway.cli.rewriting.source import Found, Stored, find_mails, read_mbox
from gateway.reason import Reason

_CHUNK = 1 << 20


@dataclass(slots=True, kw_only=True)
class Batch:
    """One run. `tell` gets a JSON line for each mail, `progress` is called after each.

    Attributes:
        done, changed, faults: how many mails so far; how many of them got a footer; how many a fault.
    """

    rewriter: Rewriter
    out: Path
    sender: str | None
    recipients: Sequence[str] | None
    tell: Callable[[str], None]
    progress: Callable[["Batch"], None]
    done: int = field(default=0, init=False)
    changed: int = field(default=0, init=False)
    faults: int = field(default=0, init=False)

    def run(self, root: Path) -> None:
        """Rewrite every mail below `root`. Raises OSError where `out` cannot be written."""
        for found in find_mails(root):
            if found.mbox:
                self._mbox(found)
            else:
                self._file(found)

    def _file(self, found: Found) -> None:
        target = self.out / found.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            large = found.path.stat().st_size > self.rewriter.limit
            raw = b"" if large else found.path.read_bytes()
        except OSError as error:
            self._fault(found.name, f"it cannot be read: {error.strerror}")
            return
        if large:
            shutil.copyfile(found.path, target)
            self._left(found.name, Reason.SIZE, f"more than {self.rewriter.limit} octets")
        else:
            target.write_bytes(self._one(found.name, raw))

    def _mbox(self, found: Found) -> None:
        target = self.out / found.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            try:
                file = found.path.open("rb")
            except OSError as error:
                self._fault(found.name, f"it cannot be read: {error.strerror}")
                return
            with file:
                if not found.path.stat().st_size:
                    return  # an empty file cannot be mapped
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    for number, stored in enumerate(read_mbox(data)):
                        self._stored(out, data, stored, f"{found.name}#{number}")

    def _stored(self, out: BinaryIO, data: mmap.mmap, stored: Stored, name: str) -> None:
        out.write(stored.separator + b"\r\n")
        if stored.end - stored.start > self.rewriter.limit:
            cuts = range(stored.start, stored.end, _CHUNK)
            out.writelines(data[at : min(at + _CHUNK, stored.end)] for at in cuts)
            self._left(name, Reason.SIZE, f"more than {self.rewriter.limit} octets")
        else:
            # What was written anew must not begin a mail of its own; what was there does not.
            content = self._one(name, data[stored.start : stored.end])
            out.write(content.replace(b"\r\n\r\nFrom ", b"\r\n\r\n>From "))
        if stored.blank:
            out.write(b"\r\n")

    def _one(self, name: str, raw: bytes) -> bytes:
        """What to write for `raw`; whatever goes wrong, the mail itself."""
        try:
            result = self.rewriter.rewrite(raw, sender=self.sender, recipients=self.recipients)
        except Refused as refused:
            self._left(name, refused.reason, str(refused))
        except Exception as error:  # noqa: BLE001 - the mail gets through, and so do those after it
            self._fault(name, f"{type(error).__name__}: {error}")
        else:
            self.changed += result.changed
            self._tell(line_of(name, result))
            return result.content
        return as_received(raw)

    def _left(self, name: str, reason: Reason, detail: str) -> None:
        self._tell({"file": name, "changed": False, "reason": reason.value, "parts": [], "detail": detail})

    def _fault(self, name: str, detail: str) -> None:
        self.faults += 1
        self._left(name, Reason.INTERNAL_FAULT, detail)

    def _tell(self, line: dict[str, Any]) -> None:
        self.done += 1
        # ASCII, since a file's name may be no text at all.
        self.tell(json.dumps(line))
        self.progress(self)


def line_of(name: str, result: Rewritten) -> dict[str, Any]:
    """What the report says about one mail."""
    line: dict[str, Any] = {
        "file": name,
        "changed": result.changed,
        "reason": result.reason.value,
        "parts": list(result.numbers),
        "from": result.sender,
        "to": list(result.recipients),
    }
    return line | ({"detail": result.detail} if result.detail else {})
