"""Cost of a reload: the shipped packs, and with 1,000 rules more. Run: python bench/micro_reload.py.

CPU time of what the parent does (examples too) and of what a worker does beside its mail, and the longest
pause that a worker's event loop makes meanwhile. Nothing here is a test.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from gateway.config import derive_keys, embedded_config, read_rule_files  # noqa: E402 - the path comes first
from gateway.service.bundle import Built, Bundle, build_policy  # noqa: E402
from gateway.transaction.policy import Policy  # noqa: E402

ROUNDS, RULES = 3, 1_000
RULE = """
[terms.t{number}]
words = ["word{number}{mark}{{a,b,c}}", "phrase {number} {mark}"]
core = true
[[signal]]
id = "s{number}"
strength = "strong"
terms = ["t{number}"]
[[rule]]
id = "many-{number}"
footer = "default-en"
signals = ["s{number}"]
scope.senders = "config"
"""


def with_more(bundle: Bundle, mark: str) -> Bundle:
    """The bundle with 1,000 rules more, whose words hold `mark`."""
    text = "".join(RULE.format(number=number, mark=mark) for number in range(RULES))
    rules = {**bundle.files.rules, "many.toml": text.encode()}
    return replace(bundle, files=replace(bundle.files, rules=rules))


def with_comment(bundle: Bundle, mark: str) -> Bundle:
    """The bundle with a change in which no word is another."""
    name, content = next(iter(bundle.files.rules.items()))
    rules = {**bundle.files.rules, name: content + f"\n# {mark}\n".encode()}
    return replace(bundle, files=replace(bundle.files, rules=rules))


def best(change: Callable[[int], Bundle], last: Built, *, examples: bool) -> float:
    """CPU seconds to build what `change` gives, the best of some rounds."""
    found = []
    for turn in range(ROUNDS):
        bundle = change(turn)
        begun = time.process_time()
        build_policy(bundle, examples=examples, last=last)
        found.append(time.process_time() - begun)
    return min(found)


async def longest_pause(bundle: Bundle, last: Built) -> float:
    """Seconds for which nothing else ran on the loop while a thread built `bundle`."""
    building = asyncio.get_running_loop().run_in_executor(None, lambda: build_policy(bundle, last=last))
    longest, before = 0.0, time.perf_counter()
    while not building.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, before = max(longest, now - before - 0.001), now
    return longest


def words(policy: Policy) -> int:
    """How many words the rules look for."""
    return policy.ruleset.book.lexicon.describe()["words"]


def main() -> None:
    """Measure and print."""
    config = embedded_config(Path("/"), {"rules": {"senders": ["*@*"]}})
    shipped = Bundle(config=config, keys=derive_keys(bytes(32)), files=read_rule_files(config))
    cases: tuple[tuple[str, Bundle, Callable[[int], Bundle]], ...] = (
        ("shipped packs, a comment changed", shipped, lambda turn: with_comment(shipped, str(turn))),
        ("shipped packs, 1,000 rules new", shipped, lambda turn: with_more(shipped, f"x{turn}")),
        (
            "1,000 rules more, a comment changed",
            with_more(shipped, ""),
            lambda turn: with_comment(with_more(shipped, ""), str(turn)),
        ),
    )
    for name, base, change in cases:
        last = Built(bundle=base, policy=build_policy(base))
        parent, worker = (best(change, last, examples=examples) for examples in (True, False))
        pause = asyncio.run(longest_pause(change(ROUNDS), last))
        print(
            f"{name} ({words(last.policy):,} words): parent {parent:.2f} s, worker {worker:.2f} s, "
            f"longest pause of the loop {pause * 1000:.0f} ms"
        )


if __name__ == "__main__":
    main()
