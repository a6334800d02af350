"""Which parts of a mail are its main body, and in what order they are read.

A mail is read as one passage after another. A passage is one text, or a text and its HTML as the forms of an
alternative; Apple Mail cuts one letter into several, with the files that hang on it between them. Attachments
and embedded messages are never among them, nor is what an HTML text only refers to.

RFC 2046 §5.1.3 (mixed), §5.1.4 (alternative); RFC 2387 (related).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.message.scan import Message, Part

# More texts in a row are no letter but a digest: its first passage counts.
MAX_PASSAGES = 32
_MAIN_TYPES = frozenset({"text/plain", "text/html"})
# A text this short may be nothing but line ends.
_BLANK = 64


class Passage(NamedTuple):
    """The texts of one form follow each other; the two forms say the same. One of them may be empty."""

    plain: tuple[Part, ...] = ()
    html: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in reading order."""
        return tuple(sorted((*self.plain, *self.html), key=lambda part: part.index))


def passages(message: Message) -> tuple[tuple[Passage, ...], bool]:
    """The passages of the main body, and whether the first of them is all there.

    In a held head those that are not yet complete are left out, and more may follow. That first texts of the
    first passage are the same however much of the mail is held: a mail is known again by them.
    """
    root = message.parts[0]
    if root.leaf is not None:
        alone = _of_leaf(root)
        return alone, root.complete or not alone
    found: list[Passage] = []
    for passage in _below(message, root):
        complete = all(part.complete for part in passage.parts)
        if not complete:
            return tuple(found), bool(found)
        found.append(passage)
        if len(found) > MAX_PASSAGES:
            del found[1:]
            break
    if found:
        return tuple(found), _is_settled(message, found[0])
    return (), root.complete


def has_other_words(message: Message) -> bool:
    """Whether an alternative has one more form of its words behind HTML that files hang on.

    Nobody writes that. Some readers would show the one and some the other, so such a mail is not edited.
    """
    says = [False] * len(message.parts)
    is_page = [False] * len(message.parts)
    for part in reversed(message.parts):  # what is inside comes after what it is in
        if part.leaf is None:
            says[part.index] = any(says[child] for child in part.children)
            is_page[part.index] = any(is_page[child] for child in part.children)
        elif _of_leaf(part):
            says[part.index] = not _is_blank(message, part)
            is_page[part.index] = part.content_type == "text/html"
    for around in message.parts:
        if around.content_type == "multipart/alternative":
            forms = iter(around.children)
            if any(is_page[form] and message.parts[form].leaf is None for form in forms) and any(
                says[form] for form in forms
            ):
                return True
    return False


def is_attachment(part: Part) -> bool:
    """Whether a reader shows this text part as a file and not as the mail's words.

    A disposition that nobody knows is an attachment (RFC 2183 §2.8).
    """
    return part.disposition not in {"", "inline"} or (part.filename != "" and part.parent is not None)


def _is_settled(message: Message, passage: Passage) -> bool:
    """Whether no other form of this text can follow the end of the data.

    Behind HTML that files hang on, of which the data may hold only some, no other form is looked at.
    """
    form = passage.parts[-1]
    while form.parent is not None:
        around = message.parts[form.parent]
        if (
            around.content_type == "multipart/alternative"
            and not around.complete
            and not (passage.plain and passage.html and _has_files_with_html(message, form))
        ):
            return False
        form = around
    return True


def _has_files_with_html(message: Message, part: Part) -> bool:
    return part.leaf is None and any(passage.html for passage in _below(message, part))


def _of_leaf(part: Part) -> tuple[Passage, ...]:
    if part.content_type not in _MAIN_TYPES or ((part.disposition or part.filename) and is_attachment(part)):
        return ()
    return (Passage((part,)) if part.content_type == "text/plain" else Passage((), (part,)),)


def _below(message: Message, part: Part) -> Iterator[Passage]:
    """The passages of a part, with an eye on nothing but its type."""
    if part.leaf is not None:
        yield from _of_leaf(part)
        return
    children = [message.parts[child] for child in part.children]
    if part.content_type == "multipart/alternative":
        forms = []
        for child in children:
            forms.append(_begun(_below(message, child)))
            if child.leaf is None and any(passage.html for passage in forms[-1]):
                break  # the last form (`has_other_words`)
        yield from _alternative(message, forms)
        return
    for child in children:
        # Apple Mail and others put an empty text before the first attachment.
        if child.complete and _is_blank(message, child):
            continue
        below = tuple(_below(message, child))
        yield from below
        if below and part.content_type == "multipart/related":
            return  # the root; the others are what it refers to


def _begun(form: Iterable[Passage]) -> tuple[Passage, ...]:
    """The passages of a form up to one that is not all there; the first of them in any case."""
    out: list[Passage] = []
    for passage in form:
        if out and not all(part.complete for part in passage.parts):
            break
        out.append(passage)
    return tuple(out)


def _alternative(message: Message, forms: list[tuple[Passage, ...]]) -> tuple[Passage, ...]:
    """The forms of one text as one passage: of each kind the last that says anything, as readers do."""
    plain: tuple[Passage, ...] = ()
    rich: tuple[Passage, ...] = ()
    for form in forms:
        blank = all(_is_blank(message, part) for passage in form for part in passage.parts)
        if any(passage.html for passage in form):
            rich = rich if rich and blank else form
        elif form:
            plain = plain if plain and blank else form
    if not plain or not rich:
        return plain or rich
    if any(passage.plain and passage.html for passage in rich):
        return rich  # it has both kinds, and comes later
    return (
        Passage(
            plain=tuple(part for passage in plain for part in passage.plain),
            html=tuple(part for passage in rich for part in passage.html or passage.plain),
        ),
    )


def _is_blank(message: Message, part: Part) -> bool:
    start, end = part.body
    return part.leaf is not None and end - start <= _BLANK and not message.data[start:end].strip()
