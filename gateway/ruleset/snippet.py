"""The sentences that matched, for people who review, with names and numbers masked.

What is not one of the rules' own words is masked, whatever it is: a name needs no list to be hidden, since
no rule knows it. Left are those words, kana that inflects them, and punctuation.
"""

import re

from gateway.ruleset.book import Book
from gateway.ruleset.page import SUBJECT
from gateway.ruleset.reading import Reading
from gateway.ruleset.ruleset import TextLike, Verdict, bodies_of

MOST_SENTENCES = 4
LONGEST = 240
MASK = "□"

_PLAIN = re.compile(r"[\u3041-\u3096\s、。,.!?・「」()ー-]+")
_DIGITS = re.compile(r"\d+")
_RUN = re.compile(f"{MASK}+")


def snippets(book: Book, text: TextLike, verdict: Verdict) -> tuple[str, ...]:
    """The sentences in which the verdict's strong signals stand, masked, in their order."""
    texts = dict(bodies_of(text))
    found: dict[tuple[str, int], str] = {}
    readings: dict[str, Reading] = {}
    for hit in verdict.evidence:
        if not hit.unlocks or (hit.where, hit.sentence) in found or len(found) >= MOST_SENTENCES:
            continue
        if hit.where not in readings:
            body = texts.get(hit.where)
            if hit.where != "subject" and body is None:
                continue
            readings[hit.where] = Reading(book, text.subject.text if body is None else body.new.text)
        reading = readings[hit.where]
        number = 0 if hit.sentence == SUBJECT else hit.sentence
        if number < len(reading):
            found[hit.where, hit.sentence] = masked(reading, number)
    return tuple(found.values())


def masked(reading: Reading, number: int) -> str:
    """One sentence of the text, with everything masked that is no word of the rules."""
    low, high = reading.bounds(number)
    shown = [MASK] * (high - low)
    for match in _PLAIN.finditer(reading.text, low, high):
        shown[match.start() - low : match.end() - low] = match.group()
    for start, end in reading.sentence(number).places(-1):
        shown[start - low : end - low] = reading.text[start:end]
    text = _DIGITS.sub("#", _RUN.sub(MASK, "".join(shown)))
    return " ".join(text.split())[:LONGEST]
