"""The few pages that readers see: made once, in each language, as the octets that go out.

Nothing of a request is ever in a page, and nothing is fetched by one: no script, no font, no image. The
policy says so to the browser (`CONTENT_POLICY`), with the hash of the one style sheet.
"""

import base64
import hashlib
import tomllib
from collections.abc import Mapping
from enum import Enum
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from gateway.web.language import LANGUAGES


class Page(Enum):
    """Its name in the texts, and the status that it comes with."""

    UNKNOWN = ("unknown", 404)
    EXPIRED = ("expired", 410)
    OPT_OUT = ("opt_out", 200)
    OPTED_OUT = ("opted_out", 200)
    BUSY = ("busy", 429)
    LATER = ("later", 503)
    MISSING = ("missing", 404)

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.value[1]


def _read(name: str) -> str:
    return (resources.files("gateway.web") / "templates" / name).read_text("utf-8")


_STYLE = _read("page.css").strip()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

#: For the Content-Security-Policy field of every answer.
CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

Pages = Mapping[tuple[Page, str], bytes]


def make_pages(company: str) -> Pages:
    """All pages in all languages, from this company (empty: from nobody in particular)."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    template = environment.from_string(_read("page.html"))
    made: dict[tuple[Page, str], bytes] = {}
    for language in LANGUAGES:
        texts: dict[str, dict[str, Any]] = tomllib.loads(_read(f"{language}.toml"))
        for page in Page:
            content = {"button": "", **texts[page.value[0]]}
            # Ours, and hashed as it stands: escaping would change it.
            style = Markup(_STYLE)  # noqa: S704
            text = template.render(language=language, company=company, style=style, **content)
            made[page, language] = text.encode("utf-8")
    return made
