"""HTML as mail has it: its text with positions, what in it is quoted, and whether it is sound enough to edit.

A linear tokenizer, strict where a browser is lenient: a tag, comment or quote that is not closed, or
anything that two readers could tokenize in two ways, is a defect, and HTML with a defect is never edited.
Its text is still given as far as it can be read. Nothing is built but a list of text runs.

HTML Living Standard §13.2.5.
"""

import html
import re
from bisect import bisect_right
from typing import NamedTuple

from gateway.message.hidden import Hidden, may_hide

# Larger HTML is not edited (DESIGN.md): BeautifulSoup would have to read it.
MAX_HTML = 512 * 1024
# Tags and character references together. A letter has hundreds.
MAX_TOKENS = 30_000


class Run(NamedTuple):
    """The text from `start` to the next run came from ``source[at:]``; if not `verbatim`, all from `at`."""

    start: int
    at: int
    verbatim: bool


class HtmlText(NamedTuple):
    """What was read.

    `quoted` are spans of `text` inside a reply's or forward's container, `marks` where in the source those
    begin. `body_end` is where in the source the body's content ends. `defect` names what is unsound, "" if
    nothing. `open`: the last of the quotes has no end. `hidden` are spans of the source that are not shown.
    """

    text: str
    runs: tuple[Run, ...]
    quoted: tuple[tuple[int, int], ...]
    marks: tuple[int, ...]
    body_end: int
    defect: str
    open: bool
    hidden: tuple[tuple[int, int], ...] = ()

    def hides(self, at: int) -> bool:
        """Whether what is put into the source at `at` would not be shown."""
        return any(start < at <= end for start, end in self.hidden)

    def source_index(self, index: int) -> int:
        """Where in the source the character ``text[index]`` came from."""
        number = bisect_right(self.runs, index, key=lambda run: run.start) - 1
        if number < 0:
            return 0
        run = self.runs[number]
        return run.at + (index - run.start if run.verbatim else 0)


_ATTRIBUTE = r"""[^\s/>"'<=]++(?>(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>=`][^\s"'<>`]*+))?)"""
_TAG = re.compile(rf"""<(/?)([A-Za-z][^\s/>"'<=]*+)((?>(?:\s++|/|{_ATTRIBUTE})*))>""")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

# What a tag does to the text around it: 1 a new line, 2 a new paragraph.
_BREAKS = dict.fromkeys(
    (
        "div",
        "td",
        "th",
        "tr",
        "li",
        "dd",
        "dt",
        "center",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "body",
    ),
    1,
) | dict.fromkeys(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "blockquote", "pre", "hr", "form"), 2
)
# No text of the mail in these. The tokenizer reads the raw ones only for their end tag.
_RAW = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
_SKIPPED = frozenset(
    {"head", "template", "object", "svg", "math", "select", "audio", "video", "canvas", "datalist"}
)
# All that a head can hold; a browser ends it at anything else (HTML Living Standard §13.2.6.4.4).
_IN_HEAD = frozenset(
    {"base", "basefont", "bgsound", "link", "meta", "title", "noscript", "noframes", "style", "script"}
    | {"template", "head", "html"}
)
_CONTAINERS = frozenset({"div", "blockquote", "span", "hr", "table", "td"})

# Containers that mail programs put a quoted original in: it ends with the element.
_QUOTE = re.compile(
    r"""(?:class|id)\s*=\s*["']?[^"'>]*?(?:gmail_quote|gmail_extra|moz-cite-prefix|moz-forward-container"""
    r"""|yahoo_quoted|protonmail_quote|tutanota_quote|zmail_extra|cloze-quote|ms-outlook-mobile-reference-message)""",
    re.IGNORECASE,
)
_CITE = re.compile(
    r"""\b(?:type\s*=\s*["']?cite|cite\s*=|class\s*=\s*["'][^"']*quote|style\s*=\s*["'][^"']*border-left)""",
    re.IGNORECASE,
)
# Where a reply's header begins in Outlook, Exchange and their apps: everything after it is the original.
_REST = re.compile(
    r"""id\s*=\s*["']?(?:x_)*(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|reply-intro)"""
    r"""|border\s*:\s*none\s*;\s*border-top\s*:\s*solid\s+(?:windowtext|\#?(?:E1E1E1|B5C4DF|B5C4DF))\s+1\.0pt""",
    re.IGNORECASE,
)
_OFFICE_LINE = re.compile(r"Mso(?:Normal|PlainText)", re.IGNORECASE)


