"""Compare all readers over mails that are not in this project.

Run: python scripts/compare_readers.py [DIR ...] [--made N]

Every mail below the folders is rewritten as ``careerrelay rewrite --batch --always`` would, and each one that
gets a footer is read before and after by all readers at hand. Prints what they disagree on, and for every
reason how many mails were left alone. Exit 1 where anything disagrees.
"""

import argparse
import itertools
import mmap
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.cli.rewriting.mail import (
    SAMPLE_TOKEN,
    Refused,
    Rewriter,
    Rewritten,
    as_received,
    make_rewriter,
)
from gateway.cli.rewriting.source import find_mails, read_mbox
from gateway.token import encode_token
from tests.fuzz.collection import made
from tests.readers.agreement import Footer, complaints
from tests.readers.conftest import LACKS, READERS

Mail = tuple[str, bytes]


def mails(roots: Sequence[Path]) -> Iterator[Mail]:
    """Every mail below `roots`, as a batch finds it."""
    for root in roots:
        for found in find_mails(root):
            if not found.mbox:
                yield found.name, found.path.read_bytes()
            elif found.path.stat().st_size:
                with (
                    found.path.open("rb") as file,
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
                ):
                    for number, each in enumerate(read_mbox(data)):
                        yield f"{found.name}#{number}", data[each.start : each.end]


def rewrite_all(found: Iterator[Mail], rewriter: Rewriter) -> Iterator[tuple[str, bytes, Rewritten | str]]:
    """What became of each mail; for one that the gateway would refuse, why."""
    for name, raw in found:
        try:
            yield name, raw, rewriter.rewrite(raw, sender=None, recipients=None)
        except Refused as refused:
            yield name, raw, f"refused: {refused.reason}"


def compare(found: Iterator[Mail], readers: Sequence[str]) -> list[str]:
    """All complaints; prints the counts."""
    rewriter, _ = make_rewriter(None, always=True)
    values = rewriter.policy.link.values(encode_token(SAMPLE_TOKEN))
    footers = {name: Footer.of(footer, values) for name, footer in rewriter.policy.footers.items()}
    reasons: Counter[str] = Counter()
    wrong: list[str] = []
    changed: list[tuple[str, Rewritten]] = []
    for name, raw, result in rewrite_all(found, rewriter):
        if isinstance(result, str):
            reasons[result] += 1
            continue
        reasons[f"{result.reason} {result.detail}".partition(" at ")[0][:90]] += 1
        if result.changed:
            changed.append((name, result))
        elif result.content != as_received(raw):
            wrong.append(f"rewrite: {name}: left alone, and not as it came")
        if result.reason in {"check-failed", "internal-fault"}:
            wrong.append(f"rewrite: {name}: {result.reason} {result.detail}")
    for reason, count in reasons.most_common():
        print(f"{count:6} {reason}")
    with tempfile.TemporaryDirectory() as folder:
        pairs = []
        for number, (_, result) in enumerate(changed):
            pair = Path(folder, f"{number}-before"), Path(folder, f"{number}-after")
            pair[0].write_bytes(result.original)
            pair[1].write_bytes(result.content)
            pairs.append(pair)
        for reader in readers:
            read = READERS[reader]()
            before, after = (read([pair[when] for pair in pairs]) for when in (0, 1))
            for (name, result), was, now in zip(changed, before, after, strict=True):
                lacks = LACKS.get(reader, ())
                texts = complaints(was, now, result, footers[result.footer], lacks=lacks)
                wrong += [f"{reader}: {name}: {text}" for text in itertools.islice(texts, 3)]
    return wrong


def main() -> int:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="trees of mails, or mbox files")
    parser.add_argument("--reader", action="append", choices=list(READERS), help="only this reader")
    parser.add_argument(
        "--made", type=int, default=0, metavar="N", help="also N mails of tests/fuzz/collection.py"
    )
    parser.add_argument("--first", type=int, default=0, metavar="M", help="the number of the first of them")
    options = parser.parse_args()
    composed = (
        (f"made-{number}", made(number)) for number in range(options.first, options.first + options.made)
    )
    found = itertools.chain(mails(options.folders), composed)
    wrong = compare(found, options.reader or list(READERS))
    print("\n".join(wrong))
    print(f"{len(wrong)} disagreements")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
