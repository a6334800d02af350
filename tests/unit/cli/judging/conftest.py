from collections.abc import Iterator

import pytest

from tests.unit.cli.judging.mails import shipped_rules_once


@pytest.fixture(autouse=True, scope="package")
def _shipped_rules_once() -> Iterator[None]:
    with shipped_rules_once():
        yield
