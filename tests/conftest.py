"""What holds for every test: hypothesis profiles, and real programs that must be there.

asyncio runs in pytest-asyncio's auto mode (pyproject.toml): a coroutine test needs no mark.
"""

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.programs import missing, remedy

CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# Deterministic in CI: a red build must be red again on the same commit. Developers' machines look for new
# cases and remember them in .hypothesis/. Deadlines would measure the neighbours of a busy machine.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, print_blob=True)
settings.register_profile("dev", deadline=None, max_examples=100)
settings.register_profile(
    "long", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if CI else "dev"))


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the garbage collector's sight.

    To go over all of it takes a quarter of a second, and twice that on a busy machine: as long as the budgets
    of some mail in a test that happens to run then.
    """
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or in CI fail, a test whose real peers are not installed."""
    names = [name for mark in item.iter_markers("peer") for name in mark.args]
    packages = missing(names)
    if not packages:
        return
    if CI:
        pytest.fail(f"needs the packages: {' '.join(packages)} (.ci/run brings them)", pytrace=False)
    pytest.skip(remedy(packages))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half a surrogate pair in what a test printed or logged can't be sent between processes: escape it."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode("utf-8")) for name, text in report.sections
    ]
    return report
