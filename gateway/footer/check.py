"""The check after the edit: the mail is what it was, and the footer is in it once.

The edited bytes are scanned anew, as whoever gets them will, and three things are compared: every byte
outside of the edits; the tree of parts with what their headers say; and the edited bodies, decoded by
what the new header says, which must be the old text with the footer in its place. Anything else raises
`CHECK_FAILED`, and the original goes out (DESIGN.md, "Reading and changing a mail").

A large mail need not be made whole for this: what lies in the middle of a file that hangs on it, and holds no
line that could be a boundary (`idle_spans`), can be left out of the edited bytes. It comes out of the splice
as the span that it was.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from gateway.errors import MailUnreadable
from gateway.footer.body import Target
from gateway.footer.compose import FooterPlan
from gateway.footer.scripts import same_text
from gateway.footer.values import FooterValues
from gateway.message import charset, transfer
from gateway.message.scan import Buffer, Message, Part, scan
from gateway.message.splice import Edit, differs_only_by, in_order
from gateway.message.text import MailText
from gateway.reason import Reason

# A shorter body is looked at as it is.
_LONG = 4096


def check_edit(  # noqa: PLR0917 - the seam to the transaction: what was, what was meant, what came of it
    message: Message,
    text: MailText,  # noqa: ARG001 - the plan holds what is needed of it; the seam is kept for other checks
    plan: FooterPlan,
    values: FooterValues | None,
    edits: Sequence[Edit],
    edited: Buffer,
    cuts: Sequence[Edit] = (),
) -> None:
    """Compare `edited` with the mail that it was made from.

    `edits` are all edits of the mail, also those of other fields (our own header field): a field that
    came or went is allowed, anything else is not. `cuts` are the `idle_spans` that were left out of `edited`.
    Raises `MailUnreadable` (CHECK_FAILED).
    """
    try:
        ordered = in_order((*edits, *cuts), len(message.data))
    except ValueError as error:
        raise _failed(str(error)) from error
    _check_places(message, plan, edits)
    if not differs_only_by(edited, ordered, message.data):
        raise _failed("a byte outside of the edits has changed")
    after = scan(edited, like=message)
    if after.defects:
        raise _failed(f"a defect that was not there: {after.defects[0]}")
    if len(after.parts) != len(message.parts):
        raise _failed(f"{len(message.parts)} parts became {len(after.parts)}")
    targets = {target.part.index: target for target in plan.targets}
    moved = _Moved(ordered)
    for old, new in zip(message.parts, after.parts, strict=True):
        target = targets.get(old.index)
        if not _same_part(old, new, edited=target is not None):
            raise _failed(f"part {old.index} is not what it was")
        if (moved.start(old.body[0]), moved.end(old.body[1])) != new.body:
            raise _failed(f"part {old.index} does not lie where it should")
    for target, run in zip(plan.targets, plan.runs(values), strict=True):
        _check_text(target, run, after.parts[target.part.index], edited)


def idle_spans(message: Message, plan: FooterPlan) -> list[Edit]:
    """Edits that take out what decides on no structure: whole lines, in leaves without a footer."""
    data = message.data
    edited = {target.part.index for target in plan.targets}
    spans = []
    for part in message.leaves:
        start, end = part.body
        if part.index in edited or end - start <= _LONG:
            continue
        first = data.find(b"\r\n", start, end)
        last = data.rfind(b"\r\n", start, end)
        if first < last and data.find(b"\r\n--", first, last + 2) < 0:
            spans.append(Edit(start=first + 2, end=last + 2, replacement=b""))
    return spans


def _failed(detail: str) -> MailUnreadable:
    return MailUnreadable(Reason.CHECK_FAILED, detail)


class _Moved:
    """Where a position of the original lies after the edits."""

    def __init__(self, ordered: Sequence[Edit]) -> None:
        # Edits that do not overlap: their ends are in order, too.
        self._starts = [edit.start for edit in ordered]
        self._ends = [edit.end for edit in ordered]
        deltas = (len(edit.replacement) - edit.end + edit.start for edit in ordered)
        self._deltas = list(accumulate(deltas, initial=0))  # of so many first ones together

    def start(self, at: int) -> int:
        """The start of a span: what is inserted right there comes after it."""
        return at + self._deltas[min(bisect_left(self._starts, at), bisect_right(self._ends, at))]

    def end(self, at: int) -> int:
        """The end of a span: what is inserted right there comes before it."""
        return at + self._deltas[bisect_right(self._ends, at)]


def _check_places(message: Message, plan: FooterPlan, ordered: Sequence[Edit]) -> None:
    """Edits lie in the mail's own header, or in the header or body of a part that gets the footer."""
    parts = [target.part for target in plan.targets]
    allowed = [message.parts[0].header, *(part.header for part in parts), *(part.body for part in parts)]
    for edit in ordered:
        if not any(start <= edit.start and edit.end <= end for start, end in allowed):
            raise _failed(f"an edit at {edit.start} lies in a part that gets no footer")


def _same_part(old: Part, new: Part, *, edited: bool) -> bool:
    return (
        old.parent == new.parent
        and old.children == new.children
        and old.content_type == new.content_type
        and old.disposition == new.disposition
        and old.filename == new.filename
        and (edited or old.encoding == new.encoding)
        and _same_parameters(old.parameters, new.parameters, edited=edited)
    )


def _same_parameters(old: Mapping[str, str], new: Mapping[str, str], *, edited: bool) -> bool:
    if old == new:
        return True
    return edited and _without_charset(old) == _without_charset(new)


def _without_charset(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name != "charset"}


def _check_text(target: Target, run: str, part: Part, edited: Buffer) -> None:
    """The edited body, decoded by its new header, is the old text with `run` in its place."""
    old, new = target.part.parameters.get("charset"), part.parameters.get("charset")
    label = target.charset if old == new else new or ""
    known = charset.lookup(label or "us-ascii")
    if known is None:
        raise _failed(f"part {part.index} has the charset {label!r}")
    start, end = part.body
    try:
        decoded = charset.decode(transfer.decode(bytes(edited[start:end]), part.encoding), known)
    except (transfer.TransferError, charset.CharsetError) as error:
        raise _failed(f"part {part.index} cannot be read: {error}") from error
    if decoded != target.new_text(run) and not _reads_as(decoded, target, run):
        raise _failed(f"the text of part {part.index} is not the old one with the footer in it")


def _reads_as(decoded: str, target: Target, run: str) -> bool:
    """Whether `decoded` is the old text to the letter, with `run` as the part's charset spells it."""
    at = reached = 0
    for start, end, text in target.changes(run):
        kept = start - reached
        if decoded[at : at + kept] != target.decoded[reached:start]:
            return False
        at += kept
        if not same_text(decoded[at : at + len(text)], text):
            return False
        at += len(text)
        reached = end
    return decoded[at:] == target.decoded[reached:]
