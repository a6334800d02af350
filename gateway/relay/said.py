"""What a next hop was told of a mail and accepted, so that it can be said again on another connection.

The sender heard those answers, and they stand (SMTP.md rule 1): on a fresh connection the same MAIL and the
accepted RCPTs are said once more, before anything new. Whose RCPT is refused then has that as its outcome.
"""

from collections.abc import Callable, Sequence

from gateway.relay.commands import line_for, one_by_one
from gateway.relay.connection import Connection, ConnectionLost
from gateway.relay.introduce import introduce
from gateway.relay.settings import NextHopSettings
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.reply import Reply

Mark = tuple[Mail | None, list[Rcpt], list[Reply], int]
"""A state to go back to; opaque."""


class Said:
    """MAIL and the RCPTs that were accepted, in order, with the answers in force."""

    __slots__ = ("answers", "mail", "rcpts")

    def __init__(self) -> None:
        self.mail: Mail | None = None
        self.rcpts: list[Rcpt] = []
        self.answers: list[Reply] = []

    def book(self, commands: Sequence[Mail | Rcpt], replies: Sequence[Reply]) -> None:
        """These commands were answered, the first of them at least: 2xx is accepted; MAIL begins anew."""
        for command, reply in zip(commands, replies, strict=False):
            if not reply.positive:
                continue
            if isinstance(command, Mail):
                self.mail = command
                self.rcpts = []
                self.answers = []
            elif self.mail is not None:
                self.rcpts.append(command)
                self.answers.append(reply)

    def forget(self) -> None:
        """The transaction is over."""
        self.mail = None
        self.rcpts = []
        self.answers = []

    def mark(self) -> Mark:
        """The state of now."""
        return self.mail, self.rcpts, self.answers, len(self.rcpts)

    def back_to(self, mark: Mark) -> None:
        """Take back what was accepted since."""
        self.mail, self.rcpts, self.answers, count = mark
        del self.rcpts[count:], self.answers[count:]

    async def again(
        self,
        connection: Connection,
        deadline: float,
        *,
        settings: NextHopSettings,
        notice: Callable[[Connection, Reply], None],
    ) -> Reply | None:
        """Say all of it on this connection. Gives MAIL's refusal, if it is refused now.

        `notice` is told of MAIL's refusal, and of each RCPT's answer.

        Raises:
            ConnectionLost: the connection is void.
        """
        if self.mail is None:
            return None
        if self.mail.client is not None:
            await introduce(connection, self.mail, settings, deadline)
        commands: list[Mail | Rcpt] = [self.mail, *self.rcpts]
        first, *others = [line_for(command, connection.extensions) for command in commands]
        if connection.pipelining:
            answer, *answers = await connection.exchange(
                b"".join([first, *others]), 1 + len(others), deadline
            )
        else:
            (answer,) = await connection.exchange(first, 1, deadline)
            answers = await one_by_one(connection, others, deadline) if answer.positive else []
        for reply in (answer, *answers):
            if reply.code in (220, 221, 421) or reply.intermediate:
                connection.quit()
                raise ConnectionLost(f"said again: {reply}"[:120])
        if not answer.positive:
            notice(connection, answer)
            return answer
        self.answers = answers
        for reply in answers:
            notice(connection, reply)
        return None
