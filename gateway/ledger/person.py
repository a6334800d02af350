"""Who is one person, as far as a mail address tells: one form of an address for matching, and its keyed hash.

The form, step by step, so that a partner can compute the same (CREDIT.md, "Registrations"):

1. Characters that can't be seen (general category Cf) are dropped. Unicode NFKC (full-width letters and
   signs become plain ones), then lower case, then NFKC again. White space around the address and around
   its ``@`` is dropped.
2. What stands behind the last ``@`` is the domain: ``。`` counts as a dot, a final dot goes, each label with
   letters outside ASCII becomes its A-label (IDNA 2003; RFC 3490 §4.1). A label that has none stays as it is.
3. A quoted local part loses its quotes and backslashes where it says the same without (RFC 5321 §4.1.2).
4. Where the provider says that spellings are one mailbox (`gateway.ledger.providers`), its rules apply to
   local parts without blanks and quotes: characters that it ignores go, what follows its tag character
   goes with it, its domains become one. Nothing is taken off where nothing would be left.

Anything is accepted: what is no address keeps its text, folded. The time is linear in the length, and
what is longer than any path of SMTP is cut off.
"""

import re
import unicodedata

from gateway.keyed import keyed_hash
from gateway.ledger.providers import PROVIDERS

#: Longer than any path that `gateway.smtp.address` lets in.
_MAX_ADDRESS = 2_048
#: RFC 1035 §2.3.4; longer labels have no A-label, and are not worth trying.
_MAX_LABEL = 63
# What is neither blank nor quoted nor in need of folding: nearly every address there is.
_PLAIN = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9._-]*[a-z0-9_-]", re.ASCII)
_ATOM = re.compile(r"[^\s\"(),:;<>@\[\]\\\x00-\x1f\x7f]+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def normalise_address(address: str) -> str:
    """The form of `address` (local@domain, no angle brackets) in which it is compared. Never raises."""
    folded = (
        address
        if _PLAIN.fullmatch(address) and len(address) <= _MAX_ADDRESS
        else _fold(address[:_MAX_ADDRESS])
    )
    local, at, domain = folded.rpartition("@")
    if not at:
        return folded
    provider = PROVIDERS.get(domain)
    if provider is None or not _ATOM.fullmatch(local):
        return folded
    if provider.tag:
        local = local.partition(provider.tag)[0] or local
    for character in provider.ignored:
        local = local.replace(character, "") or local
    return f"{local}@{provider.domain}"


def person_hash(key: bytes, address: str) -> bytes:
    """HMAC-SHA256 (32 octets) of the normalised address in UTF-8.

    What the ledger knows a person by (promise 8).
    """
    return keyed_hash(key, normalise_address(address).encode("utf-8", "backslashreplace"))


def _fold(text: str) -> str:
    seen = "".join([character for character in text if unicodedata.category(character) != "Cf"])
    lowered = unicodedata.normalize("NFKC", seen).lower()
    visible = unicodedata.normalize("NFKC", lowered).strip()
    local, at, domain = visible.rpartition("@")
    if not at:
        return visible
    domain = domain.strip().replace("。", ".").rstrip(".")
    return f"{_unquoted(local.strip())}@{'.'.join(map(_a_label, domain.split('.')))}"


def _a_label(label: str) -> str:
    if label.isascii() or len(label) > _MAX_LABEL:
        return label
    try:
        return label.encode("idna").decode("ascii")
    except UnicodeError:
        return label


def _unquoted(local: str) -> str:
    if len(local) < 3 or local[0] != '"' or local[-1] != '"':
        return local
    content = _ESCAPED.sub(r"\1", local[1:-1])
    return content if _ATOM.fullmatch(content) else local
