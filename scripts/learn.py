"""Fit a pack's wording to labelled mails and write it as a rule file.

    python scripts/learn.py ja rules/ja-wording.toml [--ordinary FOLDER...] [--runs N] [--without ROUND...]

Learnt from are the mails of tests/corpus that are to be learnt from (never those of the part `judge`), and
the formulas in tests/unit/ruleset/wordings-*.toml, each in one of its frames. `--ordinary` are folders of
further mails of which none is a rejection; they are read and not kept. The same mails give the same file.
Needs scikit-learn, which nothing else here does: ``pip install scikit-learn``.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from scipy.sparse import diags
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway.message.normalise import normalise  # noqa: E402
from gateway.message.scan import scan  # noqa: E402
from gateway.message.text import read_text  # noqa: E402
from gateway.ruleset.scope import language_of  # noqa: E402
from gateway.ruleset.spelling import variants  # noqa: E402
from gateway.ruleset.wording import Language, unrolled  # noqa: E402

LABELS = ROOT / "tests/corpus/labels.jsonl"
STRENGTH = 30.0
"""The inverse of the penalty on large weights, chosen by leaving one round after the other out."""
RAREST = 3
"""Mails in which a run has to stand: what is in fewer is a name."""
FORMULA = 0.03
"""How much one formula counts beside a mail: there are thousands, and they are much alike."""
ORDINARY = 0.03
"""The same for further mails: they show what else there is in the world, not where the border lies."""

_COUNTED: dict[Language, dict[str, Any]] = {
    "en": {"ngram_range": (1, 3), "token_pattern": r"[a-z']+|;"},
    "ja": {"ngram_range": (2, 5), "analyzer": "char"},
}


# Latin letters in Japanese text are names and addresses.
_IN: dict[Language, re.Pattern[str]] = {"en": re.compile("[a-z]"), "ja": re.compile("[ぁ-ヿ一-鿿]")}


class Sample(NamedTuple):
    """What is learnt from: the line in which runs are looked for, whether it refuses, how much it counts."""

    line: str
    refuses: bool
    weight: float = 1.0


def read(path: Path, language: Language) -> tuple[str, str]:
    """The line of a mail's longest text, and its language."""
    text = read_text(scan(path.read_bytes()))
    bodies = [body.new.text for body in (text.plain, text.html, *text.more) if body is not None]
    longest = max(bodies, key=len, default="")
    return unrolled(language, text.subject.text, longest), language_of(text.subject.text, longest)


def labelled(language: Language, without: Iterable[str]) -> Iterator[Sample]:
    """The mails of the corpus."""
    for row in map(json.loads, LABELS.read_text("utf-8").splitlines()):
        if row["language"] == language and row["part"] == "tune" and row["round"] not in without:
            yield Sample(read(LABELS.parent / row["file"], language)[0], row["label"] == "pos")


def formulas(language: Language) -> Iterator[Sample]:
    """Ways to refuse and what only looks like one, as letters."""
    path = ROOT / f"tests/unit/ruleset/wordings-{language}.toml"
    families: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    for kind, frames, refuses in (
        ("refusals", "frames", True),
        ("indirect", "frames", True),
        ("others", "other_frames", False),
        ("welcomes", "frames", False),
    ):
        rows = [row.rpartition("|") for row in families[kind].strip().splitlines()]
        said = [(subject, " ".join(one.split())) for subject, _, row in rows for one in variants(row)]
        for turn, (subject, formula) in enumerate(said):
            for frame in [families[frames][turn % len(families[frames])]] if refuses else families[frames]:
                written = unrolled(
                    language,
                    normalise(frame["subject"].format(subject=subject)),
                    normalise(frame["text"].format(said=formula)),
                )
                yield Sample(written, refuses, FORMULA)
    # What stands beside a refusal does not undo it.
    for turn, row in enumerate(families["besides"].strip().splitlines()):
        for number, beside in enumerate(variants(row.rpartition("|")[2])):
            frame = families["frames"][(turn + number) % len(families["frames"])]
            both = f"{families['stock'][(turn + number) % 3]}\n{' '.join(beside.split())}"
            written = unrolled(
                language,
                normalise(frame["subject"].format(subject="")),
                normalise(frame["text"].format(said=both)),
            )
            yield Sample(written, refuses=True, weight=FORMULA)


def ordinary(folders: Sequence[Path], language: Language) -> Iterator[Sample]:
    """Mails of other kinds in this language."""
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        line, spoken = read(path, language)
        if spoken == language:
            yield Sample(line, refuses=False, weight=ORDINARY)


def fit(samples: Sequence[Sample], language: Language, most: int) -> tuple[float, dict[str, float]]:
    """Bias and weights: logistic regression on which runs stand in a letter, the `most` telling ones."""
    counter = CountVectorizer(min_df=RAREST, binary=True, lowercase=False, **_COUNTED[language])
    table = counter.fit_transform(sample.line for sample in samples)
    said = [run for run, name in enumerate(counter.get_feature_names_out()) if _IN[language].search(name)]
    table = table[:, said]
    first = _regression(table, samples)
    kept = numpy.sort(numpy.argsort(-numpy.abs(first.coef_[0]), kind="stable")[:most])
    second = _regression(table[:, kept], samples)
    runs = counter.get_feature_names_out()[said][kept]
    return float(second.intercept_[0]), dict(zip(runs.tolist(), second.coef_[0].tolist(), strict=True))


def _regression(table: Any, samples: Sequence[Sample]) -> LogisticRegression:  # noqa: ANN401 - no type there
    lengths = numpy.sqrt(numpy.maximum(1, table.getnnz(axis=1)))
    labels = numpy.array([sample.refuses for sample in samples])
    weights = numpy.array([sample.weight for sample in samples])
    total = weights.sum()
    for label in (True, False):  # refusals and others count the same
        weights[labels == label] *= total / 2 / weights[labels == label].sum()
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    return model.fit(diags(1 / lengths) @ table, labels, sample_weight=weights)


def file_of(pack: Language, bias: float, weights: dict[str, float], samples: int) -> str:
    """The rule file, without the runs that weigh nothing."""
    rows = [
        f"{json.dumps(run, ensure_ascii=False)} = {weight:.2f}" for run, weight in sorted(weights.items())
    ]
    rows = [row for row in rows if not re.search(r"= -?0\.00$", row)]
    return (
        f"# How rejection mails read, fitted to {samples} letters by scripts/learn.py. Not to be edited by\n"
        '# hand: add mails to tests/corpus and fit anew. docs/rules.md, "Wordings", says what it is.\n\n'
        f'pack = "{pack}"\n\n[wording.letter]\nlanguage = "{pack}"\nbias = {bias:.3f}\n\n'
        "[wording.letter.weights]\n" + "\n".join(rows) + "\n"
    )


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("language", choices=("ja", "en"))
    parser.add_argument("output", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--ordinary", nargs="*", type=Path, default=[])
    parser.add_argument("--runs", type=int, default=8_000)
    given = parser.parse_args()
    samples = [
        *labelled(given.language, given.without),
        *formulas(given.language),
        *ordinary(given.ordinary, given.language),
    ]
    bias, weights = fit(samples, given.language, given.runs)
    given.output.write_text(file_of(given.language, bias, weights, len(samples)), "utf-8")
    print(f"{given.output}: {len(weights)} runs of {len(samples)} letters")


if __name__ == "__main__":
    main()
