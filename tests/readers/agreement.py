"""Whether a reader sees in a changed mail what it saw in the original, and the footer once a text.

Blanks and line ends do not count, since readers that unfold ``format=flowed`` make lines of their own. Nor do
the signs that tables of Japanese charsets spell in two ways. What a reader could not read in the original it
need not read afterwards, but the footer it must.
"""

import html
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from gateway.cli.rewriting.mail import Rewritten
from gateway.footer.template import FooterText
from gateway.footer.values import FooterValues
from tests.readers.reading import Reading

_TWO_WAYS = str.maketrans(
    {"〜": "~", "−": "-", "—": "-", "―": "-", "‖": "∥", "¢": "￠", "¬": "￢", "£": "￡"}
)


def plainly(text: str, *, page: bool) -> str:
    """`text` as far as it counts."""
    text = html.unescape(text) if page else text
    text = text.translate(_TWO_WAYS)
    text = unicodedata.normalize("NFKC", text).translate(_TWO_WAYS)
    return re.sub(r"[\s\ufeff]+", "", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """The footer as it counts, as text and as HTML."""

    plain: str
    page: str

    @classmethod
    def of(cls, footer: FooterText, values: FooterValues) -> "Footer":
        """The footer of a copy."""
        return cls(
            plain=plainly(footer.render_plain(values), page=False),
            page=plainly(footer.render_html(values), page=True),
        )


def complaints(
    before: Reading, after: Reading, result: Rewritten, footer: Footer, *, lacks: Collection[str] = ()
) -> Iterator[str]:
    """What the reader sees that it should not, and the other way round. Nothing: it agrees.

    `lacks` are charsets that the reader misreads: of such an original it may say anything, of the footer not.
    """
    if after.error:
        if not before.error:
            yield f"cannot be read any more: {after.error}"
        return
    if before.error:
        return
    if before.tree:
        misread = {each.leaf for each in result.edited if each.charset[0] in lacks}
        yield from _of_tree(before, after, result, footer, misread)
    else:
        known = not any(each.charset[0] in lacks for each in result.edited)
        yield from _of_letter(before, after, result, footer, known=known)


def _of_tree(
    before: Reading, after: Reading, result: Rewritten, footer: Footer, misread: Collection[int]
) -> Iterator[str]:
    if after.tree != before.tree:
        yield f"parts {before.tree} became {after.tree}"
        return
    for number, (old, new) in enumerate(zip(before.leaves, after.leaves, strict=True)):
        if number not in result.parts:
            if old.digest != new.digest:
                yield f"leaf {number} ({old.kind}) has changed"
        elif new.text is None:
            # It may lack the charset; that it was never able to read this leaf is the only excuse.
            if old.text is not None:
                yield f"leaf {number} ({new.kind}) cannot be decoded any more"
        else:
            known = old.text is not None and result.placement != "placeholder" and number not in misread
            page = new.kind == "text/html"
            yield from _of_text(f"leaf {number}", old.text or "", new.text, footer, page=page, known=known)


def _of_letter(
    before: Reading, after: Reading, result: Rewritten, footer: Footer, *, known: bool
) -> Iterator[str]:
    if before.files != after.files:
        yield f"files {before.files} became {after.files}"
    kinds = {each.content_type for each in result.edited}
    for kind, old, new in (("text/plain", before.text, after.text), ("text/html", before.html, after.html)):
        if kind in kinds:
            kept = known and result.placement != "placeholder"
            yield from _of_text(kind, old, new, footer, page=kind == "text/html", known=kept)
        elif known and kind == "text/html" and _words(new).replace(footer.plain, "") != _words(old):
            # The reader may make HTML from the text; with the footer, but with nothing else that is new. Text
            # that it makes from HTML has signs of its own.
            yield f"{kind} has changed"


def _words(text: str) -> str:
    return plainly(re.sub(r"<[^>]*>", "", text), page=True)


def _of_text(
    name: str,
    old: str,
    new: str,
    footer: Footer,
    *,
    page: bool,
    known: bool,
) -> Iterator[str]:
    wanted = footer.page if page else footer.plain
    was, now = plainly(old, page=page), plainly(new, page=page)
    if now.count(wanted) != 1:
        yield f"{name}: the footer is in it {now.count(wanted)} times: {new[-1500:]!r}"
    elif known and now.replace(wanted, "") != was:
        yield f"{name}: the text around it has changed: {_first_difference(was, now.replace(wanted, ''))}"


def _first_difference(old: str, new: str) -> str:
    at = next(
        (at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    return f"{old[max(0, at - 20) : at + 40]!r} became {new[max(0, at - 20) : at + 40]!r}"


def report(found: Sequence[tuple[str, str]], limit: int = 12) -> str:
    """The complaints of many mails, for a person."""
    return f"{len(found)} disagreements\n" + "\n".join(f"{name}: {text}" for name, text in found[:limit])
