"""A rule file to start from, made of one mail.

The phrase is what the mail says to turn somebody down: its pieces (apart by `...`) become terms that must
stand in one sentence, in order. Which phrase that is only a person can say, or the rules that know the mail
already: this module knows no word of any language.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import ConfigError, GatewayError
from gateway.message.normalise import normalise
from gateway.message.text import MailText
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Verdict, words_of
from gateway.ruleset.scope import language_of
from gateway.ruleset.sentences import LONGEST_SENTENCE

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
#: Sentences that are offered to choose from.
MOST_SENTENCES = 40

_PIECES = re.compile(r"\s*(?:\.{3}|…)\s*")
_SENTENCE = re.compile(r"[^。.!?！？\n]+[。.!?！？]?")
_ROOM = 20
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class NoPhraseError(GatewayError):
    """The phrase is not in the mail, or cannot be a term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a rule file is made of."""

    name: str
    pieces: tuple[str, ...]
    text: str
    subject: str
    distance: int

    def toml(self) -> str:
        """The file. Clean to the lint, and observing only."""
        name = self.name
        terms = [
            name if len(self.pieces) == 1 else f"{name}-{number}" for number, _ in enumerate(self.pieces, 1)
        ]
        language = language_of(normalise(self.text))
        lines = [
            f"# {name}: started from a mail by `careerrelay rules new`.",
            "#",
            "# Take names and addresses out of the examples. Say the phrase in the ways in which people do:",
            '# words = ["word{,s,ing}"] stands for three. `careerrelay rules lint` and `rules test` tell',
            "# how it does. It only observes; docs/rules.md has the way from there.",
            "",
            f"pack = {_quoted(name)}",
        ]
        for term, piece in zip(terms, self.pieces, strict=True):
            lines += ["", f"[terms.{term}]", f"words = [{_quoted(_literal(piece))}]", "core = true"]
        lines += [
            "",
            "# The refusal: in one sentence, in this order.",
            "[[signal]]",
            f'id = "{name}"',
            'strength = "strong"',
            f"terms = [{', '.join(map(_quoted, terms))}]",
        ]
        if len(terms) > 1:
            lines.append(f"distance = {self.distance}")
        lines += [
            "",
            "[[rule]]",
            f'id = "{name}"',
            'action = "observe"',
            f'footer = "default-{"ja" if language == "ja" else "en"}"',
            'scope.senders = "config"',
            "",
            "[[example]]",
            'note = "the mail that it was started from"',
            f"subject = {_quoted(self.subject)}",
            f"text = {_long(self.text)}",
            "matched = true",
            "",
            "[[example]]",
            'note = "a reply that quotes it refuses nobody"',
            'text = "Thank you. ありがとうございました。"',
            f"quoted = {_long(self.text)}",
            "matched = false",
        ]
        return "\n".join(lines) + "\n"


def start(name: str, text: MailText, phrase: str) -> Start:
    """The start of a rule file. Raises `NoPhraseError` where no sentence of the mail has the phrase."""
    pieces = tuple(piece for piece in _PIECES.split(phrase.strip()) if normalise(piece))
    if not 1 <= len(pieces) <= 6:
        raise NoPhraseError("a phrase has one to six pieces, apart by three dots")
    source, gap = _place(text, pieces)
    made = Start(
        name=name,
        pieces=pieces,
        text=_without_marks(source),
        subject=_one_line(text.subject.source),
        distance=max(_ROOM, gap + _ROOM // 2),
    )
    try:
        load_rules({f"{name}.toml": made.toml().encode()}, config_senders=("*@rules.example",))
    except ConfigError as error:
        raise NoPhraseError("; ".join(f"{one.message} ({one.key})" for one in error.problems)) from error
    return made


def sentences(text: MailText) -> list[str]:
    """The sentences that the mail is made of, as they are written, to choose a phrase from."""
    found: dict[str, None] = {}
    for body in text.bodies:
        for sentence in _SENTENCE.finditer(_joined(body.new.source)):
            if len(normalise(sentence[0])) > 3:
                found[_one_line(sentence[0])] = None
    return list(found)[:MOST_SENTENCES]


def known_phrase(verdict: Verdict, text: MailText) -> str:
    """What the rules took for the refusal; empty where they saw none."""
    strong = [hit for hit in verdict.evidence if hit.unlocks and hit.end and hit.where != "subject"]
    return words_of(max(strong, key=lambda hit: hit.weight), text) if strong else ""


def _place(text: MailText, pieces: Sequence[str]) -> tuple[str, int]:
    """The source of the body in which the pieces stand in order, and the widest gap between two."""
    wanted = [normalise(piece) for piece in pieces]
    for body in text.bodies:
        held = body.new.text
        at = held.find(wanted[0])
        while at >= 0:
            end, gap = at + len(wanted[0]), 0
            for piece in wanted[1:]:
                found = held.find(piece, end, end + LONGEST_SENTENCE)
                if found < 0:
                    break
                gap, end = max(gap, found - end), found + len(piece)
            else:
                return body.new.source, gap
            at = held.find(wanted[0], at + 1)
    raise NoPhraseError("the phrase does not stand in the mail's text")


def _joined(source: str) -> str:
    """Lines that were wrapped in the middle of a sentence, put together; a blank line ends one."""
    source = re.sub(r"(?<=[!-~])\n(?=[!-~])", " ", source.replace("\r\n", "\n"))
    return re.sub(r"(?<!\n)\n(?!\n)", "", source)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without_marks(source: str) -> str:
    """A text that TOML can hold between three quotes."""
    lines = re.split(r"\r\n|\r|\n", source.strip("\r\n"))
    return "\n".join(_CONTROL.sub("", line).rstrip(" \t") for line in lines)


def _literal(piece: str) -> str:
    """Braces mean alternatives in a rule file; nobody writes them in a letter."""
    return _one_line(piece).replace("{", "").replace("}", "")


def _quoted(text: str) -> str:
    """A basic string of TOML, which JSON's is but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "")


def _long(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
    if escaped.endswith('"'):
        escaped = escaped[:-1] + '\\"'
    return f'"""\n{escaped}\n"""'
