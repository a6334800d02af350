"""AUTH PLAIN and LOGIN (RFC 4954, RFC 4616): the conversation, the check, and what guessing costs.

aiosmtpd's AUTH is not used: it checks in the event loop, where one slow hash holds up everybody's mail, says
538 on implicit TLS, and tells mechanisms apart by case.

Passwords are checked in two threads of their own, so that mail goes on, and no more than two hashes are in
memory at once. A password that was right is remembered (as a keyed hash, with a key of this process) until
the users file changes: programs that log in for each mail cost nothing after the first.

Guessing: each wrong answer is answered later than the one before; after `attempts` within `seconds` the peer
is turned away for that long. A name that is guessed at from many peers is closed too, but not to peers that
have logged in with it lately, or a stranger could lock somebody out.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.config.password import MAX_PASSWORD, NOBODY, verify
from gateway.config.users import User
from gateway.edge.registry import network_of
from gateway.smtp import failure
from gateway.smtp.reply import Reply

MECHANISMS = b"AUTH PLAIN LOGIN"
#: Hashes computed at once, each of 32 MiB; and how many may wait for that.
THREADS = 2
MAX_WAITING = 50
#: Right passwords, peers and names that are remembered.
REMEMBERED = 10_000
#: The first wrong password is answered after this many seconds, each further one after twice as long.
FIRST_DELAY = 0.5
LONGEST_DELAY = 8.0

Key = TypeVar("Key")
Value = TypeVar("Value")
Ask = Callable[[bytes], Awaitable[bytes | Reply]]


async def credentials(argument: bytes, ask: Ask) -> tuple[str, str] | Reply:
    """The name and password of an AUTH command, or the reply that ends it.

    Args:
        argument: what follows ``AUTH``: the mechanism, and maybe an initial response.
        ask: sends a 334 with this (base64) and gives the line that comes back, without its CRLF.
    """
    mechanism, _, initial = argument.partition(b" ")
    match mechanism.upper():
        case b"PLAIN":
            answer = await _answer(ask, b"", initial.strip())
            if isinstance(answer, Reply):
                return answer
            identity, _, rest = answer.partition("\0")
            name, separator, password = rest.partition("\0")
            if not separator or "\0" in password:
                return failure.AUTH_MALFORMED
            # RFC 4616 §2: nobody acts for somebody else here.
            return (name, password) if identity in ("", name) else failure.AUTH_FAILED
        case b"LOGIN":
            answer = await _answer(ask, b"VXNlcm5hbWU6", initial.strip())
            if isinstance(answer, Reply):
                return answer
            password_answer = await _answer(ask, b"UGFzc3dvcmQ6", b"")
            return password_answer if isinstance(password_answer, Reply) else (answer, password_answer)
        case b"":
            return failure.AUTH_MALFORMED
        case _:
            return failure.AUTH_MECHANISM


async def _answer(ask: Ask, challenge: bytes, initial: bytes) -> str | Reply:
    answer = initial or await ask(challenge)
    if isinstance(answer, Reply):
        return answer
    if answer == b"*":
        return failure.AUTH_CANCELLED
    try:
        # "=" is an initial response of no octets (RFC 4954 §4)
        text = b"" if answer == b"=" and initial else base64.b64decode(answer, validate=True)
        return text.decode("utf-8")
    except (binascii.Error, ValueError):
        return failure.AUTH_MALFORMED


class Logins:
    """Checks logins for all sessions of a process.

    Args:
        users: all users of now.
        attempts: wrong passwords of a peer (or for a name) within `seconds`, after which it is turned away.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        users: Callable[[], Mapping[str, User]],
        *,
        attempts: int,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._users = users
        self._attempts = attempts
        self._seconds = seconds
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # whose -> how often, since when
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()  # (peer, name) -> last login

    async def check(self, name: str, password: str, *, peer: str, listener: str) -> User | Reply:
        """The user, or the reply that refuses the login. A refusal takes its time.

        421 means that the session ends, too.
        """
        peer = network_of(peer)
        if self._locked(peer, name):
            return failure.AUTH_LOCKED
        user = self._users().get(name)
        remembered = self._remembered(user, password)
        if remembered not in self._right:
            if self._waiting >= MAX_WAITING:
                return failure.AUTH_BUSY
            self._waiting += 1
            try:
                right = await self._verify(user, password)
            finally:
                self._waiting -= 1
            if not right or user is None:
                return await self._refuse(peer, name)
            _remember(self._right, remembered, None)
        if user is None or not user.may_use(listener):
            return await self._refuse(peer, name)
        self._wrong.pop(f"peer {peer}", None)
        _remember(self._known, (peer, name), self._clock())
        return user

    def named(self, name: str, listener: str) -> User | None:
        """The user of this name, who has proven it to somebody else; None if there is none here."""
        user = self._users().get(name)
        return user if user is not None and user.may_use(listener) else None

    async def _verify(self, user: User | None, password: str) -> bool:
        hashed = NOBODY if user is None else user.password
        if len(password) > MAX_PASSWORD:
            password, hashed = "", NOBODY
        right = await asyncio.get_running_loop().run_in_executor(self._threads, verify, password, hashed)
        return right and user is not None and hashed is user.password

    def _remembered(self, user: User | None, password: str) -> bytes:
        whole = f"{'' if user is None else user.name}\0{'' if user is None else user.password}\0{password}"
        return hmac.digest(self._key, whole.encode("utf-8", "surrogatepass"), hashlib.sha256)

    def _locked(self, peer: str, name: str) -> bool:
        if self._failures(f"peer {peer}") >= self._attempts:
            return True
        if self._failures(f"name {name}") < self._attempts:
            return False
        return (peer, name) not in self._known

    def _failures(self, whose: str) -> int:
        count, since = self._wrong.get(whose, (0, 0.0))
        return count if self._clock() - since < self._seconds else 0

    async def _refuse(self, peer: str, name: str) -> Reply:
        now = self._clock()
        for whose in (f"peer {peer}", f"name {name[:127]}"):
            count = self._failures(whose)
            since = self._wrong[whose][1] if count else now
            _remember(self._wrong, whose, (count + 1, since))
        count = self._failures(f"peer {peer}")
        await asyncio.sleep(min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (count - 1)))
        return failure.AUTH_FAILED

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _remember(table: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > REMEMBERED:
        table.popitem(last=False)
