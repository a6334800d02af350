"""A footer for a mail: `prepare` finds the places once, `FooterPlan.edits` does the encoding once a copy.

Nothing here changes bytes: edits are spans and replacements, for `gateway.message.splice`. What cannot be
done safely raises `MailUnreadable`, and the mail goes out as it came (promise 1).
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.errors import MailUnreadable
from gateway.footer.body import IDENTITY, Target
from gateway.footer.choose import chosen, placeholders
from gateway.footer.form import Links
from gateway.footer.place import (
    MAX_PLACEHOLDERS,
    Placement,
    Spot,
    Where,
    newline_of,
    plain_spot,
)
from gateway.footer.place_html import html_spot
from gateway.footer.scripts import same_charset, script_of
from gateway.footer.template import FooterText
from gateway.footer.values import FooterValues
from gateway.message import transfer
from gateway.message.scan import Message, Part, Span
from gateway.message.splice import Edit
from gateway.message.text import Body, MailText
from gateway.reason import Reason


class FooterPlan(NamedTuple):
    """Where the footer goes in one mail: into `targets`, in reading order.

    `footer` is None where markers are only taken out.
    """

    message: Message
    footer: FooterText | None
    targets: tuple[Target, ...]

    @property
    def parts(self) -> tuple[int, ...]:
        """The leaves that get it, numbered in reading order among all leaves."""
        return tuple(target.part.leaf for target in self.targets if target.part.leaf is not None)

    @property
    def placement(self) -> str:
        """How the place was found; that of the plain text where both bodies have one."""
        if not self.targets:
            return ""
        first = min(self.targets, key=lambda target: (target.spot.how is Placement.REMOVED, target.html))
        return first.spot.how.value

    def runs(self, values: FooterValues | None = None) -> tuple[str, ...]:
        """For each of `targets` what goes into the copy with these values, as it stands in the source."""
        footer = self.footer
        if footer is None or values is None:
            return ("",) * len(self.targets)
        runs: list[str] = []
        for target in self.targets:
            if target.spot.how is Placement.REMOVED:
                runs.append("")
            elif target.html:
                runs.append(target.run(footer.render_html(values)))
            else:
                runs.append(target.run(footer.render_plain(values)))
        return tuple(runs)

    def filled(self, links: Links, token: str) -> tuple[tuple[str, ...], list[Edit]]:
        """`runs` and `edits` of the copy with this token. Raises `MailUnreadable`."""
        if self.footer is not None and len(self.targets) == 1:
            (target,) = self.targets
            found = target.filled(self.footer, links, token)
            if found is not None:
                return (found[0],), found[1]
        runs = self.runs(links.values(token))
        return runs, self.edits(runs)

    def edits(self, runs: Sequence[str]) -> list[Edit]:
        """The edits that put the runs in, in any order. Raises `MailUnreadable`."""
        edits: list[Edit] = []
        for target, run in zip(self.targets, runs, strict=True):
            edits += target.edits(self.message, run)
        return edits


def prepare(message: Message, text: MailText, footer: FooterText, *, where: Where = Where.AUTO) -> FooterPlan:
    """Find the place for `footer` in the plain text and the HTML of a mail.

    Raises `MailUnreadable` with the reason to leave the mail alone: a defect, text that cannot be read or
    is not all there, no text at all.
    """
    _check_text(message, text)
    bodies, cleared = chosen(text, where)
    if len(bodies) > 1 and len(bodies) > len({body.kind for body in bodies}):
        # Many programs string all plain texts together: they would show the footer twice.
        raise MailUnreadable(Reason.DISAGREE, "both forms of the text end in a plain one")
    targets = []
    for body in bodies:
        if not _has_room(message, body):
            continue
        decoded = body.decoded
        newline = newline_of(decoded)
        flowed = False
        if body.kind == "html":
            quoted = bool(body.quoted.text)
            spot = html_spot(decoded, body.new_end, where, quoted=quoted, newline=newline)
            if body.new.page is not None and body.new.page.hides(spot.start):
                raise MailUnreadable(Reason.HTML_DEFECT, "what is written there is not shown")
        else:
            flowed = message.parts[body.leaf].parameters.get("format", "").lower() == "flowed"
            spot = plain_spot(decoded, body.new_end, where, newline=newline, flowed=flowed)
        if where is not Where.AUTO:
            spot = _without_placeholders(spot, body)
        targets.append(_target(message, body, spot, newline, flowed=flowed))
    if where is not Where.AUTO:
        cleared = [body for body in text.bodies if body not in bodies]
    if not targets:
        raise MailUnreadable(Reason.NO_TEXT)
    if cleared:
        targets += _removals(message, cleared)
    return _plan(message, footer, targets)


def _without_placeholders(spot: Spot, body: Body) -> Spot:
    """The same place; placeholders, which a rule's own place has no use for, go."""
    spans = [span for runs in placeholders(body) for span in runs]
    end = next((last for first, last in spans if first == spot.start), spot.end)
    return spot._replace(end=end, removed=tuple(span for span in spans if span[0] != spot.start))


