"""One text of a mail (its plain or HTML body), read: sentences with their terms, and what holds in them."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from gateway.ruleset.clause import Clause
from gateway.ruleset.evidence import Hit
from gateway.ruleset.lexicon import Found, Lexicon, Place
from gateway.ruleset.sentences import LONGEST_TEXT, sentence_ends, signature_start

SUBJECT = -1
"""The number of the subject among the sentences."""

MOST_SENTENCES = 256
"""Sentences looked at in one text; a letter has twenty."""

MOST_HITS = 8
"""Places of one strong signal recorded a text; of anything else the first is enough."""


class Sentence:
    """The words found in one sentence: which terms, and, once somebody asks, where."""

    __slots__ = ("_book", "_places", "found", "terms")

    def __init__(self, book: "Book", found: Sequence[Found]) -> None:
        self._book = book
        self.found = found
        self._places: dict[int, list[Place]] | None = None
        entries = [place[2] for place in found]
        self.terms: AbstractSet[int]
        if book.deniers.isdisjoint(entries):
            self.terms = set().union(*map(book.terms_of.__getitem__, entries))
        else:
            self.terms = self.places.keys()

    @property
    def places(self) -> dict[int, list[Place]]:
        """Each term with its places in order."""
        if self._places is None:
            self._places = self._locate()
        return self._places

    def _locate(self) -> dict[int, list[Place]]:
        terms_of, denied_by = self._book.terms_of, self._book.denied_by
        located: dict[int, list[Place]] = {}
        for start, end, entry in self.found:
            for term in terms_of[entry]:
                located.setdefault(term, []).append((start, end))
        for start, end, entry in self.found:
            for term in denied_by[entry]:
                left = [place for place in located.pop(term, ()) if place[1] <= start or place[0] >= end]
                if left:
                    located[term] = left
        return located

    def joined(self, other: "Sentence") -> "Sentence":
        """Both as one sentence."""
        return Sentence(self._book, [*self.found, *other.found])


class Book:
    """The compiled language: lexicon, clauses, and which clauses a term can begin. Shared by all mails."""

    __slots__ = (
        "barred",
        "by_anchor",
        "by_place",
        "by_strong",
        "clauses",
        "denied_by",
        "deniers",
        "leading",
        "lexicon",
        "names",
        "needed",
        "nothing",
        "terms_of",
        "thanks",
        "thanks_of",
    )

    def __init__(
        self,
        *,
        lexicon: Lexicon,
        terms_of: Sequence[tuple[int, ...]],
        denied_by: Sequence[tuple[int, ...]],
        clauses: Sequence[Clause],
        anchors: Sequence[tuple[int, ...]],
        names: Sequence[str],
        thanks_of: Mapping[str, tuple[int, ...]],
    ) -> None:
        """`anchors` has for each clause the terms of one of its slots: without one of them it can't hold."""
        self.lexicon = lexicon
        self.clauses = tuple(clauses)
        self.names = tuple(names)
        self.thanks_of = dict(thanks_of)
        self.thanks = frozenset(term for terms in thanks_of.values() for term in terms)
        self.terms_of = tuple(terms_of)
        self.denied_by = tuple(denied_by)
        self.deniers = frozenset(number for number, terms in enumerate(denied_by) if terms)
        self.nothing = Sentence(self, ())
        self.by_strong: dict[int, list[int]] = {}
        self.by_anchor: dict[int, list[int]] = {}
        self.by_place: dict[int, list[int]] = {}
        for number, clause in enumerate(clauses):
            index = (
                self.by_strong
                if clause.unlocks
                else self.by_anchor
                if "body" in clause.where
                else self.by_place
            )
            for term in anchors[number]:
                index.setdefault(term, []).append(number)
        # What a sentence must have beside the anchor, and must not have: asked before anything is located.
        self.needed = [
            tuple(frozenset(slot) for slot in clause.slots if set(slot) != set(anchor))
            for clause, anchor in zip(clauses, anchors, strict=True)
        ]
        self.barred = [frozenset(clause.none) for clause in clauses]
        asked = {*self.by_strong, *self.by_anchor, *self.thanks}
        for clause in clauses:
            asked.update(*clause.bound, clause.unless_near)
        self.leading = frozenset(
            number for number, terms in enumerate(self.terms_of) if not asked.isdisjoint(terms)
        )

    def read(self, text: str, *, whole: bool = False) -> list[Sentence]:
        """The sentences of a text with their terms; the signature and our own names are left out.

        Sentences that no statement would ask for are empty, unless `whole`.
        """
        text = text[:LONGEST_TEXT]
        found, breaks, drawn = self.lexicon.find(text, self.names)
        if not found:
            return []
        ends = sentence_ends(text, breaks)[:MOST_SENTENCES]
        limit = min(signature_start(text), ends[-1]) if drawn else ends[-1]
        held: list[list[Found]] = [[] for _ in ends]
        number, until = 0, ends[0]
        current = held[0]
        for place in found:
            if place[0] >= until:
                if place[0] >= limit:
                    break
                while place[0] >= until:
                    number += 1
                    until = ends[number]
                current = held[number]
            if place[1] <= until:  # else it runs over the end of a sentence
                current.append(place)
        if drawn:
            held = [[place for place in places if place[0] < limit] for places in held]
        return [self._sentence(places, whole=whole) for places in held]

    def _sentence(self, places: Sequence[Found], *, whole: bool) -> Sentence:
        """A sentence; an empty one where no word can begin a statement or bind one."""
        for place in places:
            if whole or place[2] in self.leading:
                return Sentence(self, places)
        return self.nothing