class _Reader:
    """The state of one pass."""

    __slots__ = (
        "body_end",
        "depth",
        "hidden",
        "inside",
        "length",
        "marks",
        "out",
        "pending",
        "quote_start",
        "quoted",
        "runs",
        "skip",
        "source",
    )

    def __init__(self, source: str) -> None:
        self.source = source
        self.out: list[str] = []
        self.length = 0
        self.runs: list[Run] = []
        self.pending = 0  # line breaks due before the next text
        self.skip: list[str] = []  # elements without text that are open
        self.inside = ""  # the quoting element that is open; "*": everything to the end
        self.depth = 0
        self.quote_start = 0
        self.quoted: list[tuple[int, int]] = []
        self.marks: list[int] = []
        self.body_end = -1
        self.hidden = Hidden() if may_hide(source) else None

    def add(self, text: str, at: int, *, verbatim: bool) -> None:
        if self.pending:
            if not text.strip(" \t\r\n\f"):
                return
            if self.length:
                self.out.append("\n" * self.pending)
                self.runs.append(Run(self.length, at, verbatim=False))
                self.length += self.pending
            self.pending = 0
        self.out.append(text)
        self.runs.append(Run(self.length, at, verbatim=verbatim))
        self.length += len(text)

    def text(self, start: int, end: int) -> None:
        """A run of character data: white space is only white space here, character references are read."""
        if self.skip:
            if self.skip != ["head"] or not self.source[start:end].strip():
                return
            self.skip.clear()
        run = self.source[start:end].replace("\n", " ").replace("\r", " ")
        if "&" not in run:
            self.add(run, start, verbatim=True)
            return
        reached = 0
        for found in _ENTITY.finditer(run):
            if found.start() > reached:
                self.add(run[reached : found.start()], start + reached, verbatim=True)
            meant = html.unescape(found[0])
            self.add(meant, start + found.start(), verbatim=False)
            reached = found.end()
        if reached < len(run):
            self.add(run[reached:], start + reached, verbatim=True)

    def tag(self, found: re.Match[str]) -> None:
        closing, name, attributes = found[1], found[2].lower(), found[3]
        self.place(name, attributes, found.start(), closing=bool(closing))
        if name == "br":
            self.pending += 1
            return
        breaks = _BREAKS.get(name, 0)
        if breaks:
            if breaks == 2 and name == "p" and _OFFICE_LINE.search(attributes):
                breaks = 1
            self.pending = max(self.pending, breaks if not closing or name != "p" else 1)
        if name in _SKIPPED:
            if not closing:
                if not attributes.endswith("/"):
                    self.skip.append(name)
            elif name in self.skip:
                del self.skip[self.skip.index(name) :]
        elif closing:
            if name == self.inside:
                self.depth -= 1
                if self.depth == 0:
                    self.close_quote()
            elif name in ("body", "html") and self.body_end < 0:
                self.body_end = found.start()
        elif name in _CONTAINERS and (self.inside == name or not self.inside):
            self.container(name, attributes, found.start())
        elif name == "body":
            self.skip.clear()

    def place(self, name: str, attributes: str, at: int, *, closing: bool) -> None:
        """Whether this tag stands in a head, and whether it hides something."""
        if self.skip == ["head"] and name not in _IN_HEAD:
            self.skip.clear()
        if self.hidden is not None and not self.skip:
            self.hidden.tag(name, attributes, at, closing=closing)

    def container(self, name: str, attributes: str, at: int) -> None:
        if self.inside:
            self.depth += 1
        elif _REST.search(attributes):
            self.open_quote("*", at)
        elif name != "hr" and (
            _QUOTE.search(attributes) or (name == "blockquote" and _CITE.search(attributes))
        ):
            self.open_quote(name, at)

    def open_quote(self, name: str, at: int) -> None:
        self.inside = name
        self.depth = 1
        self.quote_start = self.length
        self.marks.append(at)

    def close_quote(self) -> None:
        self.quoted.append((self.quote_start, self.length))
        self.inside = ""

    def finish(self, defect: str) -> HtmlText:
        endless = self.inside == "*"
        if self.inside:
            self.close_quote()
        end = len(self.source) if self.body_end < 0 else self.body_end
        if self.hidden is not None:
            self.hidden.end(len(self.source))
        return HtmlText(
            "".join(self.out),
            tuple(self.runs),
            tuple(self.quoted),
            tuple(self.marks),
            end,
            defect,
            endless,
            () if self.hidden is None else tuple(self.hidden.spans),
        )


