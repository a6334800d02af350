"""Which of our languages a reader wants (RFC 9110 §12.5.4)."""

import re

LANGUAGES = ("ja", "en")
#: For those who say nothing: the mail that they come from was most likely Japanese.
SILENT = "ja"
#: For those who want something that we don't speak.
OTHER = "en"

_RANGE = re.compile(r"\s*([A-Za-z*]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?))?\s*")
_MAX_FIELD = 512


def pick_language(accept_language: str) -> str:
    """One of `LANGUAGES`. Anything is accepted."""
    best, weight = "", 0.0
    for part in accept_language[:_MAX_FIELD].split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        language, quality = found[1].lower(), float(found[2]) if found[2] else 1.0
        if language in LANGUAGES and quality > weight:
            best, weight = language, quality
    if best:
        return best
    return OTHER if accept_language.strip() not in ("", "*") else SILENT
