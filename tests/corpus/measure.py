"""How right the shipped packs are on the corpus, as docs/accuracy.md logs it.

python -m tests.corpus.measure            precision and recall, by part and language
python -m tests.corpus.measure ROUND...   what was found and what was flagged, by difficulty
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.cli.judging.judge import make_judge
from gateway.cli.judging.labels import read_labels
from gateway.cli.judging.measure import Result, Score, score, wilson
from gateway.cli.judging.run import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LABELS = HERE / "labels.jsonl"
LANGUAGES = ("both", "en", "ja")
DIFFICULTIES = ("stock", "varied", "hard", "lookalike", "ordinary")
Groups = dict[tuple[str, str], list[Result]]


def judged(labels: Path) -> Groups:
    """Every mail's result, by its part and language; and by part and round."""
    groups: Groups = {}
    for line, result in _results(labels):
        part = line.get("part", "-")
        for of in (line["language"], "both", line.get("round", "-")):
            groups.setdefault((part, of), []).append(result)
    return groups


def _results(labels: Path) -> Iterator[tuple[dict[str, Any], Result]]:
    judge, _ = make_judge(None, rules=ROOT / "rules")
    lines = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]
    for line, result in zip(lines, run(judge, read_labels(labels)), strict=True):
        # without what was found: of fifteen thousand mails that would be a gigabyte
        yield line, replace(result, verdict=replace(result.verdict, evidence=(), pages=()))


def rows(groups: Groups) -> Iterator[str]:
    """A line of a table for each group."""
    yield "| part | language | mails | rejections | precision | recall | F1 |"
    yield "|---|---|---|---|---|---|---|"
    for part, language in sorted(groups):
        if language in LANGUAGES:
            yield _row(part, language, score(groups[part, language]))


def rows_of_rounds(labels: Path, rounds: Sequence[str]) -> Iterator[str]:
    """A line for each round and part of it, and one for each difficulty."""
    groups: dict[tuple[str, str], list[Result]] = {}
    difficult: dict[tuple[str, str, str], list[Result]] = {}
    for line, result in _results(labels):
        if line["round"] in rounds:
            place = line["round"], line["part"]
            groups.setdefault(place, []).append(result)
            difficult.setdefault((*place, line["difficulty"]), []).append(result)
    for place, results in sorted(groups.items()):
        yield _row(*place, score(results))
        for difficulty in DIFFICULTIES:
            of_these = difficult.get((*place, difficulty), [])
            matched = sum(result.verdict.matched for result in of_these)
            if of_these:
                share = _share(matched / len(of_these), wilson(matched, len(of_these)))
                yield f"| | {difficulty} | {matched} of {len(of_these)} | {share} |"


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
    asked = sys.argv[1:]
    for row in rows_of_rounds(LABELS, asked) if asked else rows(judged(LABELS)):
        sys.stdout.write(f"{row}\n")
