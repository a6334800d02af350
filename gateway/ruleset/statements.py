"""Signals, objections, vetoes and leaves of all files, compiled to `Clause` values."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from gateway.errors import Problem
from gateway.ruleset.clause import Clause
from gateway.ruleset.evidence import Kind
from gateway.ruleset.parse import ParsedFile
from gateway.ruleset.schema import (
    LeaveTable,
    ObjectionTable,
    SignalTable,
    StatementTable,
    VetoTable,
)
from gateway.ruleset.termset import TermSet, term_set
from gateway.ruleset.vocabulary import Vocabulary

WEIGHTS = {"strong": 1.0, "weak": 0.3, "against": -0.5}
"""What the words for strength add to the score where no `weight` is written."""

DISTANCE = 20
REACH = 10
"""Characters, where neither the statement nor the file's [grammar] says otherwise."""


class Statements:
    """All clauses, in file order, and which of them a rule means."""

    def __init__(self, files: Sequence[ParsedFile], vocabulary: Vocabulary, problems: list[Problem]) -> None:
        """Compile; what is wrong is added to `problems`."""
        self.clauses: list[Clause] = []
        self._by_place: dict[tuple[Kind, str], dict[str, int]] = {}
        self._vocabulary = vocabulary
        self._problems = problems
        self._seen: dict[tuple[str, str], str] = {}
        self._files = files
        self._wordings: dict[tuple[str, str], str] = {}
        for file in files:
            for name in file.table.wording:
                first = self._wordings.setdefault((file.pack, name), file.name)
                if first != file.name:
                    self._say(file, f"wording.{name}", f"is already in {first}", "rename one of them")
        for file in files:
            table = file.table
            for kind, rows in (
                (Kind.SIGNAL, table.signal),
                (Kind.OBJECTION, table.objection),
                (Kind.VETO, table.veto),
                (Kind.LEAVE, table.leave),
            ):
                for index, row in enumerate(rows):
                    self._add(file, kind, f"{kind}[{index}]", row)

    def chosen(self, file: ParsedFile, key: str, kind: Kind, globs: Sequence[str]) -> tuple[int, ...]:
        """Numbers of the clauses of one kind that a rule names (``*``, ``goal-*``, ``pack/goal-*``)."""
        found: dict[int, None] = {}
        for glob in globs:
            pack, slash, name = glob.rpartition("/")
            pack = pack if slash else file.pack
            here = self._places().get((kind, pack), {})
            if name == "*":
                matching = list(here.values())
            elif name in here:
                matching = [here[name]]
            else:
                matching = [number for id_, number in here.items() if fnmatchcase(id_, name)]
            if not matching and glob != "*" and pack not in self._vocabulary.torn:
                self._say(
                    file, key, f"nothing is called {glob!r}", "name an id, or a pattern such as 'goal-*'"
                )
            found |= dict.fromkeys(matching)
        return tuple(found)

    def _places(self) -> dict[tuple[Kind, str], dict[str, int]]:
        """The clauses of each kind and pack by id; asked only when all are there."""
        if not self._by_place:
            for number, clause in enumerate(self.clauses):
                self._by_place.setdefault((clause.kind, clause.pack), {})[clause.id] = number
        return self._by_place

    def _say(self, file: ParsedFile, key: str, message: str, remedy: str) -> None:
        self._problems.append(Problem(file=file.name, key=key, message=message, remedy=remedy))

    def _add(self, file: ParsedFile, kind: Kind, key: str, row: StatementTable) -> None:
        if (file.pack, row.id) in self._seen:
            first = self._seen[(file.pack, row.id)]
            self._say(file, f"{key}.id", f"{row.id!r} is already used in {first}", "give it an id of its own")
            return
        self._seen[(file.pack, row.id)] = f"{file.name}: {key}"
        grammar = file.table.grammar

        def terms(name: str, references: Sequence[str]) -> tuple[int, ...]:
            return self._vocabulary.numbers(file, f"{key}.{name}", references)

        if not self._is_whole(file, key, row):
            return
        slots = tuple(terms("terms", [reference]) for reference in row.terms)
        if not all(slots):
            return
        weight, unlocks, reason = _weight(row)
        vetoes = row.over_vetoes if isinstance(row, SignalTable) else ()
        if vetoes and file.pack not in self._vocabulary.torn:
            known = {veto.id for each in self._files if each.pack == file.pack for veto in each.table.veto}
            for veto in sorted({*vetoes} - known):
                self._say(
                    file, f"{key}.over_vetoes", f"there is no veto {veto!r}", "name vetoes of this pack"
                )
        bound = tuple(terms("bound", [reference]) for reference in row.bound)
        needed = [*slots, *bound]
        if (
            unlocks
            and slots
            and file.pack not in self._vocabulary.torn
            and not any(slot and all(self._vocabulary.is_core(term) for term in slot) for slot in needed)
        ):
            names = ", ".join(row.terms)
            self._say(
                file,
                f"{key}.terms",
                f"none of {names} is a core term",
                "mark the rarest of them with core = true: only mails with a core term are looked at",
            )
        conditional = unlocks if row.not_if_conditional is None else row.not_if_conditional

        def condition(name: str, references: Sequence[str]) -> TermSet:
            return term_set(terms(name, references)) if conditional else 0

        none_before = term_set(terms("none_before", row.none_before))
        none_after = term_set(terms("none_after", row.none_after))
        none_between = term_set(terms("none_between", row.none_between))
        before = condition("condition_before", grammar.condition_before)
        after = condition("condition_after", grammar.condition_after)
        self.clauses.append(
            Clause(
                id=row.id,
                pack=file.pack,
                name=f"{file.pack}/{row.id}",
                kind=kind,
                weight=weight,
                unlocks=unlocks,
                reason=reason,
                slots=slots,
                needed=tuple(map(term_set, slots)),
                ordered=row.order == "written",
                distance=_first(row.distance, grammar.distance, DISTANCE),
                none=term_set(terms("none", row.none)),
                none_before=none_before,
                none_after=none_after,
                none_between=none_between,
                reach=_first(row.reach, grammar.reach, REACH),
                condition_before=before,
                condition_after=after,
                disturbing=none_before | none_after | none_between | before | after,
                bound=tuple(map(term_set, bound)),
                near=frozenset(row.near),
                unless_near=term_set(terms("unless_near", row.unless_near)),
                where=frozenset(_where(row)),
                cited=grammar.cited if unlocks else (),
                wording=row.wording or "",
                at_least=row.at_least or 0.0,
                at_most=row.at_most or 1.0,
                over_vetoes=frozenset(f"{file.pack}/{veto}" for veto in vetoes),
            )
        )

    def _is_whole(self, file: ParsedFile, key: str, row: StatementTable) -> bool:
        """Whether it has terms, or a wording that there is and one bound; what is wrong is said."""
        bounds = (row.at_least is not None) + (row.at_most is not None)
        if row.wording is None:
            if not row.terms:
                self._say(file, f"{key}.terms", "are missing", "name terms, or a wording")
            elif bounds:
                self._say(file, f"{key}.at_least", "is for a wording", "name a wording, or take it out")
            return bool(row.terms) and not bounds
        if row.terms or bounds != 1:
            remedy = "leave terms out, and say at_least or at_most"
            self._say(file, f"{key}.wording", "stands alone, with one bound", remedy)
            return False
        if (file.pack, row.wording) not in self._wordings and file.pack not in self._vocabulary.torn:
            remedy = f"write [wording.{row.wording}] in a file of this pack"
            self._say(file, f"{key}.wording", f"there is no wording {row.wording!r}", remedy)
            return False
        return True


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _weight(row: StatementTable) -> tuple[float, bool, str]:
    """What the row adds to the score, whether it is a strong signal, and its reason code."""
    if isinstance(row, SignalTable):
        weight = WEIGHTS[row.strength] if row.weight is None else row.weight
        return (-abs(weight) if row.strength == "against" else weight), row.strength == "strong", ""
    if isinstance(row, ObjectionTable):
        return -row.weight, False, ""
    if isinstance(row, LeaveTable):
        return 0.0, False, row.reason
    return 0.0, False, ""


def _where(row: StatementTable) -> tuple[str, ...]:
    if isinstance(row, SignalTable) and row.where is None:
        # A subject is kept by replies: on its own it refuses nobody, unless the file says so.
        return ("body",) if row.strength == "strong" else ("subject", "body")
    if isinstance(row, SignalTable | ObjectionTable | VetoTable | LeaveTable):
        return row.where or ()
    raise TypeError(type(row))  # pragma: no cover - the schema has no other statement
