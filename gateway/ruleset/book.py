"""The compiled language: lexicon, what its words mean, and the clauses. Shared by all mails."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from gateway.ruleset.clause import Clause
from gateway.ruleset.memo import Memo
from gateway.ruleset.runs import Runs
from gateway.ruleset.templates import Templates
from gateway.ruleset.termset import TermSet, term_set
from gateway.ruleset.vocabulary import Compiled
from gateway.ruleset.wording import Sum, Wording

Trial = tuple[TermSet, Sequence[TermSet], int]
"""What a sentence needs for a clause: the rarest of its slots, the others; and the clause by its number."""


class Trials(NamedTuple):
    """Clauses that are tried together, in their order: in the sentences of a text, and in the subject.

    `again`: also where they hold already, for a refusal that is made twice.
    """

    body: Sequence[Trial]
    subject: Sequence[Trial]
    again: bool


def able(trials: Sequence[Trial], terms: TermSet) -> list[Trial]:
    """Those of the clauses for which all is there that they need."""
    return [trial for trial in trials if trial[0] & terms and _has(terms, trial[1])]


def _has(terms: TermSet, slots: Sequence[TermSet]) -> bool:
    """Is something there for each of the slots?"""
    for slot in slots:  # noqa: SIM110 - a loop costs half of what `all` does, and this is asked often
        if not slot & terms:
            return False
    return True


def beginning(trials: Sequence[Trial]) -> TermSet:
    """The terms without which none of the clauses can hold."""
    terms = 0
    for first, _, _ in trials:
        terms |= first
    return terms


class Book:
    """What the rule files say, made ready for reading. Words have the numbers that the lexicon gives them.

    `strong` are the strong signals, `anywhere` what else is looked for in every sentence, `elsewhere` what
    is looked for only in a refusal, in thanks, or in the subject; `wordings` have the clauses that ask how a
    text reads as a whole. A word's meaning (`in_body`, `in_subject`) are the terms that it stands for there,
    in the bits of `denier` those that it denies, and `crosser` if sentences may end inside it. `memo` holds
    what was found in letters before, `runs` how they read as a whole, `templates` both for letters that come
    with the number of their template.
    """

    __slots__ = (
        "anywhere",
        "clauses",
        "crosser",
        "denier",
        "elsewhere",
        "in_body",
        "in_subject",
        "lexicon",
        "memo",
        "names",
        "runs",
        "strong",
        "templates",
        "thanks",
        "thanks_of",
        "width",
        "wordings",
    )

    def __init__(
        self,
        *,
        compiled: Compiled,
        clauses: Sequence[Clause],
        names: Sequence[str],
        thanks_of: Mapping[str, tuple[int, ...]],
        wordings: Mapping[tuple[str, str], Wording] | None = None,
        key: bytes | None = None,
    ) -> None:
        """`compiled` is the search and what its entries mean; the clauses name terms by their numbers.

        `wordings` are those of the files by pack and name, which clauses name, too.
        """
        self.lexicon = compiled.lexicon
        denied_by = compiled.denied_by
        self.clauses = tuple(clauses)
        self.names = tuple(names)
        self.thanks_of: dict[str, TermSet] = {pack: term_set(terms) for pack, terms in thanks_of.items()}
        self.thanks = reduce(or_, self.thanks_of.values(), 0)
        # Above the terms that a word stands for are those that it denies, and above these one bit more
        # for a word inside which a sentence may end: whoever has a text's meaning knows what to look at.
        everywhere = {*compiled.in_body, *compiled.in_subject, *denied_by}
        self.width = 1 + max((term for held in everywhere for term in held), default=0)
        self.crosser: TermSet = 1 << 2 * self.width
        self.in_body = self._meanings(compiled.in_body, denied_by)
        self.in_subject = self._meanings(compiled.in_subject, denied_by)
        self.denier: TermSet = self.crosser - (1 << self.width)
        # A slot that few words can fill comes first: it is the one that most sentences lack.
        sizes = Counter[int]()
        for held, count in Counter(compiled.in_body).items():
            for term in held:
                sizes[term] += count
        trials = [
            (number, sorted(clause.slots, key=lambda slot: sum(sizes[term] for term in slot)))
            for number, clause in enumerate(self.clauses)
        ]
        ready = [
            (term_set(slots[0]), tuple(map(term_set, slots[1:])), number) for number, slots in trials if slots
        ]
        self.strong = self._trials(ready, lambda clause: clause.unlocks)
        self.anywhere = self._trials(ready, lambda clause: not clause.unlocks and "body" in clause.where)
        self.elsewhere = self._trials(ready, lambda clause: not clause.unlocks and "body" not in clause.where)
        self.wordings = tuple(
            (wording, tuple(number for number, clause in enumerate(self.clauses) if _about(clause) == name))
            for name, wording in (wordings or {}).items()
        )
        self.memo = Memo(self, key)
        self.runs = Runs(self.memo.hashed)
        self.templates = Templates(self)

    def opinions(
        self,
        language: str,
        sum_of: Callable[[int], Sum],
        terms: Sequence[Sum],
        *,
        strong: bool,
        reply: bool = False,
    ) -> Iterator[tuple[int, float, Wording]]:
        """The clauses that hold of a text as a whole, how likely each is, and the wording that says so.

        `sum_of` has what the runs in the text come to, `terms` what its terms do, both by number of the
        wording. `strong`: does a strong signal stand? In a `reply` it counts against it only: what is new
        there is a part of a conversation, no letter.
        """
        if reply and not strong:
            return
        for at, (wording, numbers) in enumerate(self.wordings):
            if wording.language != language:
                continue
            likely = wording.opinion(sum_of(at), terms[at])
            if likely is None:
                continue
            for number in numbers:
                clause = self.clauses[number]
                # What only takes away has nothing to take from where no strong signal stands.
                counts = not reply if clause.weight > 0 else strong
                if counts and clause.at_least <= likely <= clause.at_most:
                    yield number, likely, wording

    def _meanings(
        self, terms_of: Sequence[tuple[int, ...]], denied_by: Sequence[tuple[int, ...]]
    ) -> tuple[TermSet, ...]:
        sets = {held: term_set(held) for held in {*terms_of, *denied_by}}
        crossing = self.lexicon.crossing
        return tuple(
            [
                0
                if entry is None
                else sets[terms_of[entry]]
                | sets[denied_by[entry]] << self.width
                | (self.crosser if word in crossing else 0)
                for word, entry in enumerate(self.lexicon.entry_of)
            ]
        )

    def _trials(self, ready: Sequence[Trial], wanted: Callable[[Clause], bool]) -> Trials:
        chosen = [(trial, self.clauses[trial[2]]) for trial in ready if wanted(self.clauses[trial[2]])]
        return Trials(
            body=[trial for trial, clause in chosen if clause.where != {"subject"}],
            subject=[trial for trial, clause in chosen if clause.where & {"subject", "refusal"}],
            again=any(clause.unlocks for _, clause in chosen),
        )


def _about(clause: Clause) -> tuple[str, str]:
    return clause.pack, clause.wording
