"""The numbers of all processes, in memory that they share.

The parent makes it before it forks. Each process writes to cells of its own and nobody else does, so there is
no lock; whoever looks reads them all. A worker that dies leaves its counters to the one that takes its place,
so that no counter ever goes back.

Why not prometheus_client's multiprocess mode: it keeps a file for each process that ever lived, takes a lock
and makes a key of labels for each number. A mail costs about 15 numbers here, and the whole of it should be
one or two microseconds (bench/micro_eyes.py).
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterable

from gateway.reason import Reason
from gateway.service.eyes.cells import BOUNDS, GAUGES, PLACES
from gateway.smtp.fold import Fate
from gateway.transaction.report import MailReport

_OCTETS = 8
_SIZE = len(PLACES)

_MAILS, _OCTETS_OF_MAIL, _OTHER = PLACES["mails"], PLACES["octets"], PLACES["other"]
_REASONS = {reason: PLACES[f"reason:{reason.value}"] for reason in Reason}
_VERDICTS = {
    True: PLACES["verdict:matched"],
    False: PLACES["verdict:no-match"],
    None: PLACES["verdict:not-asked"],
}
_OUTCOMES = {
    (fate.value, linked): PLACES[f"outcome:{fate.value}:{'linked' if linked else 'plain'}"]
    for fate in Fate
    for linked in (True, False)
}
_REPLIES = {digit: PLACES[f"reply:{digit}xx"] for digit in (2, 4, 5)}
_EACH = PLACES["reply:each"]
_HELD, _HELD_SUM = PLACES["held:0"], PLACES["held:sum"]
_SENT, _SENT_SUM = PLACES["sent:0"], PLACES["sent:sum"]


class Tally:
    """The cells of one process. A cell is a double: eight octets that are written at once."""

    __slots__ = ("_cells",)

    def __init__(self, cells: "memoryview[float]") -> None:
        self._cells = cells

    def mail(self, report: MailReport) -> None:
        """Count a mail that is done."""
        cells = self._cells
        cells[_MAILS] += 1
        cells[_OCTETS_OF_MAIL] += report.octets
        cells[_REASONS[report.reason]] += 1
        cells[_VERDICTS[report.matched]] += 1
        for copy in report.copies:
            cells[_OUTCOMES.get((copy.fate, bool(copy.token)), _OTHER)] += 1
        reply = report.reply
        cells[_EACH if reply is None else _REPLIES.get(reply.code // 100, _EACH)] += 1
        cells[_HELD + bisect_left(BOUNDS, report.held)] += 1
        cells[_HELD_SUM] += report.held
        cells[_SENT + bisect_left(BOUNDS, report.sent)] += 1
        cells[_SENT_SUM] += report.sent

    def add(self, name: str) -> None:
        """Count something by its name; a name that nobody knows counts as ``other``."""
        self._cells[PLACES.get(name, _OTHER)] += 1

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._cells[PLACES[name]] = value

    def get(self, name: str) -> float:
        """A number."""
        return self._cells[PLACES[name]]

    def begin(self) -> None:
        """A new process takes over: gauges begin anew, counters go on."""
        for family in GAUGES:
            self.set(family.name.removeprefix("careerrelay_"), 0)


class Table:
    """All of them: those of the workers by their index, that of the web process, that of the parent."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._memory = mmap.mmap(-1, (workers + 2) * _SIZE * _OCTETS)
        cells = memoryview(self._memory).cast("d")
        self._tallies = [Tally(cells[at * _SIZE : (at + 1) * _SIZE]) for at in range(workers + 2)]

    def worker(self, index: int) -> Tally:
        """Of a worker."""
        return self._tallies[index]

    @property
    def web(self) -> Tally:
        """Of the web process."""
        return self._tallies[self.workers]

    @property
    def parent(self) -> Tally:
        """Of the parent."""
        return self._tallies[self.workers + 1]

    def total(self, name: str) -> float:
        """A counter over all processes."""
        return sum(tally.get(name) for tally in self._tallies)

    def of_workers(self, name: str) -> Iterable[float]:
        """A gauge of each worker, in order."""
        return [tally.get(name) for tally in self._tallies[: self.workers]]
