"""The leaves that were edited: what their headers say, and the number by which a report names them.

To the gateway an embedded message is one leaf, whatever is inside, since nothing in it is ever touched.
Others who walk through the tree of a mail go into it (Python's ``Message.walk``, GMime, MIME-tools), and they
read a report. So a report counts as they do.
"""

import email
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message as StandardMessage
from itertools import accumulate

from gateway.footer.compose import FooterPlan
from gateway.message.scan import Message, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A leaf that got the footer: what its header said, and what it says now.

    `leaf` is its number among the leaves of the mail; `number` among those and the ones of embedded messages.
    """

    leaf: int
    number: int
    content_type: str
    charset: tuple[str, str]
    encoding: tuple[str, str]


def edited_leaves(before: Message, plan: FooterPlan, after: Message) -> tuple[Edited, ...]:
    """What the headers of the edited leaves said before and say now, in reading order."""
    old, new = before.leaves, after.leaves
    return tuple(
        Edited(
            leaf=leaf,
            number=number,
            content_type=old[leaf].content_type,
            charset=(_charset(old[leaf]), _charset(new[leaf])),
            encoding=(old[leaf].encoding, new[leaf].encoding),
        )
        for leaf, number in zip(plan.parts, _numbers(before, plan.parts), strict=True)
    )


def _charset(part: Part) -> str:
    return part.parameters.get("charset", "us-ascii").lower()


def _numbers(message: Message, leaves: Sequence[int]) -> list[int]:
    """The numbers of some `leaves`, where an embedded message counts as the leaves that are inside it."""
    if not any(part.content_type.startswith("message/") for part in message.leaves[: max(leaves)]):
        return list(leaves)
    inside = _counts(email.message_from_bytes(message.data[:]))
    starts = list(accumulate(inside, initial=0))
    return [starts[leaf] for leaf in leaves]


def _counts(part: "StandardMessage[str, str]") -> Iterator[int]:
    """For each leaf of the mail how many leaves a walk finds in it."""
    children = part.get_payload()
    if part.get_content_maintype() == "multipart" and isinstance(children, list):
        for child in children:
            if isinstance(child, StandardMessage):
                yield from _counts(child)
    else:
        yield sum(not each.is_multipart() for each in part.walk())
