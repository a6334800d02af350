"""Values for the tests of the ledger, made from a number or a word.

The same word is the same mail or person.
"""

import hashlib

from gateway.smtp.fold import Fate
from gateway.smtp.reply import Reply
from gateway.transaction.ports import CopyIntent, CopyOutcome, SendIntent, SendOutcome, SendState


def key(word: str) -> bytes:
    """32 octets that stand for `word`."""
    return hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()


def intent(mail: str = "mail", person: str = "person", *, attempt: int = 0, **changes: object) -> SendIntent:
    """An intent with a token of its own for each attempt."""
    values: dict[str, object] = {
        "mail_key": key(mail),
        "person": key(person),
        "token": key(f"{mail} {person} {attempt}")[:16],
        "sender": "saiyo@example.co.jp",
        "campaign": "spring",
        "rule": "ja-rejection",
        "footer": "default-ja",
        "ruleset": "0123456789ab",
        "message_id": "<1@example.co.jp>",
        "route": "default",
    }
    return SendIntent(**(values | changes))  # type: ignore[arg-type]


def outcome(
    mail: str = "mail",
    person: str = "person",
    state: SendState = SendState.ACCEPTED,
    *,
    reply: str = "250 2.0.0 queued",
    put_off: bool = False,
) -> SendOutcome:
    """The next hop's word on that send."""
    return SendOutcome(
        mail_key=key(mail),
        person=key(person),
        state=state,
        reply=reply,
        host="192.0.2.1:25",
        counts_as_put_off=put_off,
    )


def copy(person: str, *, mail: str = "mail", linked: bool = True) -> CopyIntent:
    """A recipient of a mail with several."""
    return CopyIntent(person=key(person), send=intent(mail, person) if linked else None)


def became(
    person: str, fate: Fate, *, mail: str = "mail", reply: Reply | None = None, linked: bool = True
) -> CopyOutcome:
    """What became of that recipient's copy, with the same for its send."""
    states = {
        Fate.TAKEN: SendState.ACCEPTED,
        Fate.REFUSED: SendState.REFUSED,
        Fate.PUT_OFF: SendState.PUT_OFF,
        Fate.UNKNOWN: SendState.UNKNOWN,
    }
    said = reply or Reply(250 if fate is Fate.TAKEN else 550, (b"2.0.0 said so",))
    send = outcome(mail, person, states[fate], reply=str(said)) if linked else None
    return CopyOutcome(person=key(person), fate=fate, reply=said, send=send)
