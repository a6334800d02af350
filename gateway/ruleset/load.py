"""Rule files to a `Ruleset`: parse, check everything, compile, run the examples."""

import hashlib
import json
from collections.abc import Container, Mapping, Sequence

import re2

from gateway.errors import ConfigError, Problem
from gateway.message.normalise import normalise
from gateway.ruleset.book import Book
from gateway.ruleset.evidence import Kind
from gateway.ruleset.examples import failed_examples, warm_up
from gateway.ruleset.parse import ParsedFile, pack_of, parse_files
from gateway.ruleset.rule import Rule
from gateway.ruleset.ruleset import Ruleset
from gateway.ruleset.schema import RuleTable, WordingTable
from gateway.ruleset.scope import AddressPattern, HeaderTest, Scope, address_pattern
from gateway.ruleset.statements import Statements
from gateway.ruleset.termset import term_set
from gateway.ruleset.vocabulary import Vocabulary
from gateway.ruleset.wording import Weighed, Wording

MODES = ("inject", "observe", "partial", "off")
_KINDS = (
    ("signals", Kind.SIGNAL),
    ("objections", Kind.OBJECTION),
    ("vetoes", Kind.VETO),
    ("leaves", Kind.LEAVE),
)


def load_rules(
    files: Mapping[str, bytes],
    *,
    modes: Mapping[str, str] | None = None,
    config_senders: Sequence[str] = (),
    footers: Container[str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[str] = (),
    examples: bool = True,
    key: bytes | None = None,
) -> Ruleset:
    """Compile the rule files (name to bytes) into one immutable set.

    `modes` is ``[rules.mode]``: rule id, pack or ``*`` to an action that stands before the file's own.
    `config_senders` is ``[rules] senders``, for rules with ``scope.senders = "config"``. `footers` are the
    names of the footers that exist (None: not checked). `groups` are address lists by name, for
    ``group:NAME`` in a scope. `names` are the company's own names, masked in every text. With a
    `key`, 32 secret octets, what was found in a letter is remembered for those that read alike (`memo`).
    Raises `ConfigError` with every problem of every file; there is no half-loaded set.
    """
    return _Loader(
        files=files,
        modes=modes or {},
        config_senders=config_senders,
        footers=footers,
        groups=groups or {},
        names=names,
        key=key,
    ).load(examples=examples)


class _Loader:
    def __init__(
        self,
        *,
        files: Mapping[str, bytes],
        modes: Mapping[str, str],
        config_senders: Sequence[str],
        footers: Container[str] | None,
        groups: Mapping[str, Sequence[str]],
        names: Sequence[str],
        key: bytes | None,
    ) -> None:
        self.key = key
        self.files = files
        self.modes = modes
        self.config_senders = config_senders
        self.footers = footers
        self.groups = groups
        self.names = tuple(name for name in (normalise(name) for name in names) if name)
        self.problems: list[Problem] = []

    def load(self, *, examples: bool) -> Ruleset:
        parsed, problems, warnings = parse_files(self.files)
        self.problems += problems
        if not parsed and not problems:
            self.say(
                "", "", "there are no rule files", "put *.toml files there, or leave [rules] directory out"
            )
        self.torn = {pack_of(name, self.files[name]) for name in {problem.file for problem in problems}}
        vocabulary = Vocabulary(parsed, self.problems, torn=self.torn)
        statements = Statements(parsed, vocabulary, self.problems)
        thanks: dict[str, tuple[int, ...]] = {}
        for file in parsed:
            own = vocabulary.numbers(file, "grammar.thanks", file.table.grammar.thanks)
            thanks[file.pack] = tuple(dict.fromkeys((*thanks.get(file.pack, ()), *own)))
        wordings = {
            (file.pack, name): _wording(file, name, table, vocabulary)
            for file in parsed
            for name, table in file.table.wording.items()
        }
        rules = self._rules(parsed, statements)
        self._check_modes(parsed, rules)
        if self.problems:
            raise ConfigError(self.problems)
        book = Book(
            compiled=vocabulary.lexicon(),
            clauses=statements.clauses,
            names=self.names,
            thanks_of=thanks,
            wordings=wordings,
            key=self.key,
        )
        ruleset = Ruleset(id=self._id(), rules=tuple(rules), book=book, warnings=tuple(warnings))
        if examples:
            self.problems += failed_examples(ruleset, parsed, self.files)
            if self.problems:
                raise ConfigError(self.problems)
        else:
            warm_up(ruleset, parsed)
        return ruleset

    def say(self, file: str, key: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(file=file, key=key, message=message, remedy=remedy))

    def _id(self) -> str:
        digest = hashlib.sha256()
        settings = [self.modes and dict(self.modes), list(self.config_senders), list(self.names)]
        groups = {name: list(lines) for name, lines in self.groups.items()}
        digest.update(json.dumps([settings, groups], sort_keys=True).encode())
        for name in sorted(self.files):
            digest.update(b"\0" + name.encode() + b"\0" + hashlib.sha256(self.files[name]).digest())
        return digest.hexdigest()[:12]

    def _rules(self, parsed: Sequence[ParsedFile], statements: Statements) -> list[Rule]:
        rules: list[Rule] = []
        seen: dict[str, str] = {}
        for file in parsed:
            for index, table in enumerate(file.table.rule):
                key = f"rule[{index}]"
                if table.id in seen:
                    self.say(
                        file.name,
                        f"{key}.id",
                        f"{table.id!r} is already in {seen[table.id]}",
                        "give it another id",
                    )
                    continue
                seen[table.id] = file.name
                rules.append(self._rule(file, key, table, statements))
        return rules

    def _rule(self, file: ParsedFile, key: str, table: RuleTable, statements: Statements) -> Rule:
        chosen: list[int] = []
        for name, kind in _KINDS:
            chosen += statements.chosen(file, f"{key}.{name}", kind, getattr(table, name))
        if file.pack not in self.torn and not any(statements.clauses[number].unlocks for number in chosen):
            self.say(
                file.name,
                f"{key}.signals",
                "has no strong signal: it can never match",
                "add a strong [[signal]]",
            )
        action = self.modes.get(table.id) or self.modes.get(file.pack) or self.modes.get("*") or table.action
        if action in ("inject", "partial"):
            if table.scope.senders == ():
                self.say(
                    file.name,
                    f"{key}.scope.senders",
                    "a rule that changes mail has to say whose mail",
                    'list addresses or domains, or write "config" ([rules] senders), or "any"',
                )
            elif table.scope.senders == "config" and not self.config_senders:
                self.say(
                    file.name,
                    f"{key}.scope.senders",
                    "the config lists no senders",
                    'write [rules] senders = ["*@your-domain.example"] in the config',
                )
            if self.footers is not None and not table.footer:
                self.say(
                    file.name,
                    f"{key}.footer",
                    "a rule that changes mail has to say which footer it adds",
                    'name one of footers/, as in footer = "default-en"',
                )
        if table.footer and self.footers is not None and table.footer not in self.footers:
            self.say(file.name, f"{key}.footer", f"there is no footer {table.footer!r}", "add it to footers/")
        return Rule(
            id=table.id,
            pack=file.pack,
            clauses=frozenset(chosen),
            threshold=table.threshold,
            weak_cap=table.weak_cap,
            action=action if action in MODES else "observe",  # type: ignore[arg-type]
            partial_senders=self._addresses(file, f"{key}.partial.senders", table.partial.senders),
            share=table.partial.share,
            campaign=table.campaign or table.id,
            footer=table.footer,
            placement=table.placement,
            scope=self._scope(file, f"{key}.scope", table),
        )

    def _scope(self, file: ParsedFile, key: str, table: RuleTable) -> Scope:
        scope = table.scope
        senders: tuple[AddressPattern, ...] | None
        if scope.senders == "config":
            senders = self._addresses(file, "[rules] senders", self.config_senders)
        elif scope.senders == "any" or not scope.senders:
            senders = None
        else:
            senders = self._addresses(file, f"{key}.senders", scope.senders)
        return Scope(
            senders=senders,
            not_senders=self._addresses(file, f"{key}.not_senders", scope.not_senders),
            recipients=self._addresses(file, f"{key}.recipients", scope.recipients),
            not_recipients=self._addresses(file, f"{key}.not_recipients", scope.not_recipients),
            headers=self._headers(file, f"{key}.headers", scope.headers),
            not_headers=self._headers(file, f"{key}.not_headers", scope.not_headers),
            largest=scope.largest or 0,
            languages=scope.language,
        )

    def _addresses(self, file: ParsedFile, key: str, written: Sequence[str]) -> tuple[AddressPattern, ...]:
        patterns: list[AddressPattern] = []
        for entry in written:
            lines: Sequence[str] = (entry,)
            if entry.startswith("group:"):
                group = entry.removeprefix("group:").strip()
                if group not in self.groups:
                    self.say(
                        file.name,
                        key,
                        f"there is no list {group!r}",
                        "add the list file, or correct the name",
                    )
                    continue
                lines = self.groups[group]
            for line in lines:
                try:
                    patterns.append(address_pattern(line))
                except ValueError as error:
                    self.say(
                        file.name,
                        key,
                        str(error),
                        "write name@example.co.jp, *@example.co.jp or example.co.jp",
                    )
        return tuple(patterns)

    def _headers(self, file: ParsedFile, key: str, written: Mapping[str, str]) -> tuple[HeaderTest, ...]:
        tests: list[HeaderTest] = []
        for name, pattern in written.items():
            search = None
            if pattern:
                options = re2.Options()
                options.log_errors = False
                try:
                    search = re2.compile(pattern.casefold(), options).search
                except re2.error:
                    self.say(
                        file.name,
                        f"{key}.{name}",
                        f"{pattern!r} is not RE2",
                        "mend the pattern, or leave it empty",
                    )
                    continue
            tests.append(HeaderTest(name=name.lower().encode(), search=search))
        return tuple(tests)

    def _check_modes(self, parsed: Sequence[ParsedFile], rules: Sequence[Rule]) -> None:
        known = {"*"} | {rule.id for rule in rules} | {file.pack for file in parsed}
        for name, mode in self.modes.items():
            if mode not in MODES:
                self.say(
                    "config", f"rules.mode.{name}", f"{mode!r} is no mode", f"write one of {', '.join(MODES)}"
                )
            if name not in known and not self.torn:
                self.say(
                    "config",
                    f"rules.mode.{name}",
                    "names no rule and no pack",
                    'use a rule id, a pack or "*"',
                )


def _wording(file: ParsedFile, name: str, table: WordingTable, vocabulary: Vocabulary) -> Wording:
    """A wording with its terms as numbers; what is unknown is said by the vocabulary."""

    def weighed(key: str, weights: Mapping[str, float]) -> list[Weighed]:
        where = f"wording.{name}.{key}"
        return [
            Weighed(term, term_set(vocabulary.numbers(file, where, [term])), weight)
            for term, weight in weights.items()
        ]

    return Wording(
        language=table.language,
        bias=table.bias,
        weights=table.weights,
        terms=weighed("terms", table.terms),
        subject=weighed("subject", table.subject),
    )