class Page:
    """The evidence of one text together with the subject of its mail."""

    __slots__ = (
        "_all",
        "_book",
        "_quoted",
        "_refused",
        "_subject",
        "_subject_text",
        "_text",
        "_where",
        "hits",
        "sentences",
    )

    def __init__(
        self,
        book: Book,
        *,
        where: str,
        text: str,
        subject: Sentence,
        subject_text: str,
        quoted: Iterable[Sentence] = (),
    ) -> None:
        """Read the text and find the strong signals; `hits` stays empty when there are none."""
        self._book = book
        self._where = where
        self._text = text
        self._subject = subject
        self._subject_text = subject_text
        self._quoted = tuple(quoted)
        self.sentences = book.read(text)
        self.hits: dict[int, list[Hit]] = {}
        self._refused: set[int] = set()
        self._all: set[int] | None = None
        everywhere = range(SUBJECT, len(self.sentences))
        self._find(book.by_strong, everywhere)
        if self.hits:
            self._refused = {hit.sentence for hits in self.hits.values() for hit in hits}
            self._find(book.by_anchor, everywhere)
            thanks = [
                number
                for number, sentence in enumerate(self.sentences)
                if not book.thanks.isdisjoint(sentence.terms)
            ]
            self._find(book.by_place, sorted({SUBJECT, *self._refused, *thanks}))

    def _find(self, index: Mapping[int, Sequence[int]], numbers: Iterable[int]) -> None:
        clauses, anchors = self._book.clauses, index.keys()
        needed, barred = self._book.needed, self._book.barred
        for number in numbers:
            sentence = self._subject if number == SUBJECT else self.sentences[number]
            present = sentence.terms & anchors
            if not present:
                continue
            tried: set[int] = set()
            for term in present:
                tried.update(index[term])
            terms = sentence.terms
            for clause in sorted(tried):
                for slot in needed[clause]:
                    if terms.isdisjoint(slot):
                        break
                else:
                    if barred[clause].isdisjoint(terms):
                        self._try(clause, clauses[clause], number, sentence)

    def _try(self, number: int, clause: Clause, at: int, sentence: Sentence) -> None:
        known = self.hits.get(number)
        if known is not None and (not clause.unlocks or len(known) >= MOST_HITS):
            return
        if not self._allowed(clause, at):
            return
        place = clause.find(sentence.places)
        if place is None:
            return
        if clause.bound and not all(self._near(terms, at, clause.near) for terms in clause.bound):
            return
        if clause.unless_near and self._near(clause.unless_near, at, clause.near):
            return
        hit = self._hit(clause, at, place)
        if known is None:
            self.hits[number] = [hit]
        else:
            known.append(hit)

    def _allowed(self, clause: Clause, at: int) -> bool:
        where = clause.where
        if at == SUBJECT:
            return "subject" in where or ("refusal" in where and at in self._refused)
        if "body" in where:
            return True
        if "refusal" in where and at in self._refused:
            return True
        if "thanks" in where:
            sentence = self.sentences[at]
            return any(term in sentence.terms for term in self._book.thanks_of.get(clause.pack, ()))
        return False

    def _near(self, terms: Sequence[int], at: int, near: frozenset[str]) -> bool:
        if "mail" in near:
            if self._all is None:
                self._all = set().union(*(sentence.terms for sentence in self.sentences))
            if not self._all.isdisjoint(terms):
                return True
        return any(not sentence.terms.isdisjoint(terms) for sentence in self._neighbours(at, near))

    def _neighbours(self, at: int, near: frozenset[str]) -> Iterable[Sentence]:
        if "same" in near:
            yield self._subject if at == SUBJECT else self.sentences[at]
        if "subject" in near:
            yield self._subject
        if "mail" not in near:
            if "next" in near and at + 1 < len(self.sentences):
                yield self.sentences[at + 1]
            if "previous" in near and at > 0:
                yield self.sentences[at - 1]
        if "quoted" in near:
            yield from self._quoted

    def _hit(self, clause: Clause, at: int, place: Place) -> Hit:
        text = self._subject_text if at == SUBJECT else self._text
        return Hit(
            kind=clause.kind,
            id=f"{clause.pack}/{clause.id}",
            weight=clause.weight,
            unlocks=clause.unlocks,
            where="subject" if at == SUBJECT else self._where,
            sentence=at,
            start=place[0],
            end=place[1],
            text=text[place[0] : place[1]],
        )
