"""Which event loop a test runs on: that of the workers, where its module says so."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Modules with ``ON_UVLOOP = True`` run on uvloop, as the workers do; others on asyncio's own loop."""
    if getattr(getattr(item, "module", None), "ON_UVLOOP", False):
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
