"""Text from outside, made fit for a column: bounded, and without what a database refuses.

PostgreSQL takes no NUL, neither database takes lone surrogates, and a hostile Message-ID may have a
megabyte. What is changed here is for people to read; nothing is matched by it.
"""

#: Enough for any honest path, Message-ID or reply; RFC 5322 §2.1.1 has 998 for a whole line.
TEXT_LIMIT = 1_000


def bounded(text: str) -> str:
    """`text` as a column can hold it: at most `TEXT_LIMIT` characters, NUL and surrogates shown escaped."""
    if len(text) <= TEXT_LIMIT and text.isascii() and "\0" not in text:
        return text
    cut = text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def all_bounded(*texts: str) -> tuple[str, ...]:
    """Each of them. Nearly always they fit as they are, and one look at all of them together says so."""
    together = "".join(texts)
    if len(together) <= TEXT_LIMIT and together.isascii() and "\0" not in together:
        return texts
    return tuple(map(bounded, texts))
