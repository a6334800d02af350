"""How right the shipped packs are on the corpus, by part and language, as docs/accuracy.md logs it.

python -m tests.corpus.measure [LABELS.jsonl]
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.cli.judging.judge import make_judge
from gateway.cli.judging.labels import read_labels
from gateway.cli.judging.measure import Result, Score, score, wilson
from gateway.cli.judging.run import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
Groups = dict[tuple[str, str], list[Result]]


def judged(labels: Path) -> Groups:
    """Every mail's result, by its part and language."""
    judge, _ = make_judge(None, rules=ROOT / "rules")
    groups: Groups = {}
    lines = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]
    for line, result in zip(lines, run(judge, read_labels(labels)), strict=True):
        groups.setdefault((line.get("part", "-"), line["language"]), []).append(result)
        groups.setdefault((line.get("part", "-"), "both"), []).append(result)
    return groups


def rows(groups: Groups) -> Iterator[str]:
    """A line of a table for each group."""
    yield "| part | language | mails | rejections | precision | recall | F1 |"
    yield "|---|---|---|---|---|---|---|"
    for part, language in sorted(groups):
        yield _row(part, language, score(groups[part, language]))


def _row(part: str, language: str, said: Score) -> str:
    precision = _share(said.precision, wilson(said.found, said.matched))
    recall = _share(said.recall, wilson(said.found, said.positive))
    return (
        f"| {part} | {language} | {said.mails} | {said.positive} | {precision} | {recall} | {said.f1:.2f} |"
    )


def _share(share: float, interval: Sequence[float] | None) -> str:
    if interval is None:
        return "-"
    return f"{share:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"


if __name__ == "__main__":
    for row in rows(judged(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "labels.jsonl")):
        sys.stdout.write(f"{row}\n")
