"""Command lines: octets to verb and argument (RFC 5321 §2.4, §4.1.1)."""

import re
from typing import NamedTuple

#: RFC 5321 §4.5.3.1.4 says 512, each extension adds to it (SMTPUTF8, DSN, AUTH); what is past this is
#: refused, not held.
MAX_COMMAND = 4_096

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Command(NamedTuple):
    """One command: the verb in upper case, and what follows the first blank."""

    verb: bytes
    argument: bytes


def parse_command(line: bytes) -> Command | None:
    """Read one line (without its CRLF). None where it cannot be a command.

    A control character anywhere, a bare CR or LF among them, makes the whole line void: nothing of it may
    reach the next hop. Octets above 127 are let pass in the argument; whoever reads it decides.
    """
    verb, _, argument = line.partition(b" ")
    if not verb.isalpha() or _CONTROL.search(line):
        return None
    return Command(verb.upper(), argument.strip(b" \t"))
