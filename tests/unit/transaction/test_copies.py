from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.fold import Fate, Outcome
from gateway.smtp.reply import Reply
from gateway.transaction.compose import Content
from gateway.transaction.copies import Job
from gateway.transaction.ports import SendIntent, SendOutcome, SendState

SEND = SendIntent(
    mail_key=b"m" * 32,
    person=b"p" * 32,
    token=b"t" * 16,
    sender="hr@example.co.jp",
    campaign="",
    rule="r",
    footer="f",
    ruleset="s",
    message_id="<m@example.co.jp>",
    route="default",
)
STATES = {
    Fate.TAKEN: SendState.ACCEPTED,
    Fate.UNKNOWN: SendState.UNKNOWN,
    Fate.PUT_OFF: SendState.PUT_OFF,
    Fate.REFUSED: SendState.REFUSED,
}


def job(*fates: Fate, send: SendIntent | None = SEND, unlinked: bool = False) -> Job:
    """A copy for as many recipients, each with a reply of its own."""
    return Job(
        recipients=tuple(range(len(fates))),
        content=Content(b""),
        send=send,
        unlinked=unlinked,
        host="h:25",
        outcomes={index: Outcome(fate, Reply(250 + index, (b"ok",))) for index, fate in enumerate(fates)},
    )


def test_what_the_ledger_is_not_told() -> None:
    """Nothing of a copy without a link, nor of one of which nothing is known."""
    assert job(Fate.TAKEN, send=None).send_outcome() is None
    assert job().send_outcome() is None


@given(st.lists(st.sampled_from(list(STATES)), min_size=1, max_size=4), st.booleans())
def test_the_best_fate_of_a_copy_tells(fates: list[Fate], unlinked: bool) -> None:  # noqa: FBT001 - drawn
    """Taken by one, the link is out; what is unknown may be; the reply is the first of that fate."""
    best = next(fate for fate in STATES if fate in fates)
    assert job(*fates, unlinked=unlinked).send_outcome() == SendOutcome(
        mail_key=SEND.mail_key,
        person=SEND.person,
        state=SendState.UNLINKED if unlinked and best is Fate.TAKEN else STATES[best],
        reply=f"{250 + fates.index(best)} ok",
        host="h:25",
    )
