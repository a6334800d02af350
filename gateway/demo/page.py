"""The demo's text for a terminal: what was sent, what arrived, what differs. Gives lines; prints nothing."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser

import click

from gateway.demo.difference import Section, differences, kept_lines
from gateway.demo.stage import Shown

WIDTH = 100
_LINK = re.compile(r"https://careerrelay\.example/r/[0-9a-z]{26}")


def rule(title: str = "") -> str:
    """A line across the page, with a title in it."""
    head = f"── {title} " if title else ""
    return click.style(head + "─" * (WIDTH - _columns(head)), dim=True)


def config_lines(text: str) -> Iterator[str]:
    """The config file, comments dimmed."""
    for line in text.splitlines():
        value, hash_sign, comment = line.partition("#")
        styled = click.style(value, bold=True) if value.startswith("[") else value
        yield "    " + styled + click.style(hash_sign + comment, dim=True)


def mail_lines(shown: Shown, number: int, count: int, *, brief: bool) -> Iterator[str]:
    """All about one mail."""
    links = [link for copy in shown.copies for link in links_in(shown.content, copy.content)]
    yield rule(f"{number} of {count}")
    yield click.style(f"  {_subject(shown.content)}", bold=True) + click.style(
        f"   {shown.sample.file}", dim=True
    )
    yield f"  {shown.sample.title}."
    yield f"  {shown.sample.sender} → {', '.join(shown.sample.recipients)}"
    yield _verdict(shown, links)
    yield f"  {shown.reply}   ({shown.seconds * 1000:.1f} ms, {len(shown.copies)} mail(s) at the next hop)"
    if brief:
        return
    seen = set[bool]()
    for copy in shown.copies:
        found = links_in(shown.content, copy.content)
        yield ""
        yield f"  ▸ for {', '.join(copy.recipients)}: {_sizes(shown.content, copy.content)}"
        if found and True in seen:
            yield f"      as above, with the link {click.style(found[0], fg='green')}"
            continue
        seen.add(bool(found))
        for section in differences(shown.content, copy.content):
            yield from _section_lines(section)


def links_in(before: bytes, after: bytes) -> list[str]:
    """Our links that are in the second mail and weren't in the first, wherever they stand; each once."""
    added = [
        line.text for section in differences(before, after) for line in section.lines if line.sign == "+"
    ]
    return list(dict.fromkeys(_LINK.findall("\n".join(added))))


def ending_lines(shown: Sequence[Shown]) -> Iterator[str]:
    """What it all came to."""
    copies = sum(len(mail.copies) for mail in shown)
    links = {link for mail in shown for copy in mail.copies for link in links_in(mail.content, copy.content)}
    linked = sum(is_linked(mail) for mail in shown)
    yield (
        f"  {len(shown)} mails in, {copies} out: {linked} with links ({len(links)} in all, one a candidate), "
        f"{len(shown) - linked} left as they came but for one Received: field."
    )


def is_linked(shown: Shown) -> bool:
    """Whether any copy of this mail got a link."""
    return any(links_in(shown.content, copy.content) for copy in shown.copies)


def _verdict(shown: Shown, links: Sequence[str]) -> str:
    reason = "".join(f"   {key}: {value}" for key, value in shown.verdict.items())
    if not links:
        return click.style("  ○ left as it came", fg="yellow") + reason
    what = "link added" if len(links) == 1 else f"{len(links)} links added, one for each candidate"
    return click.style(f"  ● {what}", fg="green", bold=True) + reason


def _sizes(before: bytes, after: bytes) -> str:
    kept, lines = kept_lines(before, after)
    same = "every line kept" if kept == lines else f"{kept} of {lines} lines kept"
    return f"{len(before)} octets in, {len(after)} out, {same}"


def _section_lines(section: Section) -> Iterator[str]:
    yield click.style(f"    {section.place}", fg="cyan")
    for line in section.lines:
        if line.sign == "gap":
            yield click.style("      ⋮", dim=True)
            continue
        text = _cut(line.text.replace("\t", "    "), WIDTH - 8)
        style = {"+": "green", "-": "red"}.get(line.sign)
        yield click.style(f"    {line.sign} {text}".rstrip(), fg=style, dim=style is None)


def _subject(content: bytes) -> str:
    return str(make_header(decode_header(BytesHeaderParser().parsebytes(content)["Subject"])))


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes: wide characters take two (Unicode UAX #11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _cut(text: str, columns: int) -> str:
    """The text, cut to so many columns. Control characters, of which ISO-2022-JP is full, become dots."""
    text = "".join(character if character.isprintable() else "·" for character in text)
    if _columns(text) <= columns:
        return text
    while _columns(text) >= columns:
        text = text[:-1]
    return text + "…"
