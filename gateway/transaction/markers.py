"""What a recruiter says about one mail: no link, or a link (RULES.md, "Actions and verdicts"). Pure.

*No* is a header field ``X-CareerRelay: off`` or a marker in the subject. *Yes* is another marker, or the
placeholder in what was newly written; it counts for senders in ``[force] senders`` alone. *No* wins.

All of these are addressed to us and are taken out of every copy, also of mail that is otherwise left as it
came: as an edit like the footer, with the same check, and where we may edit. On mail that is signed, or that
cannot be edited, they stay, and the log says so.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.footer.choose import may_have_placeholder, placeholders
from gateway.message.scan import Message
from gateway.message.splice import Edit
from gateway.message.subject import decode_header
from gateway.message.text import Body, MailText
from gateway.message.unmark import subject_edits
from gateway.reason import Reason

FIELD = b"x-careerrelay"
#: As a raw body shows it to those who have not read its text.
PLACEHOLDER = b"{{careerrelay}}"

_FRESH = re.compile(r"\{\{ ?careerrelay ?\}\}")
#: Reasons to leave a mail alone for which its header may be edited all the same.
_EDITABLE = frozenset(
    {
        None,
        Reason.NO_CANDIDATE,
        Reason.SENDER_EXCLUDED,
        Reason.HAS_LINK,
        Reason.NO_TEXT,
        Reason.CHARSET,
        Reason.UNDECODABLE,
        Reason.HTML_DEFECT,
        Reason.WINDOW,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Markers:
    """The words that mean no and yes in a subject. Frozen, and compared by value.

    `both` finds all of them; None where there are none.
    """

    off: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    both: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "both", pattern((*self.off, *self.on)))

    def says_off(self, subject: str) -> bool:
        """Whether a subject says no."""
        found = pattern(self.off)
        return found is not None and found.search(subject) is not None


@lru_cache(maxsize=64)
def pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """One of the words, in any case; the longest first, so that none is cut in two."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if words else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What was found in one mail.

    Attributes:
        off, on: it says no; it says yes, if its sender may.
        edits: take field and subject markers out.
        bodies: whether a placeholder stands in a body that may be edited.
        stays: something stays that should be taken out, and why.
    """

    off: bool = False
    on: bool = False
    edits: tuple[Edit, ...] = ()
    bodies: bool = False
    stays: str = ""

    @property
    def cleans(self) -> bool:
        """Whether there is something to be taken out."""
        return bool(self.edits) or self.bodies


NOTHING = Marked()


def may_be_marked(message: Message, markers: Markers) -> bool:
    """Whether there is anything to find: asked first of mail whose text nobody reads but for its markers."""
    if message.head.all(FIELD):
        return True
    both = markers.both
    if both is not None and both.search(decode_header(message.head.value(b"subject") or b"")) is not None:
        return True
    return may_have_placeholder(message)


def find_marks(message: Message, text: MailText | None, markers: Markers, reason: Reason | None) -> Marked:
    """Look for markers. `reason` is why the mail is left alone, None where the rules have a say."""
    fields = message.head.all(FIELD)
    subject, bodies, both = "", [], markers.both
    if text is not None:
        subject, bodies = text.subject.source, list(filter(_has_placeholder, text.bodies))
    elif both is not None:
        subject = decode_header(message.head.value(b"subject") or b"")
    marked = both is not None and both.search(subject) is not None
    raw = text is None and message.data.find(PLACEHOLDER) >= 0
    if not (fields or marked or bodies or raw):
        return NOTHING
    off = any(each.value(message.data).strip().lower() == b"off" for each in fields)
    off = off or (marked and markers.says_off(subject))
    on = (marked and not off) or any(_FRESH.search(body.new.text) for body in bodies)
    if reason not in _EDITABLE or message.defects:
        return Marked(off=off, on=on, stays=f"markers stay in it: {reason or Reason.DEFECT}")
    edits = [Edit(start=each.start, end=each.end, replacement=b"") for each in fields]
    stays = ""
    if marked and both is not None:
        in_subject = subject_edits(message, both)
        edits += in_subject
        stays = "" if in_subject else "the marker in the subject cannot be taken out of it"
    unread = text is None or text.reason is not None
    if bodies and unread:
        stays = f"a placeholder stays in it: {reason}"
    return Marked(off=off, on=on, edits=tuple(edits), bodies=bool(bodies) and not unread, stays=stays)


def _has_placeholder(body: Body) -> bool:
    return "{" in body.decoded and bool(placeholders(body)) if body.kind == "plain" else _in_html(body)


def _in_html(body: Body) -> bool:
    # Tags may cut the word up, so it is looked for in the text that they leave; what is quoted, too.
    word = "careerrelay"
    return (word in body.new.text or word in body.quoted.text) and bool(placeholders(body))
