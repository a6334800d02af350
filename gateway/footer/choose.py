"""Which of a mail's texts get the footer, where there are several in a row.

One passage gets it: the last one with newly written words, in all of its forms. An alternative goes before a
lone HTML text, and that before a lone plain one, since a list or a scanner hangs its own plain text behind
the letter, which many programs show as a file. A placeholder decides for its form.
"""

from gateway.footer.place import Where, plain_placeholders
from gateway.footer.place_html import html_placeholders
from gateway.message.scan import Message
from gateway.message.text import Body, Kind, MailText, Texts, decoded_texts


def chosen(text: MailText, where: Where) -> tuple[list[Body], list[Body]]:
    """The bodies that get the footer, and those where only placeholders are taken out."""
    if not text.more:
        return list(filter(None, (text.plain, text.html))), []
    if where is Where.TOP:
        return [form[0] for form in _forms(text.passages[0])], []
    if where is Where.END:
        return [form[-1] for form in _forms(_last(text, new=False))], []
    passage = _last(text, new=True)
    marked = [body for body in text.bodies if placeholders(body)]
    if not marked:
        return [_end(form) for form in _forms(passage)], []
    asked = _asked(text, marked)
    bodies = [
        next((body for body in form if body in marked), _end(form)) for form in _forms(asked or passage)
    ]
    return bodies, [body for body in marked if body not in bodies]


def placeholders(body: Body) -> list[list[tuple[int, int]]]:
    """All placeholders in a body, each as the spans that it is cut up into."""
    return _placeholders(body.kind, body.decoded)


def may_have_placeholder(message: Message) -> bool:
    """Whether a placeholder stands in the main text, in any of its encodings: asked before it is read.

    Yes where one does; also where nobody would see it.
    """
    return any(_placeholders(kind, decoded) for kind, decoded in decoded_texts(message))


def _placeholders(kind: Kind, decoded: str) -> list[list[tuple[int, int]]]:
    if kind == "html":
        return html_placeholders(decoded)
    return [[span] for span in plain_placeholders(decoded)] if "{" in decoded else []


def _forms(passage: Texts) -> list[tuple[Body, ...]]:
    return [form for form in (passage.plain, passage.html) if form]


def _asked(text: MailText, marked: list[Body]) -> Texts | None:
    """The first passage with a placeholder in newly written text, or else in any."""
    fresh = [body for body in marked if body.new.text] or marked
    return next(
        (each for each in text.passages if any(body in fresh for form in _forms(each) for body in form)),
        None,
    )


def _last(text: MailText, *, new: bool) -> Texts:
    """The last passage of the fullest form; where `new` asks for it, of those with newly written words."""
    found = [
        each
        for each in text.passages
        if any((body.new.text if new else body.decoded.strip()) for form in _forms(each) for body in form)
    ]
    if not found:
        return text.passages[0]
    return max(enumerate(found), key=lambda each: (_fullness(each[1]), each[0]))[1]


def _fullness(passage: Texts) -> int:
    return 2 if passage.plain and passage.html else 1 if passage.html else 0


def _end(form: tuple[Body, ...]) -> Body:
    """The last text with newly written words, and of HTML if there is any; where there is none, the first."""
    written = [body for body in form if body.new.text]
    return next((body for body in reversed(written) if body.kind == "html"), (written or form[:1])[-1])
