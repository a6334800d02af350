"""Who runs a command, by the system's own word: names in the environment are for anybody to set."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

#: Set once by the login itself (sshd, console), kept through sudo and su: loginuid of pam_loginuid(8).
_LOGIN = Path("/proc/self/loginuid")
_UNSET = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The account that a command runs as, and the one of the login before it; None where none is known."""

    uid: int
    login: int | None = None

    @classmethod
    def own(cls) -> "Login":
        """That of this process."""
        try:
            found = int(_LOGIN.read_text("ascii"))
        except (OSError, ValueError):
            found = _UNSET
        return cls(uid=os.getuid(), login=None if found == _UNSET else found)

    def __str__(self) -> str:
        account = _account(self.uid)
        other = self.login not in (None, self.uid)
        return f"{account}, logged in as {_account(self.login or 0)}" if other else account

    def is_other_than(self, one: "Login") -> bool | None:
        """Whether two people are behind them; None where the system can't tell: one account for many."""
        if self.login is not None and one.login is not None:
            return self.login != one.login
        return True if self.uid != one.uid else None


def _account(uid: int) -> str:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container there may be no name for it
        name = "?"
    return f"{name} (uid {uid})"
