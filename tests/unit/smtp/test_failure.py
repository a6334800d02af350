import pytest

from gateway.smtp import failure
from gateway.smtp.reply import Reply

OWN_REPLIES = {name: value for name, value in vars(failure).items() if isinstance(value, Reply)}


@pytest.mark.parametrize("name", OWN_REPLIES)
def test_own_replies_are_well_formed(name: str) -> None:
    """Each has one line, short enough, and an enhanced code of its own class (RFC 2034 §4), but for 354."""
    reply = OWN_REPLIES[name]
    assert len(reply.wire) <= 512
    assert reply.wire.count(b"\r\n") == 1
    assert reply.enhanced.partition(".")[0] == ("" if reply.intermediate else str(reply.code)[0])


def _reply(text: str) -> Reply:
    return Reply(int(text[:3]), (text[4:].encode(),))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("250 2.1.5 fine", "250 2.1.5 fine"),
        ("252 2.0.0 will try", "252 2.0.0 will try"),
        ("450 4.2.0 greylisted", "450 4.2.0 greylisted"),
        ("550 5.1.1 no such user", "550 5.1.1 no such user"),
        ("421 4.7.0 too fast", "451 4.7.0 too fast"),
        ("421 closing", "451 4.3.2 closing"),
        ("421 2.0.0 closing", "451 4.3.2 closing"),
        ("530 5.7.0 say AUTH first", str(failure.NEXT_HOP_REFUSES_US)),
        ("535 no", str(failure.NEXT_HOP_REFUSES_US)),
        ("550 5.7.64 TenantAttribution", str(failure.NEXT_HOP_REFUSES_US)),
        ("454 5.7.64 for now", "454 5.7.64 for now"),
        ("354 go ahead", str(failure.NEXT_HOP_NONSENSE)),
    ],
)
def test_what_the_sender_is_told(said: str, shown: str) -> None:
    """The next hop's words pass, but for those that would end the sender's session or refuse the gateway."""
    assert str(failure.for_sender(_reply(said))) == shown


def test_codes_can_be_set() -> None:
    """The list of replies that refuse the gateway is the caller's; codes and enhanced codes may be in it."""
    own = {"571", "5.9.9"}
    assert failure.refuses_gateway(_reply("571 go away"), own)
    assert failure.refuses_gateway(_reply("550 5.9.9 go away"), own)
    assert not failure.refuses_gateway(_reply("530 5.7.0 say AUTH first"), own)
    assert failure.for_sender(_reply("530 5.7.0 say AUTH first"), own) == _reply("530 5.7.0 say AUTH first")
