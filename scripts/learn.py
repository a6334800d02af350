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
from scipy.sparse import diags, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway.message.normalise import normalise  # noqa: E402
from gateway.message.scan import scan  # noqa: E402
from gateway.message.text import read_text  # noqa: E402
from gateway.ruleset.book import Book  # noqa: E402
from gateway.ruleset.parse import parse_files  # noqa: E402
from gateway.ruleset.reading import Reading  # noqa: E402
from gateway.ruleset.scope import language_of  # noqa: E402
from gateway.ruleset.spelling import variants  # noqa: E402
from gateway.ruleset.vocabulary import Vocabulary  # noqa: E402
from gateway.ruleset.wording import Language, unrolled  # noqa: E402

LABELS = ROOT / "tests/corpus/labels.jsonl"
STRENGTH = 300.0
"""The inverse of the penalty on large weights, chosen by leaving one round after the other out."""
RAREST = 3
"""Mails in which a run has to stand: what is in fewer is a name."""
FORMULA: dict[Language, float] = {"en": 0.05, "ja": 0.03}
"""How much one formula counts beside a mail: there are thousands, and they are much alike."""
ORDINARY = 0.03
"""The same for further mails: they show what else there is in the world, not where the border lies."""
STOCK: dict[Language, float] = {"en": 2.5, "ja": 5.0}
"""The same for a letter in the words that most firms use, and for the examples of the pack.

Nearly all letters are of that kind, and few of those in the corpus: without it a look-alike's
``unfortunately`` would count against a refusal.
"""

_COUNTED: dict[Language, dict[str, Any]] = {
    "en": {"ngram_range": (1, 3), "token_pattern": r"[a-z']+|;"},
    "ja": {"ngram_range": (2, 3), "analyzer": "char"},
}


# Latin letters in Japanese text are names and addresses.
_IN: dict[Language, re.Pattern[str]] = {"en": re.compile("[a-z]"), "ja": re.compile("[ぁ-ヿ一-鿿]")}


class Sample(NamedTuple):
    """What is learnt from.

    The line in which runs are looked for, the terms in text and subject, whether it refuses, and how much it
    counts.
    """

    line: str
    held: frozenset[str]
    about: frozenset[str]
    refuses: bool
    weight: float = 1.0


class Reader:
    """Brings letters into the form in which the gateway judges them as a whole."""

    def __init__(self, language: Language) -> None:
        """The terms are those of the pack as they are now."""
        self.language = language
        names = sorted((ROOT / "rules").glob("*-terms.toml"))
        files, problems, _ = parse_files({path.name: path.read_bytes() for path in names})
        vocabulary = Vocabulary(files, problems)
        if problems:
            raise SystemExit("\n".join(map(str, problems)))
        self._book = Book(compiled=vocabulary.lexicon(), clauses=(), names=(), thanks_of={})
        labels = enumerate(map(vocabulary.label, range(self._book.width)))
        self._names = {
            number: label.partition("/")[2] for number, label in labels if label.startswith(f"{language}/")
        }

    def written(self, subject: str, text: str, *, refuses: bool, weight: float = 1.0) -> Sample:
        """A letter in normal form as something to learn from."""
        held = Reading(self._book, text).terms
        about = Reading(self._book, subject, subject=True).terms
        return Sample(
            unrolled(self.language, subject, text), self._named(held), self._named(about), refuses, weight
        )

    def _named(self, terms: int) -> frozenset[str]:
        return frozenset(name for number, name in self._names.items() if terms >> number & 1)

    @staticmethod
    def read(path: Path) -> tuple[str, str]:
        """Subject and longest text of a mail."""
        text = read_text(scan(path.read_bytes()))
        bodies = [body.new.text for body in (text.plain, text.html, *text.more) if body is not None]
        return text.subject.text, max(bodies, key=len, default="")


def labelled(reader: Reader, without: Iterable[str]) -> Iterator[Sample]:
    """The mails of the corpus."""
    for row in map(json.loads, LABELS.read_text("utf-8").splitlines()):
        if row["language"] == reader.language and row["part"] == "tune" and row["round"] not in without:
            weight = STOCK[reader.language] if row["difficulty"] == "stock" else 1.0
            subject, text = reader.read(LABELS.parent / row["file"])
            yield reader.written(subject, text, refuses=row["label"] == "pos", weight=weight)


def examples(reader: Reader) -> Iterator[Sample]:
    """Those in the pack's rule file."""
    path = ROOT / f"rules/{reader.language}-rejection.toml"
    for example in tomllib.loads(path.read_text("utf-8"))["example"]:
        subject, text = normalise(example.get("subject", "")), normalise(example["text"])
        yield reader.written(subject, text, refuses=example["matched"], weight=STOCK[reader.language])


def formulas(reader: Reader) -> Iterator[Sample]:
    """Ways to refuse and what only looks like one, as letters."""
    path = ROOT / f"tests/unit/ruleset/wordings-{reader.language}.toml"
    families: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))

    def framed(frame: dict[str, str], subject: str, said: str, *, refuses: bool) -> Sample:
        return reader.written(
            normalise(frame["subject"].format(subject=subject)),
            normalise(frame["text"].format(said=said)),
            refuses=refuses,
            weight=FORMULA[reader.language],
        )

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
                yield framed(frame, subject, formula, refuses=refuses)
            if reader.language == "en":  # as short as a letter can be; in Japanese none is
                yield framed({"subject": "{subject}", "text": "{said}"}, subject, formula, refuses=refuses)
    # What stands beside a refusal does not undo it.
    for turn, row in enumerate(families["besides"].strip().splitlines()):
        for number, beside in enumerate(variants(row.rpartition("|")[2])):
            frame = families["frames"][(turn + number) % len(families["frames"])]
            both = f"{families['stock'][(turn + number) % 3]}\n{' '.join(beside.split())}"
            yield framed(frame, "", both, refuses=True)


