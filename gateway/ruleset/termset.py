"""Sets of terms as whole numbers, bit n standing for term n.

Whether a sentence has what a statement needs is asked some hundred times a mail; as numbers the answer is
one operation, where sets of Python objects have to be walked.
"""

from collections.abc import Iterable

TermSet = int


def term_set(terms: Iterable[int]) -> TermSet:
    """The set that holds these terms."""
    held = 0
    for term in terms:
        held |= 1 << term
    return held
