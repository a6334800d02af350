"""Which process this is, and whether another one of this machine lives (Linux, ``/proc``)."""

import os
from pathlib import Path

from gateway.ledger.claims import ProcessMark

_PROC = Path("/proc")


def started_at(pid: int) -> int | None:
    """The start of the process that has this id, in clock ticks since boot (proc(5), stat field 22).

    None without one.

    A zombie has ended: it sends nothing any more.
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses, and may hold blanks and parentheses itself.
    fields = stat[stat.rfind(b")") + 1 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def own_mark(node: str) -> ProcessMark:
    """The mark of this process on the node of that name."""
    return ProcessMark(
        node=node,
        boot=_read("sys/kernel/random/boot_id"),
        space=_link("self/ns/pid"),
        pid=os.getpid(),
        started=started_at(os.getpid()) or 0,
    )


def _read(name: str) -> str:
    try:
        return (_PROC / name).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _link(name: str) -> str:
    try:
        return str((_PROC / name).readlink())
    except OSError:
        return ""