def read_html(source: str) -> HtmlText:
    """Read `source` in linear time. Never raises; see `HtmlText.defect`."""
    reader = _Reader(source)
    if len(source) > MAX_HTML:
        return reader.finish("too-large")
    if source.count("<") + source.count("&") > MAX_TOKENS:
        return reader.finish("too-many-tags")
    size = len(source)
    position = 0
    while position < size:
        opening = source.find("<", position)
        if opening < 0:
            reader.text(position, size)
            break
        if opening > position:
            reader.text(position, opening)
        position = opening
        following = source[opening + 1 : opening + 2]
        if following in _LETTERS or (following == "/" and source[opening + 2 : opening + 3] in _LETTERS):
            found = _TAG.match(source, opening)
            if found is None:
                return reader.finish("unclosed-tag")
            reader.tag(found)
            position = found.end()
            name = found[2].lower()
            if name in _RAW and not found[1]:
                position = _skip_raw(source, position, name)
                if position < 0:
                    return reader.finish("unclosed-" + name)
            elif name in {"plaintext", "frameset"}:
                return reader.finish(name)  # nothing behind it is shown as a page
        elif following in ("!", "?", "/"):
            position, defect = _skip_declaration(source, opening)
            if defect:
                return reader.finish(defect)
        else:
            reader.text(opening, opening + 1)
            position = opening + 1
    hidden = [name for name in reader.skip if name != "head"]
    return reader.finish("unclosed-" + hidden[0] if hidden else "")


def _skip_raw(source: str, position: int, name: str) -> int:
    """The end of the end tag of a raw text element; -1 if there is none or a browser would look further."""
    found = re.compile(rf"</{name}[\s/]*+>", re.IGNORECASE).search(source, position)
    if found is None:
        return -1
    if name == "script" and "<!--" in source[position : found.start()]:
        return -1  # "script data escaped": the first end tag may not be the one
    return found.end()


def _skip_declaration(source: str, opening: int) -> tuple[int, str]:
    """Past a comment, doctype, processing instruction or nameless end tag; or what is wrong with it."""
    if source.startswith("<!--", opening):
        if source.startswith((">", "->"), opening + 4):
            return opening, "odd-comment"
        end = source.find("-->", opening + 4)
        if end < 0:
            return opening, "unclosed-comment"
        if "--!>" in source[opening:end]:
            return opening, "odd-comment"
        return end + 3, ""
    if source.startswith("<![CDATA[", opening):
        return opening, "cdata"
    end = source.find(">", opening)
    if end < 0:
        return opening, "unclosed-declaration"
    if source.count('"', opening, end) % 2 or source.find("<", opening + 1, end) >= 0:
        return opening, "unclosed-quote"
    return end + 1, ""
