"""What a footer says in one copy, without rendering its template for each.

The copies of a mail, and nearly all mails of a company, differ in their two links and in nothing else. So a
template is rendered once for each company and partner with marks in the links' places, and a copy only puts
its links there. This holds for templates that write the links and do nothing else with them
(`writes_links`); any other is rendered for each copy. That both ways give the same is tried whenever such a
form is made, and where they do not, the template is rendered.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from jinja2 import Template, nodes
from markupsafe import escape

from gateway.errors import MailUnreadable
from gateway.footer.values import SAMPLE, VARIABLES, FooterValues
from gateway.reason import Reason

# No name and no link can hold these (`FooterValues`), and to no filter and no `strip` are they white space.
_LINK: Final = "\x00"
_OPT_OUT: Final = "\x01"
# One installation has a few companies and a few footers.
_REMEMBERED: Final = 256


def context(values: FooterValues) -> dict[str, str]:
    """The variables of a template."""
    return {key: getattr(values, key) for key in VARIABLES}


def writes_links(tree: nodes.Template) -> bool:
    """Whether the links stand in a template as ``{{ link }}`` and ``{{ opt_out }}`` and in no other way."""
    written = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
    return all(id(name) in written for name in tree.find_all(nodes.Name) if name.name in {"link", "opt_out"})


def render(template: Template, values: FooterValues, *, language: str, links_only: bool) -> str:
    """A footer in a language (BCP 47): no blank lines around it; in plain text no blanks at lines' ends.

    `links_only` says that `writes_links` holds for the template. Raises `MailUnreadable` if it fails, which
    loading it has ruled out as far as can be.
    """
    try:
        if values.company_en or values.partner_en:
            values = values.named_in(language)
        form = _form(template, values.company, values.partner) if links_only else None
        return _rendered(template, context(values)) if form is None else _filled(form, template, values)
    except Exception as error:  # whatever a template does, the mail gets through (promise 1)
        raise MailUnreadable(Reason.INTERNAL_FAULT, f"footer {template.name}: {error}") from error


@lru_cache(maxsize=_REMEMBERED)
def _form(template: Template, company: str, partner: str) -> str | None:
    """The footer with marks in the links' places; None where that would not be what rendering gives."""
    names = {"company": company, "partner": partner}
    form = _rendered(template, {"link": _LINK, "opt_out": _OPT_OUT, **names})
    real = _rendered(template, context(SAMPLE) | names)
    return form if _filled(form, template, SAMPLE) == real else None


def _filled(form: str, template: Template, values: FooterValues) -> str:
    link, opt_out = values.link, values.opt_out
    if template.environment.autoescape:
        link, opt_out = str(escape(link)), str(escape(opt_out))
    return form.replace(_LINK, link).replace(_OPT_OUT, opt_out)


def _rendered(template: Template, variables: Mapping[str, str]) -> str:
    text = template.render(variables)
    if template.environment.autoescape:
        return text.strip()
    # A blank at a line's end would make format=flowed join it with the next (RFC 3676 §4.2).
    return "\n".join(map(str.rstrip, text.split("\n"))).strip("\n")
