"""Who is to get no link after all, asked in the transaction that writes the intents: it costs no commit.

* SUPPRESSED: the person asked for no more. Holds for every mail, a retry too.
* FREQUENCY: another mail of the same company brought them a link within so many days. A send that was
  refused, or went without its link, brought none; a retry of the same mail is no other mail.
"""

from collections.abc import Sequence

from gateway.reason import Reason
from gateway.store.statements import Statements, listed
from gateway.transaction.ports import SendIntent, SendState

_DAY = 86_400 * 1_000_000
#: Persons in one statement.
_ROWS = 256
_NO_LINK = frozenset({SendState.REFUSED.value, SendState.UNLINKED.value})

# Two nodes that are about to write to the same person one after the other. A row's lock would not do: there
# may be no row yet.
_ONE_AT_A_TIME = (
    "SELECT count(pg_advisory_xact_lock(hashtextextended(encode(hash, 'hex'), 0)))"
    " FROM unnest(?::bytea[]) AS hash"
)
_SENDS = (
    "SELECT people.hash, sends.mail_key, sends.company, sends.state, sends.intended_at"
    " FROM people JOIN sends ON sends.person_ref = people.ref WHERE people.hash IN "
)

Key = tuple[bytes, bytes]


def left_alone(statements: Statements, intents: Sequence[SendIntent], now: int) -> dict[Key, Reason]:
    """By person and mail, those of the intents that are not to be written."""
    persons = sorted({intent.person for intent in intents})
    limited = sorted({intent.person for intent in intents if intent.frequency_days})
    left: dict[Key, Reason] = {}
    suppressed: set[bytes] = set()
    for start in range(0, len(persons), _ROWS):
        suppressed |= _suppressed(statements, persons[start : start + _ROWS])
    if not (suppressed or limited):
        return left
    known: dict[bytes, list[tuple[bytes, str, str, int]]] = {}
    for start in range(0, len(limited), _ROWS):
        _read_sends(statements, limited[start : start + _ROWS], known)
    given: dict[tuple[bytes, str], bytes] = {}
    for intent in intents:
        key = (intent.person, intent.mail_key)
        if intent.person in suppressed:
            left[key] = Reason.SUPPRESSED
        elif intent.frequency_days:
            since = now - intent.frequency_days * _DAY
            first = given.setdefault((intent.person, intent.company), intent.mail_key)
            if _is_too_often(intent, known.get(intent.person, ()), since, first):
                left[key] = Reason.FREQUENCY
    return left


def _is_too_often(
    intent: SendIntent, sends: Sequence[tuple[bytes, str, str, int]], since: int, first: bytes
) -> bool:
    """`first` is the mail of the same batch that comes before all others to this person."""
    if any(mail_key == intent.mail_key for mail_key, *_ in sends):
        return False
    return first != intent.mail_key or any(
        company == intent.company and state not in _NO_LINK and at > since for _, company, state, at in sends
    )


def _suppressed(statements: Statements, persons: Sequence[bytes]) -> set[bytes]:
    marks, values = listed(persons)
    statement = f"SELECT hash FROM suppressions WHERE hash IN {marks}"  # noqa: S608 - marks of parameters
    return {bytes(row[0]) for row in statements.run(statement, values)}


def _read_sends(
    statements: Statements, persons: Sequence[bytes], known: dict[bytes, list[tuple[bytes, str, str, int]]]
) -> None:
    if not statements.sqlite:
        statements.run(_ONE_AT_A_TIME, (list(persons),))
    marks, values = listed(persons)
    for person, mail_key, company, state, at in statements.run(_SENDS + marks, values):
        known.setdefault(bytes(person), []).append((bytes(mail_key), company, state, at))
