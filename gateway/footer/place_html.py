"""Where the footer stands in an HTML body.

Everything is spans of the source text. The tree that BeautifulSoup makes says which element begins the quoted
original, and its `sourceline` and `sourcepos` where that element's tag stands; the source is never written from
the tree. It is asked only where something in the source looks like a quote, since it takes twenty times as long as
the rest of an edit. The last real ``</body>`` is found in one pass over the tags.

The caller has made sure, with the linear tokenizer of `gateway.message`, that no tag, comment or quote is left open.
"""

import re
import warnings
from bisect import bisect_left
from itertools import islice
from typing import Final

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag
from bs4.exceptions import ParserRejectedMarkup

from gateway.errors import MailUnreadable
from gateway.footer.place import PLACEHOLDER_WORD, Placement, Spot, Where
from gateway.reason import Reason

# A comment (conditional ones too), an element whose content is no markup, or a tag. Linear: no two ways to match.
_MARKUP: Final = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<raw>script|style|title|textarea|xmp|noembed|noframes|iframe)\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*+>"
    r".*?(?:</(?P=raw)\s*+>|\Z)"
    r"|<(?P<close>/(?:body|html))\b[^>]*+>"
    r"|<(?:[a-z/!?])(?:[^>\"']|\"[^\"]*\"|'[^']*')*+>",
    re.IGNORECASE | re.DOTALL,
)
_BODY: Final = re.compile(r"<body\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*+>", re.IGNORECASE)

# Cheap and generous: only whether a tree is worth making.
_MAYBE_QUOTED: Final = re.compile(
    r"blockquote|gmail_(?:quote|extra)|appendonsend|divRplyFwdMsg|reference-message|yahoo_quoted|protonmail_quote"
    r"|tutanota_quote|zmail_extra|moz-(?:cite|forward)|OLK_SRC_BODY|OutlookMessageHeader|border-top\s*:\s*solid"
    r"|isForwardContent|isReplyContent",
    re.IGNORECASE,
)
_QUOTE_CLASSES: Final = frozenset({
    "gmail_quote", "gmail_quote_container", "yahoo_quoted", "protonmail_quote", "tutanota_quote", "zmail_extra",
    "moz-cite-prefix", "moz-forward-container",
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
_NO_FOOTER_IN: Final = frozenset({"table", "tbody", "thead", "tfoot", "tr", "ul", "ol", "dl", "select", "head"})


def html_spot(decoded: str, new_end: int | None, where: Where, *, newline: str) -> Spot:
    """The place in an HTML body. `new_end`: where its newly written text ends, if that is known otherwise.

    Raises `MailUnreadable` where the parser gives up.
    """
    if where is Where.AUTO and PLACEHOLDER_WORD in decoded.lower():
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
        quote = None if where is Where.END else quote_start(decoded, new_end)
        at = body_end(decoded) if quote is None else quote
        how = Placement.BEFORE_QUOTE if quote is not None else Placement.AFTER_TEXT
        if where is Where.END:
            how = Placement.END
    lead = newline if at and decoded[at - 1] != "\n" else ""
    trail = "" if at == len(decoded) and decoded[-1:] != "\n" else newline
    return Spot(start=at, end=at, how=how, lead=lead, trail=trail)


def body_end(decoded: str) -> int:
    """Before the last real ``</body>``, else the last real ``</html>``, else the end."""
    if "</" not in decoded:
        return len(decoded)
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


def quote_start(decoded: str, new_end: int | None) -> int | None:
    """Where the quoted original begins after which nothing new is written; None if there is none."""
    if _MAYBE_QUOTED.search(decoded) is None and (new_end is None or not decoded[new_end:].strip()):
        return None
    soup = _parse(decoded)
    found = _quote_element(soup)
    lines: list[int] = []
    at = None if found is None else _offset(decoded, lines, found)
    if new_end is not None and new_end < (body_end(decoded) if at is None else at):
        return _next_block(decoded, lines, soup, new_end, at)
    return at


def _parse(decoded: str) -> BeautifulSoup:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XHTML read as HTML is what every mail program does
            return BeautifulSoup(decoded, "html.parser")
    except (ParserRejectedMarkup, AssertionError, RecursionError) as error:
        raise MailUnreadable(Reason.HTML_DEFECT, str(error)) from error


def _offset(decoded: str, lines: list[int], tag: Tag) -> int:
    """The position of a tag in the source. `lines` is filled once with where each line begins."""
    if not lines:
        lines.append(0)
        at = decoded.find("\n")
        while at >= 0:
            lines.append(at + 1)
            at = decoded.find("\n", at + 1)
    if tag.sourceline is None or tag.sourcepos is None:
        raise MailUnreadable(Reason.HTML_DEFECT, f"<{tag.name}> has no place")
    return lines[tag.sourceline - 1] + tag.sourcepos


def _quote_element(soup: BeautifulSoup) -> Tag | None:
    """The element before which newly written text ends for good."""
    quote: Tag | None = None
    node: PageElement | None = soup.next_element
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
    text = "".join(islice(tag.strings, 12))
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


def _next_block(decoded: str, lines: list[int], soup: BeautifulSoup, new_end: int, limit: int | None) -> int | None:
    """The first tag from `new_end` on that a footer can stand before; `limit` if there is none before that."""
    for tag in soup.find_all(["div", "p", "blockquote", "hr", "pre", "br", "span", "table"]):
        at = _offset(decoded, lines, tag)
        if limit is not None and at >= limit:
            return limit
        if at >= new_end and (tag.parent is None or tag.parent.name not in _NO_FOOTER_IN):
            return at
    return limit


# --- placeholders ----------------------------------------------------------------------------------------

# Editors put tags and invisible characters into the middle of what people type.
_GAP: Final = r"(?:<[a-z/!][^<>]{0,500}>|&nbsp;|&#160;|&#8203;|&zwnj;|[\s\u200b\u2060\ufeff])*+"
_OPENING: Final = r"(?:\{|&#123;|&#x7b;|&lcub;|&lbrace;)"
_CLOSING: Final = r"(?:\}|&#125;|&#x7d;|&rcub;|&rbrace;)"
_HTML_PLACEHOLDER: Final = re.compile(
    _GAP.join([_OPENING, _OPENING, *PLACEHOLDER_WORD, _CLOSING, _CLOSING]), re.IGNORECASE
)
_TAG: Final = re.compile(r"<[a-z/!][^<>]{0,500}>", re.IGNORECASE)


def html_placeholders(decoded: str) -> list[list[tuple[int, int]]]:
    """All placeholders in the visible text, each as the runs between the tags that cut it up."""
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
