"""The ``[[example]]`` blocks of rule files: mails with the verdict that the rules owe them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import Problem
from gateway.message.normalise import normalise
from gateway.message.scan import scan
from gateway.message.text import read_text
from gateway.ruleset.parse import ParsedFile
from gateway.ruleset.ruleset import MailView, Ruleset, TextLike, Verdict, words_of
from gateway.ruleset.schema import ExampleTable
from gateway.ruleset.templates import LetterLike

SENDER = "recruiting@rules.example"
CANDIDATE = "candidate@mail.example"
SHOWN = 6
"""Pieces of evidence that one line shows."""
WARMING = 5
"""Examples that a new set judges before any mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text as the rules see it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBody:
    """A body with its new and its quoted text."""

    new: Written
    quoted: Written


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenText:
    """A mail made of plain strings: examples and tests, where there are no bytes to read."""

    subject: Written
    plain: WrittenBody | None
    html: WrittenBody | None = None
    more: tuple[WrittenBody, ...] = ()
    letter: LetterLike | None = None


def written_mail(text: str, *, subject: str = "", quoted: str = "", sender: str = SENDER) -> MailView:
    """A mail to one candidate, normalised as the text of a real one is."""
    body = WrittenBody(new=Written(text=normalise(text)), quoted=Written(text=normalise(quoted)))
    return MailView(
        text=WrittenText(subject=Written(text=normalise(subject)), plain=body),
        sender=sender,
        header_from=sender,
        recipients=(CANDIDATE,),
        candidates=(CANDIDATE,),
    )


def read_mail(content: bytes, *, sender: str = SENDER) -> MailView:
    """A mail in its bytes, to one candidate."""
    message = scan(content)

    def header(name: bytes) -> bytes | None:
        field = message.head.first(name)
        return None if field is None else field.value(content)

    return MailView(
        text=read_text(message),
        sender=sender,
        header_from=sender,
        recipients=(CANDIDATE,),
        candidates=(CANDIDATE,),
        header=header,
        size=len(content),
    )


def warm_up(ruleset: Ruleset, files: Sequence[ParsedFile]) -> None:
    """Judge a few examples from all over the files, whatever comes of it.

    Pattern machines are built while they run, and the first mails would wait for that: up to twice as long.
    """
    mails = [
        written_mail(example.text, subject=example.subject)
        for file in files
        for example in file.table.example
        if example.text
    ]
    for mail in mails[:: max(1, len(mails) // WARMING)]:
        ruleset.judge(mail)


def failed_examples(
    ruleset: Ruleset, files: Sequence[ParsedFile], contents: Mapping[str, bytes]
) -> list[Problem]:
    """Run all examples; a problem for each that fails.

    Every rule takes part, also one that is off, and for mail of any sender: whose mail it is and what is
    done with it are the config's business, not the evidence's.
    """
    everybody = ruleset.anybody()
    problems: list[Problem] = []
    for file in files:
        for index, example in enumerate(file.table.example):
            message = _fault(everybody, example, contents)
            if message:
                key = f"example[{index}]" + (f" ({example.note})" if example.note else "")
                remedy = "mend the rules, or the example if it is wrong; `rules explain` shows why"
                problems.append(Problem(file=file.name, key=key, message=message, remedy=remedy))
    return problems


def _fault(ruleset: Ruleset, example: ExampleTable, contents: Mapping[str, bytes]) -> str:
    sender = example.sender or SENDER
    if example.file:
        if example.text or example.subject or example.quoted:
            return "has both a file and a text"
        if example.file not in contents:
            return f"there is no file {example.file!r}"
        mail = read_mail(contents[example.file], sender=sender)
    elif example.text or example.subject:
        mail = written_mail(example.text, subject=example.subject, quoted=example.quoted, sender=sender)
    else:
        return "has no text, no subject and no file"
    verdict = ruleset.judge(mail)
    if verdict.matched != example.matched:
        return f"should {'match' if example.matched else 'not match'}: {summary(verdict, mail.text)}"
    if example.rule and verdict.rule != example.rule:
        return f"should match {example.rule!r}: {summary(verdict, mail.text)}"
    if example.reason and verdict.reason != example.reason:
        return f"should have the reason {example.reason!r}: {summary(verdict, mail.text)}"
    return ""


def summary(verdict: Verdict, text: TextLike) -> str:
    """A verdict and its evidence in one line."""
    hits = ", ".join(f"{hit.id} {words_of(hit, text)!r}" for hit in verdict.evidence[:SHOWN])
    what = f"{verdict.rule}: " if verdict.rule else ""
    return f"{what}score {verdict.score:g} of {verdict.threshold:g}, {verdict.reason}" + (
        f" ({hits})" if hits else ""
    )
