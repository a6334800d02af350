"""The line of a key in a TOML file, for error messages.

tomllib tells no lines. This finds the line of the innermost part of a key path that has a line of its own:
section headers and ``key =`` at the start of a line. What it cannot find (inside inline tables, say) gets the
section's line or none; a problem without a line is still a problem.
"""

import re

_HEADER = re.compile(r"^[ \t]*\[(\[?)[ \t]*([^\]\r\n]+?)[ \t]*\]")
_KEY = re.compile(r"""^[ \t]*("[^"\r\n]*"|'[^'\r\n]*'|[A-Za-z0-9_-]+)[ \t]*[.=]""")
_STEP = re.compile(r"""\[(\d+)\]|"((?:[^"\\]|\\.)*)"|([^.\["]+)""")


def find_line(text: str, key: str) -> int | None:
    """The line (from 1) of `key` (``listen[0].port``) in `text`, or that of its section; None for neither."""
    wanted = [(int(index) if index else (quoted or plain)) for index, quoted, plain in _STEP.findall(key)]
    section: list[str | int] = []
    counts: dict[str, int] = {}
    best: tuple[int, int] | None = None  # how many steps of the path fit, and where
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            section = [part.strip().strip("\"'") for part in header[2].split(".")]
            if header[1]:
                index = counts.get(header[2], 0)
                counts[header[2]] = index + 1
                section.append(index)
            path = section
        else:
            name = _KEY.match(line)
            if name is None:
                continue
            path = [*section, name[1].strip("\"'")]
        if path == wanted[: len(path)] and path and (best is None or len(path) > best[0]):
            best = (len(path), number)
    return None if best is None else best[1]
