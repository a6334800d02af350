"""Many outcomes, one reply: the table of SMTP.md, "Several recipients, one reply".

SMTP answers a mail for several recipients with one reply. When copies fared differently, that reply has to be
the one after which nobody is left without the mail, and as few as possible have it twice.
"""

from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import NamedTuple

from gateway.smtp.reply import Reply

#: Octets of names in one line of a reply. RFC 5321 §4.5.3.1.5: 512 for all of the line.
_NAMES_IN_LINE = 480
#: Lines of names for either list; behind that it is told how many are not named.
_LINES_OF_NAMES = 40


class Fate(StrEnum):
    """What became of a copy at the next hop, for one recipient."""

    TAKEN = "taken"
    REFUSED = "refused"
    PUT_OFF = "put-off"
    UNKNOWN = "unknown"
    ELSEWHERE = "elsewhere"

    @classmethod
    def of(cls, reply: Reply) -> "Fate":
        """The fate that a final reply means. What is neither 2xx nor 5xx is transient."""
        if reply.positive:
            return cls.TAKEN
        return cls.REFUSED if reply.permanent else cls.PUT_OFF


class Outcome(NamedTuple):
    """The fate of one recipient's copy, and the reply behind it.

    For UNKNOWN and ELSEWHERE that is one of our own.
    """

    fate: Fate
    reply: Reply


class Notice(Enum):
    """What became of the failure notice for recipients that were refused while others were taken."""

    UNWANTED = "unwanted"
    TAKEN = "taken"
    PUT_OFF = "put-off"
    REFUSED = "refused"


def is_mixed(outcomes: Sequence[Outcome]) -> bool:
    """Whether some were taken and all the rest refused: then the sender is owed a failure notice."""
    fates = {outcome.fate for outcome in outcomes}
    return fates == {Fate.TAKEN, Fate.REFUSED}


def fold(
    outcomes: Sequence[Outcome], notice: Notice = Notice.UNWANTED, *, names: Sequence[str] = ()
) -> Reply:
    """One reply for all recipients.

    Args:
        outcomes: one a recipient, in the order of RCPT; at least one.
        notice: read only where `is_mixed`.
        names: the recipients as the sender gave them, for the text of the last row of the table; as many
            as outcomes, or none.
    """
    if len(outcomes) == 1:
        return outcomes[0].reply
    fates = [outcome.fate for outcome in outcomes]
    taken = fates.count(Fate.TAKEN)
    if taken == len(fates):
        return outcomes[-1].reply
    if any(fate in (Fate.PUT_OFF, Fate.UNKNOWN, Fate.ELSEWHERE) for fate in fates):
        if all(outcome == outcomes[0] for outcome in outcomes):
            # One answer for all: the next hop's own words say more than ours (rule 4).
            return outcomes[0].reply
        return Reply.of(451, "4.3.0", f"{taken} of {len(fates)} taken, try again for the rest")
    if not taken:
        return outcomes[0].reply
    return _mixed(outcomes, notice, names)


def _mixed(outcomes: Sequence[Outcome], notice: Notice, names: Sequence[str]) -> Reply:
    taken = [outcome for outcome in outcomes if outcome.fate is Fate.TAKEN]
    if notice in (Notice.UNWANTED, Notice.TAKEN):
        return taken[-1].reply
    if notice is Notice.PUT_OFF:
        return Reply.of(
            451, "4.3.0", f"{len(taken)} of {len(outcomes)} taken, failure notice not yet; try again"
        )
    names = names or [f"recipient {number}" for number in range(1, len(outcomes) + 1)]
    shown = [name.encode("ascii", "backslashreplace").decode("ascii") for name in names]
    named = list(zip(shown, outcomes, strict=True))
    has = [name for name, outcome in named if outcome.fate is Fate.TAKEN]
    has_not = [name for name, outcome in named if outcome.fate is not Fate.TAKEN]
    return Reply.of(554, "5.3.0", *_listed("Delivered to:", has), *_listed("Refused for:", has_not))


def _listed(title: str, names: Sequence[str]) -> list[str]:
    """The names in lines that a reply may have."""
    lines = [title]
    for at, name in enumerate(names):
        word = f" {name[: _NAMES_IN_LINE // 2]}{',' if at + 1 < len(names) else ''}"
        if len(lines[-1]) + len(word) > _NAMES_IN_LINE:
            if len(lines) == _LINES_OF_NAMES:
                lines.append(f"and {len(names) - at} more")
                break
            lines.append(word[1:])
        else:
            lines[-1] += word
    return lines
