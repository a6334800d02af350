import os
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gateway.service.randomness import AT_ONCE, Randomness


class Kernel:
    """Gives octets of which each 4 are a number of their own."""

    def __init__(self) -> None:
        self.calls = 0
        self._numbers = count()

    def __call__(self, octets: int) -> bytes:
        """So many."""
        self.calls += 1
        return b"".join(next(self._numbers).to_bytes(4, "big") for _ in range(-(-octets // 4)))[:octets]


@given(st.lists(st.integers(1, 2 * AT_ONCE // 4).map(lambda words: 4 * words), max_size=30))
def test_nothing_is_given_twice(sizes: list[int]) -> None:
    """As many as asked for, whatever is in stock, and none that somebody has already."""
    randomness = Randomness(Kernel())
    given_out = [randomness(size) for size in sizes]
    assert [len(one) for one in given_out] == sizes
    words = [one[at : at + 4] for one in given_out for at in range(0, len(one), 4)]
    assert len(set(words)) == len(words)


def test_the_kernel_is_asked_once_for_many_tokens() -> None:
    """Which is what it is for."""
    kernel = Kernel()
    randomness = Randomness(kernel)
    tokens = {randomness(16) for _ in range(AT_ONCE // 16)}
    assert (len(tokens), kernel.calls) == (AT_ONCE // 16, 1)
    randomness(16)
    assert kernel.calls == 2


def test_a_process_that_forks_off_has_octets_of_its_own() -> None:
    """What is in stock is not given out by two processes: that would be one token for two people."""
    randomness = Randomness()
    randomness(16)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, randomness(16))
        os._exit(0)
    os.close(write)
    theirs = os.read(read, 16)
    os.close(read)
    assert os.waitpid(child, 0)[1] == 0
    assert len(theirs) == 16
    assert theirs != randomness(16)
