"""What a footer template renders to, judged at load: nothing here runs while mail flows.

Errors are what would harm a mail or mislead its reader: a link that is not there, or whose text is
another address; a line past the 998 octets of RFC 5322 §2.1.1; HTML that is not balanced (it would
swallow the rest of the mail), brings its own document, script or style sheet, or lets a value out of its
quotes. `manners` names what the manners of RULES.md ask for and a file of one's own may lack; it refuses
nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Final

from gateway.errors import Problem
from gateway.footer.values import MAX_NAME, MAX_URL, SAMPLE, FooterValues

Render = Callable[[FooterValues], str]

MAX_LINE: Final = 998
"""Octets in a line without its CRLF (RFC 5322 §2.1.1)."""

_FORBIDDEN: Final = frozenset({
    "applet", "base", "body", "button", "embed", "form", "frame", "frameset", "head", "html", "iframe",
    "input", "link", "listing", "math", "meta", "noscript", "object", "plaintext", "script", "select",
    "style", "svg", "template", "textarea", "title", "xmp",
})  # fmt: skip
_VOID: Final = frozenset({"area", "br", "col", "hr", "img", "source", "track", "wbr"})
_SCHEMES: Final = ("http://", "https://", "mailto:", "tel:")
_ADDRESS: Final = re.compile(
    r"(?:https?|mailto|ftp):|www\.|[a-z0-9-]\.[a-z]{2,}(?![a-z0-9])", re.IGNORECASE | re.ASCII
)

_LONGEST: Final = replace(
    SAMPLE,
    link="https://careerrelay.example/".ljust(MAX_URL, "0"),
    opt_out="https://careerrelay.example/".ljust(MAX_URL, "1"),
    company="社" * MAX_NAME,
    partner="人" * MAX_NAME,
)
_BARE: Final = replace(SAMPLE, company="", partner="")
_SHARP: Final = replace(SAMPLE, company="a\" b='c'><i x=1>&amp;<!--", partner='a\' b="c"><i x=1>&amp;-->')


def problem(file: str, message: str, remedy: str, line: int | None = None) -> Problem:
    """A problem in a footer file; `line` counts in the file."""
    return Problem(file=file, key="", message=message, remedy=remedy, line=line)


def plain_problems(file: str, render: Render) -> list[Problem]:
    """What is wrong with a text footer; `render` is its template. Lets the template's own errors through."""
    problems = list(_common(file, render))
    for number, line in enumerate(render(SAMPLE).split("\n"), 1):
        if _CONTROL.search(line):
            message = f"control character in line {number} of what it renders to"
            problems.append(problem(file, message, "delete it"))
    return problems


def html_problems(file: str, render: Render) -> list[Problem]:
    """What is wrong with an HTML footer; `render` is its template. Lets the template's own errors through."""
    problems = list(_common(file, render))
    sample = render(SAMPLE)
    page = _Page(sample)
    problems += [problem(file, message, remedy) for message, remedy in page.problems]
    if page.shape != _Page(render(_SHARP)).shape:
        remedy = 'put attribute values between double quotes: href="{{ link }}"'
        problems.append(problem(file, "a value can change the HTML around it", remedy))
    if SAMPLE.link not in page.targets:
        remedy = 'write <a href="{{ link }}">{{ link }}</a>'
        problems.append(problem(file, "no <a> leads to the link", remedy))
    return problems


def language_of(html: str) -> str:
    """The first ``lang`` in a piece of HTML, or nothing."""
    return _Page(html).language


def manners(name: str, plain: Render, html: Render) -> list[Problem]:
    """What the manners of RULES.md ask for and a footer lacks: advice, nothing is refused for it."""
    found = []
    values = replace(SAMPLE, company_en="", partner_en="")
    for kind, render in (("txt", plain), ("html", html)):
        text = render(values)
        file = f"{name}.{kind}"
        if SAMPLE.opt_out not in text:
            remedy = "add {{ opt_out }}, with a word on what it does"
            found.append(problem(file, "no way to say no more of these", remedy))
        if SAMPLE.partner not in text:
            remedy = "add {{ partner }}: readers should know who is behind the link"
            found.append(problem(file, "it does not say who runs the service", remedy))
        if SAMPLE.company not in text:
            remedy = "say that {{ company }} takes part in a referral programme"
            found.append(problem(file, "it does not say who takes part", remedy))
    return found


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def _common(file: str, render: Render) -> Iterator[Problem]:
    for values in (SAMPLE, _BARE, _LONGEST):
        text = render(values)
        if values.link not in text:
            which = "when company and partner are empty" if values is _BARE else "in what it renders to"
            remedy = "let {{ link }} stand outside of conditions"
            yield problem(file, f"the link is missing {which}", remedy)
            return
    for number, line in enumerate(render(_LONGEST).split("\n"), 1):
        if len(line.encode()) > MAX_LINE:
            message = f"line {number} of what it renders to can be longer than {MAX_LINE} octets"
            yield problem(file, message, "break it into several lines")


class _Page(HTMLParser):
    """One pass over a rendered HTML footer: its problems, its shape, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[tuple[str, str]] = []
        self.shape: list[tuple[str, ...]] = []
        self.targets: set[str] = set()
        self.language = ""
        self._open: list[str] = []
        self._target: str | None = None
        self._visible: list[str] = []
        self.feed(html)
        self.close()
        for tag in self._open:
            self._say(f"<{tag}> is not closed", f"add </{tag}>")
        if "<!--" in html or "<![" in html or "<?" in html:
            self._say("a comment, declaration or processing instruction", "take it out: {# … #} is a comment")

    def _say(self, message: str, remedy: str) -> None:
        if (message, remedy) not in self.problems:
            self.problems.append((message, remedy))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a tag, and what it may not be or carry."""
        self.shape.append((tag, *(name for name, _ in attrs)))
        if tag in _FORBIDDEN:
            self._say(f"<{tag}> has no place in a footer", "use <div>, <p>, <a> and style attributes")
        for name, value in attrs:
            if name.startswith("on"):
                self._say(f"{name}= runs a script", "take it out")
            if name in {"href", "src"} and not (value or "").lower().startswith(_SCHEMES):
                message = f"{name}={value!r} is no whole http, https, mailto or tel URL"
                self._say(message, "write {{ link }} or a whole URL")
            if name == "lang" and not self.language:
                self.language = value or ""
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "a":
            self._target = dict(attrs).get("href")
            self._visible = []
            if self._target is not None:
                self.targets.add(self._target)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """``<br/>`` is a start tag to an HTML reader, and so is ``<div/>``."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close a tag; the visible text of a link is judged here."""
        self.shape.append(("/", tag))
        if not self._open or self._open.pop() != tag:
            message = f"</{tag}> closes nothing, or not what was opened last"
            self._say(message, "close what was opened last first")
        if tag == "a" and self._target is not None:
            # A link whose text shows another address than its target is what fraud looks like.
            visible = "".join(self._visible).strip()
            if _ADDRESS.search(visible) and visible != self._target:
                remedy = "show the link itself, {{ link }}, or plain words"
                self._say(f"the link's text shows another address than its target: {visible}", remedy)
            if not visible:
                self._say("a link without text", "show the link itself, {{ link }}, or plain words")
            self._target = None

    def handle_data(self, data: str) -> None:
        """Visible text."""
        if self._target is not None:
            self._visible.append(data)
