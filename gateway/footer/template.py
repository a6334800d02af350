"""Footer files to compiled templates.

A footer is a pair of files, ``<name>.txt`` and ``<name>.html``: Jinja2, in the sandbox, with strict
variables. Of the language only what a footer needs is let in (`_ALLOWED`): text, variables, conditions
and a few filters; no loop, no call, no ``safe``. So a template renders in time linear in its length and
cannot switch off the escaping. Values are escaped as HTML in ``.html`` and, valid as they are
(`FooterValues`), go as they stand into ``.txt``.

`load_footers` refuses a set as a whole, with every problem in it (promise 9); `lint` judges what they
render to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.errors import ConfigError, Problem
from gateway.footer.lint import html_problems, language_of, manners, plain_problems, problem
from gateway.footer.render import context, render, writes_links
from gateway.footer.values import SAMPLE, VARIABLES, FooterValues

MAX_FILE: Final = 32 * 1024
"""Octets in a footer file: a footer is a few lines, and each copy of each mail pays for it."""

_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr,
    nodes.Filter, nodes.Test, nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand, nodes.Concat,
)  # fmt: skip
_FILTERS: Final = frozenset({"default", "d", "trim", "upper", "lower", "title", "urlencode", "e", "escape"})
_TESTS: Final = frozenset({"defined", "undefined", "none", "string", "eq", "equalto", "ne", "in"})


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )


_PLAIN: Final = _environment(html=False)
_HTML: Final = _environment(html=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FooterText:
    """One footer, compiled; equal to itself alone, as its templates are.

    `language` is the ``lang`` of its HTML (BCP 47), empty if that says none.

    `links_only` has the kinds ("txt", "html") whose copies differ in nothing but the links written in them.
    """

    name: str
    plain: Template
    html: Template
    language: str
    links_only: frozenset[str] = frozenset()

    def render_plain(self, values: FooterValues) -> str:
        """The lines of the text footer, joined by LF; no blanks at their ends, no blank lines around them.

        Raises `MailUnreadable` if the template fails, which loading it has ruled out as far as can be.
        """
        return render(self.plain, values, language=self.language, links_only="txt" in self.links_only)

    def render_html(self, values: FooterValues) -> str:
        """The HTML footer with LF as line end. Raises `MailUnreadable` as `render_plain` does."""
        return render(self.html, values, language=self.language, links_only="html" in self.links_only)

    def advice(self) -> list[Problem]:
        """What the manners of RULES.md ask for and this footer lacks: for `rules lint`, not refused."""
        return manners(self.name, self.render_plain, self.render_html)


def load_footers(files: Mapping[str, bytes]) -> Mapping[str, FooterText]:
    """Compile all footers. `files` maps names to content; those in neither .txt nor .html are not looked at.

    Raises `ConfigError` with every problem in all of them.
    """
    problems: list[Problem] = []
    sources: dict[str, dict[str, str]] = {}
    for file in sorted(files):
        name, dot, kind = file.rpartition(".")
        if not dot or kind not in {"txt", "html"}:
            continue
        kinds = sources.setdefault(name, {})
        kinds[kind] = ""
        try:
            kinds[kind] = _decode(file, files[file])
        except ConfigError as error:
            problems += error.problems
    footers: dict[str, FooterText] = {}
    for name, kinds in sources.items():
        for kind, other in (("txt", "html"), ("html", "txt")):
            if kind not in kinds:
                found = f"{name}.{other}"
                remedy = f"write {name}.{kind}: a mail has a text and an HTML part, and both get the footer"
                problems.append(problem(found, f"there is no {name}.{kind} beside it", remedy))
        plain = _compile(_PLAIN, f"{name}.txt", kinds.get("txt", ""), problems)
        html = _compile(_HTML, f"{name}.html", kinds.get("html", ""), problems)
        if plain is not None and html is not None:
            language = language_of(html.render(context(SAMPLE)))
            links_only = frozenset(
                kind
                for kind, environment in (("txt", _PLAIN), ("html", _HTML))
                if writes_links(environment.parse(kinds[kind]))
            )
            footers[name] = FooterText(
                name=name, plain=plain, html=html, language=language, links_only=links_only
            )
    if problems:
        raise ConfigError(problems)
    return footers


def _decode(file: str, content: bytes) -> str:
    if len(content) > MAX_FILE:
        long = problem(file, f"longer than {MAX_FILE} octets", "shorten it")
        raise ConfigError([long])
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = "save the file as UTF-8"
        try:
            content.decode("cp932")
        except UnicodeDecodeError:
            message = f"not UTF-8 (octet {error.start + 1})"
        else:
            message = "not UTF-8; it looks like Shift_JIS (CP932)"
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([problem(file, message, remedy, line)]) from None
    if not source.strip():
        raise ConfigError([problem(file, "the file is empty", "write the footer")])
    return source


def _compile(
    environment: ImmutableSandboxedEnvironment, file: str, source: str, problems: list[Problem]
) -> Template | None:
    """The template, or None. Adds what is wrong with it; an empty source has had its problem already."""
    if not source:
        return None
    try:
        tree = environment.parse(source, filename=file)
    except TemplateSyntaxError as error:
        remedy = "write {{ variable }}, {% if variable %} … {% endif %}"
        problems.append(problem(file, str(error.message), remedy, error.lineno))
        return None
    found = list(_tree_problems(file, tree))
    if found:
        problems += found
        return None
    try:
        template = environment.from_string(tree)
        template.name = file
        judge = html_problems if environment is _HTML else plain_problems
        found = judge(file, lambda values: template.render(context(values)))
    except Exception as error:  # noqa: BLE001 - a filter with wrong arguments raises anything
        found = [
            problem(file, f"it cannot be rendered: {error}", "take out what is not plain {{ variable }}")
        ]
    problems += found
    return None if found else template


_VARIABLES_REMEDY: Final = f"use only {', '.join(VARIABLES)}"


def _tree_problems(file: str, tree: nodes.Template) -> Iterator[Problem]:
    """What a template names or does that it may not, found also in branches that no sample reaches."""
    names: dict[str, int] = {}
    for node in _walk(tree):
        if not isinstance(node, _ALLOWED):
            what = type(node).__name__.lower()
            remedy = "use only {{ variable }}, {% if %} and filters such as {{ company | upper }}"
            yield problem(file, f"a footer has no use for {what}", remedy, node.lineno)
        elif isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            remedy = f"use one of {', '.join(sorted(_FILTERS))}"
            yield problem(file, f"filter {node.name} is not offered", remedy, node.lineno)
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            remedy = f"use one of {', '.join(sorted(_TESTS))}"
            yield problem(file, f"test {node.name} is not offered", remedy, node.lineno)
        elif isinstance(node, nodes.Name):
            names.setdefault(node.name, node.lineno)
    for name, line in names.items():
        if name not in VARIABLES:
            message = f"unknown variable {name}"
            yield problem(file, message, _VARIABLES_REMEDY, line)
    if "link" not in names:
        remedy = "add {{ link }}: it is what the footer is for"
        yield problem(file, "the link is missing", remedy)


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node, but nothing below one that is not allowed: one problem is enough for it."""
    yield tree
    if isinstance(tree, _ALLOWED):
        for child in tree.iter_child_nodes():
            yield from _walk(child)
