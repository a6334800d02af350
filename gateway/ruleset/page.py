"""One text of a mail (its plain or HTML body) and its subject: what holds in them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from gateway.ruleset.book import Book, Trials, able, beginning
from gateway.ruleset.citation import is_cited
from gateway.ruleset.clause import Clause
from gateway.ruleset.evidence import Hit
from gateway.ruleset.lexicon import Match, Place
from gateway.ruleset.memo import Finding, Likeness, Mark, Spot
from gateway.ruleset.reading import Reading, Sentence
from gateway.ruleset.scope import language_of
from gateway.ruleset.sentences import LONGEST_TEXT
from gateway.ruleset.termset import TermSet
from gateway.ruleset.wording import Sum

SUBJECT = -1
"""The number of the subject among the sentences."""

MOST_HITS = 8
"""Places of one strong signal recorded a text; of anything else the first is enough."""

MOST_TELLING = 4
"""Runs shown with what a wording says."""


class Subject:
    """The subject of a mail, one sentence for all of its texts. Read when somebody asks."""

    def __init__(self, book: Book, text: str) -> None:
        self._book = book
        self.text = text

    @cached_property
    def reading(self) -> Reading:
        """Its words."""
        return Reading(self._book, self.text, subject=True)

    @cached_property
    def sentence(self) -> Sentence:
        """All of it."""
        return self.reading.whole()


class Page:
    """The evidence of one text together with the subject of its mail."""

    __slots__ = (
        "_about",
        "_anywhere",
        "_book",
        "_cited",
        "_held",
        "_quoted",
        "_quoted_text",
        "_reading",
        "_refused",
        "_subject",
        "_text",
        "_where",
        "hits",
        "mark",
        "strong",
        "terms",
    )

    def __init__(
        self,
        book: Book,
        subject: Subject,
        *,
        where: str,
        text: str,
        quoted: str = "",
        likeness: Likeness | None = None,
        telling: bool = False,
    ) -> None:
        """Find what holds, whether or not a strong signal is among it: what was seen is kept for review.

        A page that reads like one before has its hits from the book's memo, others are read. `mark` is the
        same for all in which the same holds, None where that is not remembered. `strong`: does a strong
        signal stand? `terms`: what its terms come to in each wording. `likeness`: if the text has been
        recognised. `telling`: say which runs told most of how it reads as a whole, for `explain`.
        """
        self._book = book
        self._subject = subject
        self._where = where
        self._text = text
        self.hits: dict[int, list[Hit]] = {}
        self.mark: Mark | None = None
        if likeness is None:
            likeness = book.memo.likeness(text, subject=subject.text, quoted=quoted)
        finding = None if likeness is None else likeness.finding
        if likeness is None:
            self._read(quoted)
        elif finding is None:
            self._read(quoted, likeness.matches)
            finding = self._finding(likeness)
            book.memo.learn(likeness, finding)
        else:
            self._recall(likeness, finding)
        wordings = self._take_in(likeness, reply=bool(quoted), telling=telling) if book.wordings else ()
        if finding is not None:
            self.mark = (finding.number, *wordings)

    def _read(self, quoted: str, matches: Sequence[Match] | None = None) -> None:
        """Read the text and find the strong signals, then all others."""
        book = self._book
        self._reading = Reading(book, self._text, matches=matches)
        self._about, self._held = self._subject.reading.terms, self._reading.terms
        self._quoted_text = quoted
        self._quoted: Sequence[Sentence] | None = None
        self._anywhere: dict[TermSet, bool] = {}
        self._cited: dict[Sequence[str], Sequence[str]] = {}
        self._refused: set[int] = set()
        self._find(book.strong)
        self.strong = bool(self.hits)
        self.terms = tuple([wording.terms(self._about, self._held) for wording, _ in book.wordings])
        self._refused = {hit.sentence for hits in self.hits.values() for hit in hits}
        self._find(book.anywhere)
        self._find(book.elsewhere, named=True)

    def _finding(self, likeness: Likeness) -> Finding:
        """What was found, by its places in the lines."""
        clauses, lexicon = self._book.clauses, self._book.lexicon
        lines = self._text[: likeness.starts[-1]]
        return Finding(
            number=self._book.memo.number(),
            core=lexicon.has_core(lines, patterns=False) or lexicon.has_core(self._subject.text),
            about=self._about,
            held=self._held,
            strong=self.strong,
            terms=self.terms,
            places=tuple(
                (number, clauses[number].beginning, tuple(self._spot(likeness, hit) for hit in hits))
                for number, hits in self.hits.items()
            ),
        )

    @staticmethod
    def _spot(likeness: Likeness, hit: Hit) -> Spot:
        if hit.sentence == SUBJECT:
            return SUBJECT, SUBJECT, hit.start, hit.end
        line = bisect_right(likeness.starts, hit.start) - 1
        first = likeness.starts[line] + likeness.firsts[line]
        return hit.sentence, line, hit.start - first, hit.end - first

    def _recall(self, likeness: Likeness, finding: Finding) -> None:
        """The same as was found in a page like this one, at its places here."""
        _, _, self._about, self._held, self.strong, self.terms, places = finding
        starts, firsts, where = likeness.starts, likeness.firsts, self._where
        make = tuple.__new__  # without the detour over the constructor of a NamedTuple: a letter has fifteen
        for number, begin, spots in places:
            hits = self.hits[number] = []
            for at, line, start, end in spots:
                if line == SUBJECT:
                    hits.append(make(Hit, (*begin, "subject", at, start, end, "")))
                else:
                    first = starts[line] + firsts[line]
                    hits.append(make(Hit, (*begin, where, at, first + start, first + end, "")))

    def _take_in(self, likeness: Likeness | None, *, reply: bool, telling: bool) -> list[int]:
        """How the text reads as a whole: the clauses that hold. It depends on every word, see `runs`."""
        taken: list[int] = []
        book, subject, text = self._book, self._subject.text, self._text

        def sum_of(at: int) -> Sum:
            return book.runs.sum(book.wordings[at][0], likeness, subject=subject, text=text)

        language = language_of(subject, text)
        opinions = book.opinions(language, sum_of, self.terms, strong=self.strong, reply=reply)
        for number, likely, wording in opinions:
            said = f"{likely:.2f}"
            if telling:
                runs = wording.telling(subject, text, MOST_TELLING, about=self._about, held=self._held)
                said += f": {', '.join(runs)}"
            self.hits[number] = [book.clauses[number].as_a_whole(self._where, said)]
            taken.append(number)
        return taken

    def _find(self, trials: Trials, *, named: bool = False) -> None:
        """Try the clauses wherever the words at a glance allow it; `named`: in refusals and thanks alone."""
        reading, clauses = self._reading, self._book.clauses
        about = self._subject.reading.terms
        for _, _, number in able(trials.subject, about):
            self._try(number, SUBJECT)
        # What its nouns have to be near is for `_is_bound` to tell: here, that they are there at all.
        all_terms = reading.terms | about
        left = [
            trial
            for trial in able(trials.body, reading.terms)
            if not (bound := clauses[trial[2]]).bound or _may_be_bound(bound, all_terms)
        ]
        thanks = self._book.thanks
        begin = beginning(left)
        for at, likely in enumerate(reading.likely):
            if likely & begin and (not named or likely & thanks or at in self._refused):
                # By what may stand in it and then, for the few that are left, by what does.
                able_here = able(left, likely)
                if not able_here:
                    continue
                found = len(self.hits)
                for _, _, number in able(able_here, reading.sentence(at).terms):
                    self._try(number, at)
                if len(self.hits) > found and not trials.again:
                    left = [trial for trial in left if trial[2] not in self.hits]
                    begin = beginning(left)

    def _try(self, number: int, at: int) -> None:
        """Record the clause if it holds in this sentence: strong signals each time, others once."""
        clause = self._book.clauses[number]
        known = self.hits.get(number)
        if known is not None and (not clause.unlocks or len(known) >= MOST_HITS):
            return
        if (at == SUBJECT or "body" not in clause.where) and not self._is_allowed(clause, at):
            return
        sentence = self._sentence(at)
        if clause.none & sentence.terms:
            return
        place = clause.find(sentence)
        if (
            place is None
            or not self._is_bound(clause, at)
            or (clause.cited and self._is_cited(clause, at, place))
        ):
            return
        hit = Hit(*clause.beginning, "subject" if at == SUBJECT else self._where, at, *place)
        if known is None:
            self.hits[number] = [hit]
        else:
            known.append(hit)

    def _is_cited(self, clause: Clause, at: int, place: Place) -> bool:
        """Does somebody else say it?"""
        if at == SUBJECT:
            return is_cited(self._text_of(at), place[0], place[1], clause.cited)
        marks = self._cited.get(clause.cited)
        if marks is None:  # most texts cite nothing
            marks = self._cited[clause.cited] = [pair for pair in clause.cited if pair[1] in self._text]
        return bool(marks) and is_cited(self._text_of(at), place[0], place[1], marks)

    def _is_bound(self, clause: Clause, at: int) -> bool:
        """Is near the sentence all that has to be, and nothing that must not?"""
        for noun in clause.bound:
            if not self._is_near(noun, at, clause.near):
                return False
        return not (clause.unless_near and self._is_near(clause.unless_near, at, clause.near))

    def _text_of(self, at: int) -> str:
        return (self._subject.text if at == SUBJECT else self._text)[:LONGEST_TEXT]

    def _sentence(self, at: int) -> Sentence:
        return self._subject.sentence if at == SUBJECT else self._reading.sentence(at)

    def _is_allowed(self, clause: Clause, at: int) -> bool:
        """Is this a sentence in which the clause counts?"""
        where = clause.where
        if at == SUBJECT:
            return "subject" in where or ("refusal" in where and at in self._refused)
        if "body" in where:
            return True
        if "refusal" in where and at in self._refused:
            return True
        if "thanks" in where:
            return bool(self._sentence(at).terms & self._book.thanks_of.get(clause.pack, 0))
        return False

    def _is_near(self, terms: TermSet, at: int, near: frozenset[str]) -> bool:
        if "mail" in near and self._is_anywhere(terms, at):
            return True
        for sentence in self._neighbours(at, near):  # noqa: SIM110 - a loop is cheaper, and this is asked often
            if sentence.terms & terms:
                return True
        return False

    def _is_anywhere(self, terms: TermSet, at: int) -> bool:
        """Does one of the terms stand in any sentence of the text?"""
        known = self._anywhere.get(terms)
        if known is None:
            reading = self._reading
            known = self._anywhere[terms] = (at != SUBJECT and bool(self._sentence(at).terms & terms)) or any(
                likely & terms and reading.sentence(other).terms & terms
                for other, likely in enumerate(reading.likely)
            )
        return known

    def _neighbours(self, at: int, near: frozenset[str]) -> Iterator[Sentence]:
        if "same" in near:
            yield self._sentence(at)
        if "subject" in near:
            yield self._subject.sentence
        if "mail" not in near:
            if "next" in near and at + 1 < len(self._reading):
                yield self._sentence(at + 1)
            if "previous" in near and at > 0:
                yield self._sentence(at - 1)
        if "quoted" in near:
            yield from self._behind()

    def _behind(self) -> Sequence[Sentence]:
        """The sentences of the quoted text."""
        if self._quoted is None:
            quoted = Reading(self._book, self._quoted_text)
            self._quoted = [quoted.sentence(number) for number in range(len(quoted))]
        return self._quoted


def _may_be_bound(clause: Clause, terms: TermSet) -> bool:
    return not clause.bound or "quoted" in clause.near or all(noun & terms for noun in clause.bound)
