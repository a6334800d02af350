"""What a footer may say: the values of one copy, valid once made.

Everything here ends up in somebody's mail, so each value is checked where it is made and never again:
URLs are printable ASCII without blanks, quotes or angle brackets (in plain text a mail program has to
find the end of a link by itself), names are one line without control characters.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

MAX_URL = 400
"""Octets in a link: twice, as target and as text, it fits into a line of 998 octets (RFC 5322 §2.1.1)."""
MAX_NAME = 80
"""Characters in a name: 240 octets of UTF-8 at most for Japanese."""

_LINK = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.ASCII)
_OPT_OUT = re.compile(r"(?:https?://|mailto:)[!#-;=?-\[\]_a-z~]+", re.ASCII)
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class FooterValues:
    """The values of one copy: whole URLs, and names that may be empty (the footer then says "our company").

    `company_en` and `partner_en` are what English footers call the two, where that is something else.

    Raises `ValueError` for a value that may not stand in a mail.
    """

    link: str
    opt_out: str
    company: str = ""
    partner: str = ""
    company_en: str = ""
    partner_en: str = ""

    def __post_init__(self) -> None:
        if len(self.link) > MAX_URL or _LINK.fullmatch(self.link) is None:
            raise ValueError(
                f"link is no http(s) URL of {MAX_URL} printable octets at most: {self.link[:80]!r}"
            )
        if len(self.opt_out) > MAX_URL or _OPT_OUT.fullmatch(self.opt_out) is None:
            what = f"no http(s) or mailto URL of {MAX_URL} printable octets at most"
            raise ValueError(f"opt_out is {what}: {self.opt_out[:80]!r}")
        _check_names(self.company, self.partner, self.company_en, self.partner_en)

    def named_in(self, language: str) -> Self:
        """The values with the names that a footer in this language (BCP 47) uses."""
        if language.lower().partition("-")[0] != "en":
            return self
        return replace(self, company=self.company_en or self.company, partner=self.partner_en or self.partner)


@lru_cache(maxsize=256)  # one installation has a few companies, and each copy of a mail says their names
def _check_names(company: str, partner: str, company_en: str, partner_en: str) -> None:
    names = {"company": company, "partner": partner, "company_en": company_en, "partner_en": partner_en}
    for key, name in names.items():
        if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
            raise ValueError(f"{key} is not one line of {MAX_NAME} characters at most: {name[:80]!r}")


VARIABLES = ("link", "opt_out", "company", "partner")
"""What a template may name, in the order in which the documentation lists it."""

SAMPLE = FooterValues(
    link="https://careerrelay.example/r/00000000000000000000000000",
    opt_out="https://careerrelay.example/o/00000000000000000000000000",
    company="株式会社サンプル",
    partner="サンプル人材紹介",
    company_en="Sample K.K.",
    partner_en="Sample Recruiting",
)
"""For previews and for checking templates."""