def nothing_of(message: Message) -> FooterPlan:
    """The plan that changes no body, for edits of the header alone."""
    return FooterPlan(message=message, footer=None, targets=())


def prepare_removal(message: Message, text: MailText) -> FooterPlan | None:
    """The plan that only takes placeholders out, or None. Raises `MailUnreadable` as `prepare` does."""
    _check_text(message, text)
    bodies = [body for body in text.bodies if _has_room(message, body)]
    if not bodies:
        raise MailUnreadable(Reason.NO_TEXT)
    targets = _removals(message, bodies)
    return _plan(message, None, targets) if targets else None


def _removals(message: Message, bodies: Sequence[Body]) -> list[Target]:
    """For each body with placeholders in it, the target that takes them out and puts nothing in."""
    targets = []
    for body in bodies:
        spans = [span for runs in placeholders(body) for span in runs]
        if spans:
            (start, end), *rest = spans
            spot = Spot(start=start, end=end, how=Placement.REMOVED, lead="", trail="", removed=tuple(rest))
            targets.append(_target(message, body, spot, newline_of(body.decoded), flowed=False))
    return targets


def _plan(message: Message, footer: FooterText | None, targets: list[Target]) -> FooterPlan:
    if len(targets) > 1:
        targets.sort(key=lambda target: target.part.index)
    return FooterPlan(message=message, footer=footer, targets=tuple(targets))


def _check_text(message: Message, text: MailText) -> None:
    """Whether the texts may be edited at all."""
    if message.defects:
        raise MailUnreadable(Reason.DEFECT, str(message.defects[0]))
    if text.reason is not None:
        raise MailUnreadable(text.reason)
    if not message.complete or not text.complete:
        raise MailUnreadable(Reason.WINDOW, "the main text is not all there")


def _has_room(message: Message, body: Body) -> bool:
    """Whether a body can hold anything: not where a boundary stands in place of its first line."""
    start, end = message.parts[body.leaf].body
    return start < end or message.data[start : start + 2] != b"--"


def _payload(raw: bytes, encoding: str, body: Body) -> bytes:
    """The body's octets, transfer encoding undone."""
    if same_charset(body.charset, "utf-8"):
        return body.decoded.encode()  # which is what it was decoded from, at a tenth of the cost
    try:
        return transfer.decode(raw, encoding)
    except transfer.TransferError as error:
        raise MailUnreadable(Reason.UNDECODABLE, str(error)) from error


def _check_encoding_field(message: Message, part: Part) -> None:
    """Python's email decodes nothing where the name of the encoding has blanks behind it."""
    field = part.head.first(b"content-transfer-encoding")
    if field is None:
        return
    written = message.data[field.value_start : field.end].removesuffix(b"\r\n").lstrip(b" \t")
    if written.lower() != part.encoding.encode():
        raise MailUnreadable(Reason.DISAGREE, "white space around the name of the transfer encoding")


def _target(message: Message, body: Body, spot: Spot, newline: str, *, flowed: bool) -> Target:
    part = message.parts[body.leaf]
    plainly = part.encoding in IDENTITY
    if not plainly:
        _check_encoding_field(message, part)
    start, end = part.body
    if part.parent is None and message.data[max(0, start - 4) : start] != b"\r\n\r\n":
        # An empty body may do without the blank line before it (RFC 5322 §3.5); a footer could not.
        raise MailUnreadable(Reason.NO_TEXT, "the mail is a header alone")
    raw = bytes(message.data[start:end])
    payload = raw if plainly else _payload(raw, part.encoding, body)
    if len(spot.removed) > MAX_PLACEHOLDERS:
        raise MailUnreadable(Reason.DEFECT, f"more than {MAX_PLACEHOLDERS} placeholders")
    decoded = body.decoded
    script = script_of(body.charset, payload)
    spans = [(spot.start, spot.end)]
    if spot.removed:
        spans = sorted((*spans, *spot.removed))
    offsets: list[Span] = []
    for first, last in spans:
        if part.parent is not None and last > first and decoded.startswith("--", last):
            raise MailUnreadable(Reason.DEFECT, "what stands behind a placeholder could become a boundary")
        if script is not None:
            at = script.offset(payload, decoded, first)
            offsets.append((at, at if last == first else script.offset(payload, decoded, last)))
    return Target(
        part=part,
        html=body.kind == "html",
        charset=body.charset,
        raw=raw,
        payload=payload,
        decoded=decoded,
        script=script,
        newline=newline,
        flowed=flowed,
        spot=spot,
        spans=tuple(spans),
        offsets=tuple(offsets),
    )