def ordinary(folders: Sequence[Path], reader: Reader) -> Iterator[Sample]:
    """Mails of other kinds in this language."""
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        subject, text = reader.read(path)
        if language_of(subject, text) == reader.language:
            yield reader.written(subject, text, refuses=False, weight=ORDINARY)


class Fitted(NamedTuple):
    """A wording: what is written into the rule file."""

    bias: float
    runs: dict[str, float]
    terms: dict[str, float]
    subject: dict[str, float]


def fit(samples: Sequence[Sample], language: Language, most: int) -> Fitted:
    """Logistic regression on which runs and terms stand in a letter, the `most` telling ones of the runs."""
    counter = CountVectorizer(min_df=RAREST, binary=True, lowercase=False, **_COUNTED[language])
    table = counter.fit_transform(sample.line for sample in samples)
    said = [run for run, name in enumerate(counter.get_feature_names_out()) if _IN[language].search(name)]
    table, runs = table[:, said], counter.get_feature_names_out()[said]
    names, held = _of_terms([sample.held for sample in samples])
    subjects, about = _of_terms([sample.about for sample in samples])
    _, first = _regression(hstack([table, held, about]).tocsr(), samples)
    kept = numpy.sort(numpy.argsort(-numpy.abs(first[: len(runs)]), kind="stable")[:most])
    bias, weights = _regression(hstack([table[:, kept], held, about]).tocsr(), samples)
    ends = len(kept), len(kept) + len(names)
    return Fitted(
        bias,
        dict(zip(runs[kept].tolist(), weights[: ends[0]].tolist(), strict=True)),
        dict(zip(names, weights[ends[0] : ends[1]].tolist(), strict=True)),
        dict(zip(subjects, weights[ends[1] :].tolist(), strict=True)),
    )


def _of_terms(held: Sequence[frozenset[str]]) -> tuple[list[str], Any]:
    counter = CountVectorizer(min_df=RAREST, binary=True, analyzer=sorted)
    table = counter.fit_transform(held)
    return counter.get_feature_names_out().tolist(), table


def _regression(table: Any, samples: Sequence[Sample]) -> tuple[float, Any]:  # noqa: ANN401 - no type there
    """Bias and weights.

    Each column counts as much as it tells alone (the logarithm of how much more often it stands in refusals,
    or in others), so that the penalty does not hold a rare one that tells much down like one that tells
    nothing.
    """
    lengths = numpy.sqrt(numpy.maximum(1, table.getnnz(axis=1)))
    labels = numpy.array([sample.refuses for sample in samples])
    weights = numpy.array([sample.weight for sample in samples])
    total = weights.sum()
    inside = [1 + table[labels == label].T @ weights[labels == label] for label in (True, False)]
    telling = numpy.abs(numpy.log((inside[0] / inside[0].sum()) / (inside[1] / inside[1].sum())))
    for label in (True, False):  # refusals and others count the same
        weights[labels == label] *= total / 2 / weights[labels == label].sum()
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    model.fit(diags(1 / lengths) @ table @ diags(telling), labels, sample_weight=weights)
    return float(model.intercept_[0]), model.coef_[0] * telling


def file_of(pack: Language, fitted: Fitted, samples: int) -> str:
    """The rule file, without what weighs nothing."""

    def rows(weights: dict[str, float]) -> str:
        listed = [
            f"{json.dumps(name, ensure_ascii=False)} = {weight:.2f}"
            for name, weight in sorted(weights.items())
        ]
        return "\n".join(row for row in listed if not re.search(r"= -?0\.00$", row))

    return (
        f"# How rejection mails read, fitted to {samples} letters by scripts/learn.py. Not to be edited by\n"
        '# hand: add mails to tests/corpus and fit anew. docs/rules.md, "Wordings", says what it is.\n\n'
        f'pack = "{pack}"\n\n[wording.letter]\nlanguage = "{pack}"\nbias = {fitted.bias:.3f}\n\n'
        f"[wording.letter.terms]\n{rows(fitted.terms)}\n\n[wording.letter.subject]\n{rows(fitted.subject)}\n\n"
        f"[wording.letter.weights]\n{rows(fitted.runs)}\n"
    )


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("language", choices=("ja", "en"))
    parser.add_argument("output", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--ordinary", nargs="*", type=Path, default=[])
    parser.add_argument("--runs", type=int, default=12_000)
    given = parser.parse_args()
    reader = Reader(given.language)
    samples = [
        *labelled(reader, given.without),
        *examples(reader),
        *formulas(reader),
        *ordinary(given.ordinary, reader),
    ]
    fitted = fit(samples, given.language, given.runs)
    given.output.write_text(file_of(given.language, fitted, len(samples)), "utf-8")
    print(f"{given.output}: {len(fitted.runs)} runs, {len(fitted.terms)} terms of {len(samples)} letters")


if __name__ == "__main__":
    main()
