"""The check after the edit: the mail is what it was, and the footer is in it once.

Three things are compared: every byte outside of the edits; the tree of parts with what their headers say;
and the edited bodies, decoded by what the new header says, which must be the old text with the footer in its
place. Anything else raises `CHECK_FAILED`, and the original goes out (DESIGN.md, "Reading and changing a
mail").

For the second of these the edited bytes are scanned anew, as whoever gets them will. Where all edits lie in
bodies, and no line that they touch could be a boundary, there are no other parts to be found than there were;
then those lines are all that is looked at (`_bodies_as_before`).

A large mail need not be made whole for this: what lies in the middle of a file that hangs on it, and holds no
line that could be a boundary (`idle_spans`), can be left out of the edited bytes. It comes out of the splice
as the span that it was.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from gateway.errors import MailUnreadable
from gateway.footer.body import Target
from gateway.footer.compose import FooterPlan
from gateway.footer.scripts import same_text
from gateway.message import charset, transfer
from gateway.message.scan import MAX_CANDIDATES, Buffer, Part, Span, scan
from gateway.message.splice import Edit, differs_only_by, in_order
from gateway.reason import Reason

# A shorter body is looked at as it is.
_LONG = 4096
# Nobody can count to `MAX_CANDIDATES` in less.
_SMALL: Final = MAX_CANDIDATES * len(b"\r\n--")


class _Found(NamedTuple):
    """Where an edited body lies now, and by which transfer encoding and charset it is to be read."""

    span: Span
    encoding: str
    label: str


def check_edit(
    plan: FooterPlan,
    runs: Sequence[str],
    edits: Sequence[Edit],
    edited: Buffer,
    cuts: Sequence[Edit] = (),
) -> None:
    """Compare `edited` with the mail that it was made from.

    `runs` are what was to go into the targets of `plan`. `edits` are all edits of the mail, also those of
    other fields (our own header field): a field that came or went is allowed, anything else is not. `cuts`
    are the `idle_spans` that were left out of `edited`.
    Raises `MailUnreadable` (CHECK_FAILED).
    """
    data = plan.message.data
    try:
        ordered = in_order((*edits, *cuts), len(data))
    except ValueError as error:
        raise _failed(str(error)) from error
    bodies = _bodies_as_before(plan, ordered, edited)
    if bodies is None:
        _check_places(plan, edits)
    if not differs_only_by(edited, ordered, data):
        raise _failed("a byte outside of the edits has changed")
    if bodies is None:
        bodies = _bodies_by_scan(plan, ordered, edited)
    for target, run, body in zip(plan.targets, runs, bodies, strict=True):
        _check_text(target, run, body, edited)


def _bodies_as_before(plan: FooterPlan, ordered: Sequence[Edit], edited: Buffer) -> list[_Found] | None:
    """The edited bodies, where a scan could find nothing else than in the mail as it came; else None.

    This holds if all bytes outside of the edits are the same. Where all edits lie in bodies, then all headers
    are the same, and so are all parts and their faults, unless a line that an edit has touched says
    otherwise. Such a line is text and nothing more if it has no NUL and no lone CR or LF in it, and begins as
    no boundary of the mail does.
    """
    message = plan.message
    data = message.data
    if message.defects or not message.complete or len(edited) > _SMALL:
        return None
    boundaries: list[str] = []
    for part in message.parts:
        boundary = part.parameters.get("boundary")
        if boundary is not None:
            boundaries.append(boundary)
    bodies: list[_Found] = []
    number = grown = 0
    for target in plan.targets:
        start, end = target.part.body
        if data[end : end + 2] not in {b"\r\n", b""}:
            return None  # a boundary stands in place of the body's first line
        begin = start + grown
        for first, last, replacement in ordered[number:]:
            if not (start <= first and last <= end):
                break
            at = first + grown
            top = edited.rfind(b"\n", 0, at) + 1
            below = (edited.find(b"\n", at + len(replacement)) + 1) or len(edited)
            odd = edited[top:below].replace(b"\r\n", b"")
            if b"\r" in odd or b"\n" in odd or b"\0" in odd:
                return None
            for boundary in boundaries:
                if edited.find(b"\n--" + boundary.encode("utf-8", "replace"), max(top - 1, 0), below) >= 0:
                    return None
            grown += len(replacement) - last + first
            number += 1
        bodies.append(_Found((begin, end + grown), target.part.encoding, target.charset))
    return bodies if number == len(ordered) else None


def _bodies_by_scan(plan: FooterPlan, ordered: Sequence[Edit], edited: Buffer) -> list[_Found]:
    """The edited bodies as a scan of `edited` finds them. Raises where it finds other parts than before."""
    message = plan.message
    after = scan(edited, like=message)
    if after.defects:
        raise _failed(f"a defect that was not there: {after.defects[0]}")
    if len(after.parts) != len(message.parts):
        raise _failed(f"{len(message.parts)} parts became {len(after.parts)}")
    targets = {target.part.index for target in plan.targets}
    moved = _Moved(ordered)
    for old, new in zip(message.parts, after.parts, strict=True):
        if not _same_part(old, new, edited=old.index in targets):
            raise _failed(f"part {old.index} is not what it was")
        if (moved.start(old.body[0]), moved.end(old.body[1])) != new.body:
            raise _failed(f"part {old.index} does not lie where it should")
    bodies = []
    for target in plan.targets:
        part = after.parts[target.part.index]
        old_name, name = target.part.parameters.get("charset"), part.parameters.get("charset")
        bodies.append(_Found(part.body, part.encoding, target.charset if old_name == name else name or ""))
    return bodies


def idle_spans(plan: FooterPlan) -> list[Edit]:
    """Edits that take out what decides on no structure: whole lines, in leaves without a footer."""
    message = plan.message
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


def _check_places(plan: FooterPlan, edits: Sequence[Edit]) -> None:
    """Edits lie in the mail's own header, or in the header or body of a part that gets the footer."""
    allowed = [plan.message.parts[0].header]
    for target in plan.targets:
        allowed += (target.part.header, target.part.body)
    for edit_start, edit_end, _ in edits:
        for start, end in allowed:
            if start <= edit_start and edit_end <= end:
                break
        else:
            raise _failed(f"an edit at {edit_start} lies in a part that gets no footer")


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


def _check_text(target: Target, run: str, body: _Found, edited: Buffer) -> None:
    """The edited body, decoded by its new header, is the old text with `run` in its place."""
    (start, end), encoding, label = body
    index = target.part.index
    known = charset.lookup(label or "us-ascii")
    if known is None:
        raise _failed(f"part {index} has the charset {label!r}")
    try:
        decoded = charset.decode(transfer.decode(edited[start:end], encoding), known)
    except (transfer.TransferError, charset.CharsetError) as error:
        raise _failed(f"part {index} cannot be read: {error}") from error
    if decoded != target.new_text(run) and not _reads_as(decoded, target, run):
        raise _failed(f"the text of part {index} is not the old one with the footer in it")


def _reads_as(decoded: str, target: Target, run: str) -> bool:
    """Whether `decoded` is the old text to the letter, with `run` as the part's charset spells it."""
    at = reached = 0
    for (start, end), text in zip(target.spans, target.texts(run), strict=True):
        kept = start - reached
        if decoded[at : at + kept] != target.decoded[reached:start]:
            return False
        at += kept
        if not same_text(decoded[at : at + len(text)], text):
            return False
        at += len(text)
        reached = end
    return decoded[at:] == target.decoded[reached:]
