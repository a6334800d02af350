"""Random octets, fetched from the kernel for many mails at once.

Each call of the kernel lets other threads have the interpreter, and to get it back costs a mail twenty times
what its token does. What is fetched comes from the same source, is given out once, and is not shared with a
process that forks off.
"""

import os
from collections.abc import Callable

#: Octets that are fetched at once: tokens of 256 mails.
AT_ONCE = 4_096


class Randomness:
    """Gives random octets: `os.urandom`, with some in stock. `fetch` is where they come from."""

    __slots__ = ("_at", "_fetch", "_stock")

    def __init__(self, fetch: Callable[[int], bytes] = os.urandom) -> None:
        self._fetch = fetch
        self._stock = b""
        self._at = 0
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self, octets: int) -> bytes:
        """So many fresh random octets."""
        start, end = self._at, self._at + octets
        if end > len(self._stock):
            self._stock = self._fetch(max(AT_ONCE, octets))
            start, end = 0, octets
        self._at = end
        return self._stock[start:end]

    def _forget(self) -> None:
        self._stock = b""
        self._at = 0
