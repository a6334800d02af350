import asyncio

from gateway.edge.registry import Registry


class Member:
    """A session that ends when it is told to, if it listens."""

    def __init__(self, registry: Registry, *, listens: bool) -> None:
        self.registry = registry
        self.listens = listens
        self.aborted = False
        registry.add(self)

    def drain(self) -> None:
        """As asked."""
        if self.listens:
            asyncio.get_running_loop().call_soon(self.registry.remove, self)

    def abort(self) -> None:
        """By force."""
        self.aborted = True
        self.registry.remove(self)


async def test_drain_ends_when_the_last_session_does() -> None:
    """All sessions are asked; nobody is cut who goes by himself."""
    registry = Registry(10)
    members = [Member(registry, listens=True) for _ in range(3)]
    assert await registry.drain(5) == 0
    assert len(registry) == 0
    assert not any(member.aborted for member in members)


async def test_drain_is_bounded() -> None:
    """Who doesn't go is ended by force, and counted."""
    registry = Registry(10)
    stubborn = Member(registry, listens=False)
    Member(registry, listens=True)
    assert await asyncio.wait_for(registry.drain(0.05), 2) == 1
    assert stubborn.aborted


async def test_limit() -> None:
    """`full` holds from the limit on."""
    registry = Registry(1)
    assert not registry.full
    Member(registry, listens=True)
    assert registry.full
