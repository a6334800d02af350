"""Where the footer stands in an HTML body.

Everything is spans of the source text. The tree that BeautifulSoup makes says which element begins the
quoted original, and its `sourceline` and `sourcepos` where that element's tag stands; the source is never
written from the tree. It is asked only where something in the source looks like a quote, since it takes
twenty times as long as the rest of an edit. The last real ``</body>`` is found in one pass over the tags.

The caller has made sure, with the linear tokenizer of `gateway.message`, that no tag, comment or quote is
left open.
"""

import re
import warnings
from bisect import bisect_left
from itertools import islice
from typing import Final

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, Tag
from bs4.exceptions import ParserRejectedMarkup

from gateway.errors import MailUnreadable
from gateway.footer.place import PLACEHOLDER_WORD, Placement, Spot, Where
from gateway.reason import Reason

# A comment, an element whose content is no markup, or a tag. No two ways to match, so it is linear.
_MARKUP: Final = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<raw>script|style|title|textarea|xmp|noembed|noframes|iframe)\b(?>(?:[^>\"']++|\"[^\"]*\"|'[^']*')*)>"
    r".*?(?:</(?P=raw)\s*+>|\Z)"
    r"|<(?P<close>/(?:body|html))\b[^>]*+>"
    r"|<(?:[a-z/!?])(?>(?:[^>\"']++|\"[^\"]*\"|'[^']*')*)>",
    re.IGNORECASE | re.DOTALL,
)
_BODY: Final = re.compile(r"<body\b(?>(?:[^>\"']++|\"[^\"]*\"|'[^']*')*)>", re.IGNORECASE)

# In lower case. Cheap and generous: only whether a tree is worth making.
_MAYBE_QUOTED: Final = (
    "blockquote", "gmail_", "appendonsend", "divrplyfwdmsg", "reference-message", "yahoo_quoted",
    "border-top", "protonmail_quote", "tutanota_quote", "zmail_extra", "moz-", "olk_src_body",
    "outlookmessageheader", "isforwardcontent", "isreplycontent",
)  # fmt: skip
_QUOTE_CLASSES: Final = frozenset({
    "gmail_quote", "gmail_quote_container", "yahoo_quoted", "protonmail_quote", "tutanota_quote",
    "zmail_extra", "moz-cite-prefix", "moz-forward-container",
})  # fmt: skip
# These open a quoted original that has no end: everything after them belongs to it.
_OPEN_IDS: Final = frozenset({
    "appendonsend", "divrplyfwdmsg", "mail-editor-reference-message-container", "olk_src_body_section",
})  # fmt: skip
_OPEN_CLASSES: Final = frozenset({"OutlookMessageHeader", "isForwardContent", "isReplyContent"})
_OUTLOOK_RULE: Final = re.compile(r"border-top\s*:\s*solid", re.IGNORECASE)
_OUTLOOK_FROM: Final = re.compile(r"\s*(?:From|差出人|送信者|Von|De|Da|Van|发件人|寄件者|보낸 사람)\s*[:：]")
_SIGNATURE_CLASSES: Final = frozenset({"moz-signature", "gmail_signature"})
_NO_WRAPPER: Final = frozenset({"body", "html", "[document]", "td", "th", "li"})
# The tags that open right before a place: a footer stands before them, not inside.
_OPENING_TAGS: Final = re.compile(
    r"(?:<(?:div|p|span|font|b|strong|i|em|blockquote|pre|center|hr)\b[^<>]{0,400}>\s{0,200})+\Z",
    re.IGNORECASE,
)
_WINDOW: Final = 2000
_NEAR: Final = 40


def html_spot(decoded: str, new_end: int, where: Where, *, quoted: bool, newline: str) -> Spot:
    """The place in an HTML body.

    `new_end` is what the reader of the text found: where a quoted original begins (`quoted`), else the
    first end of the body. Raises `MailUnreadable` where the parser gives up.
    """
    if where is Where.AUTO:
        found = html_placeholders(decoded)
        if found:
            (start, end), *rest = found[0]
            removed = (*rest, *(span for pieces in found[1:] for span in pieces))
            return Spot(
                start=start, end=end, how=Placement.PLACEHOLDER, lead=newline, trail=newline, removed=removed
            )
    if where is Where.TOP:
        at = _body_start(decoded)
        how = Placement.TOP
    else:
        lower = decoded.lower()
        if len(lower) != len(decoded):
            lower = decoded  # a letter whose small form is two: positions would not agree
        quote = None if where is Where.END else quote_start(decoded, lower, new_end if quoted else None)
        at = body_end(decoded, lower, None if quoted else new_end) if quote is None else quote
        how = Placement.BEFORE_QUOTE if quote is not None else Placement.AFTER_TEXT
        if where is Where.END:
            how = Placement.END
    lead = newline if at and decoded[at - 1] != "\n" else ""
    trail = "" if at == len(decoded) and decoded[-1:] != "\n" else newline
    return Spot(start=at, end=at, how=how, lead=lead, trail=trail)


def body_end(decoded: str, lower: str, first: int | None = None) -> int:
    """Before the last real ``</body>``, else the last real ``</html>``, else the end.

    `lower` is `decoded` in small letters; `first` a real end of the body, if one is known.
    """
    if "</" not in decoded:
        return len(decoded)
    if first is not None and lower.startswith("</body", first) and lower.find("</body", first + 1) < 0:
        return first
    ends = {"/body": len(decoded), "/html": len(decoded)}
    for found in _MARKUP.finditer(decoded):
        name = found["close"]
        if name is not None:
            ends[name.lower()] = found.start()
    return ends["/body"] if ends["/body"] < len(decoded) else ends["/html"]


def _body_start(decoded: str) -> int:
    """After the first real ``<body>``, or the beginning of a fragment."""
    for found in _MARKUP.finditer(decoded):
        if _BODY.fullmatch(found[0]):
            return found.end()
    return 1 if decoded.startswith("\ufeff") else 0


def quote_start(decoded: str, lower: str, quoted_from: int | None) -> int | None:
    """Where the quoted original begins after which nothing new is written; None if there is none.

    `quoted_from` is where the reading of the text saw it begin, which knows the words that mail programs
    put above a quote and not only their markup: the earlier of the two counts.
    """
    at = None
    if any(mark in lower for mark in _MAYBE_QUOTED):
        found = _quote_element(_parse(decoded))
        at = None if found is None else _offset(decoded, found)
    if quoted_from is not None and quoted_from < (body_end(decoded, lower) if at is None else at):
        opening = _OPENING_TAGS.search(decoded, max(0, quoted_from - _WINDOW), quoted_from)
        at = quoted_from if opening is None else opening.start()
    return at


def _parse(decoded: str) -> BeautifulSoup:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XHTML read as HTML is what every mail program does
            return BeautifulSoup(decoded, "html.parser")
    except (ParserRejectedMarkup, AssertionError, RecursionError) as error:
        raise MailUnreadable(Reason.HTML_DEFECT, str(error)) from error


def _offset(decoded: str, tag: Tag) -> int:
    """The position of a tag in the source."""
    if tag.sourceline is None or tag.sourcepos is None:
        raise MailUnreadable(Reason.HTML_DEFECT, f"<{tag.name}> has no place")
    at = 0
    for _ in range(tag.sourceline - 1):
        at = decoded.index("\n", at) + 1
    return at + tag.sourcepos


def _quote_element(soup: BeautifulSoup) -> Tag | None:
    """The element before which newly written text ends for good."""
    quote: Tag | None = None
    node: PageElement | None = soup.contents[0] if soup.contents else None
    while node is not None:
        if isinstance(node, Tag):
            if _opens_quote(node):
                return quote or _with_rule(node)
            if _is_quote(node):
                quote = quote or node
                node = _after(node)
                continue
            if _SIGNATURE_CLASSES.intersection(_classes(node)):
                node = _after(node)
                continue
        elif quote is not None and type(node) is NavigableString and node.strip():
            quote = None  # something new is written after it
        node = node.next_element
    return quote


def _after(tag: Tag) -> PageElement | None:
    """The first element past the end of `tag`."""
    node: PageElement | None = tag
    while node is not None:
        if node.next_sibling is not None:
            return node.next_sibling
        node = node.parent
    return None


def _classes(tag: Tag) -> list[str]:
    value = tag.get("class")
    return value if isinstance(value, list) else []


def _is_quote(tag: Tag) -> bool:
    if tag.name == "blockquote" and str(tag.get("type", "")).lower() == "cite":
        return True
    return bool(_QUOTE_CLASSES.intersection(_classes(tag)))


def _opens_quote(tag: Tag) -> bool:
    identity = tag.get("id")
    if isinstance(identity, str) and identity.lower() in _OPEN_IDS:
        return True
    if _OPEN_CLASSES.intersection(_classes(tag)):
        return True
    if tag.name != "div" or not _OUTLOOK_RULE.search(str(tag.get("style", ""))):
        return False
    # Outlook's block above the original: a rule on top, and the first thing in it is "From:".
    text = ""
    for node in islice(tag.next_elements, _NEAR):
        if type(node) is NavigableString:
            text += node[:_NEAR]
    return _OUTLOOK_FROM.match(text) is not None


def _with_rule(tag: Tag) -> Tag:
    """The wrapper that `tag` is the first thing in, or the <hr> right before it."""
    while True:
        before = tag.previous_sibling
        while type(before) is NavigableString and not before.strip():
            before = before.previous_sibling
        if isinstance(before, Tag) and before.name == "hr":
            return before
        parent = tag.parent
        if before is not None or parent is None or parent.name in _NO_WRAPPER:
            return tag
        tag = parent


# --- placeholders ----------------------------------------------------------------------------------------

# Editors put tags and invisible characters into the middle of what people type.
_GAP: Final = r"(?>(?:<[a-z/!][^<>]{0,500}>|&nbsp;|&#160;|&#8203;|&zwnj;|[\s\u200b\u2060\ufeff])*)"
_OPENING: Final = r"(?:\{|&#123;|&#x7b;|&lcub;|&lbrace;)"
_CLOSING: Final = r"(?:\}|&#125;|&#x7d;|&rcub;|&rbrace;)"
_HTML_PLACEHOLDER: Final = re.compile(
    _GAP.join([_OPENING, _OPENING, *PLACEHOLDER_WORD, _CLOSING, _CLOSING]), re.IGNORECASE
)
_TAG: Final = re.compile(r"<[a-z/!][^<>]{0,500}>", re.IGNORECASE)


def html_placeholders(decoded: str) -> list[list[tuple[int, int]]]:
    """All placeholders in the visible text, each as the runs between the tags that cut it up."""
    if "{" not in decoded and "&" not in decoded:
        return []
    found = [match.span() for match in _HTML_PLACEHOLDER.finditer(decoded)]
    if not found:
        return []
    markup = [match.span() for match in _MARKUP.finditer(decoded)]
    starts = [start for start, _ in markup]
    placeholders = []
    for start, end in found:
        before = bisect_left(starts, start) - 1
        if before >= 0 and markup[before][1] > start:
            continue  # in an attribute, a comment or a script: nobody reads it
        runs = []
        at = start
        for tag in _TAG.finditer(decoded, start, end):
            if tag.start() > at:
                runs.append((at, tag.start()))
            at = tag.end()
        runs.append((at, end))
        placeholders.append(runs)
    return placeholders
