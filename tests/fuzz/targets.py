"""What is fuzzed, and what must hold for any octets at all: `scripts/fuzz.py` runs these under atheris.

Each target takes octets, of which the first ones choose options, and raises where a promise is broken:
nothing but their own errors comes out of the functions under test, and nothing takes more time than the
size of the input pays for. They return what became of the input, so that a test can hold that the seeds
reach the places that matter.
"""

import email
import email.policy
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from gateway.errors import MailUnreadable
from gateway.footer.check import check_edit
from gateway.footer.compose import FooterPlan, prepare, prepare_removal
from gateway.footer.place import Placement, Where
from gateway.footer.values import SAMPLE
from gateway.message.agree import agrees_with_standard_library
from gateway.message.exempt import exemption
from gateway.message.identity import mail_key
from gateway.message.scan import Message, scan
from gateway.message.splice import join, splice, undo
from gateway.message.text import read_text
from gateway.message.trace import count_marks, count_received, has_own_id
from gateway.reason import Reason
from gateway.smtp.address import PathError, parse_path
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.command import MAX_COMMAND, parse_command
from gateway.smtp.content import END, ContentReader, Unstuffer, stuff, unstuff
from gateway.smtp.parameters import ParameterError, Parameters
from gateway.smtp.reply import MAX_LINE, MAX_OCTETS, Reply, ReplyError, ReplyReader
from tests.unit.footer.mails import EN, ENGLISH, JA
from tests.unit.message.samples import MAILS

ROOT = Path(__file__).resolve().parents[2]
KEY = b"0123456789abcdef"
Target = Callable[[bytes], str]

START_SECONDS = 1.0
BYTE_SECONDS = 40e-6
"""What an input may cost: a start, and so much an octet. Under atheris everything takes some five times as
long as outside; what is quadratic needs minutes at the sizes that `pumped` makes."""
PUMPED = 48 * 1024
SEED_LIMIT = 12 * 1024


class BrokenPromiseError(AssertionError):
    """Something came out of the code under test that its documentation rules out."""


def promise(held: object, what: str) -> None:
    """Raise where a promise is broken; unlike `assert` in every mode of Python."""
    if not held:
        raise BrokenPromiseError(what)


def bounded(target: Target, data: bytes) -> str:
    """Run `target` and hold it to the time that the size of `data` pays for.

    Processor time, and the best of three: other programs on the machine must not count.
    """
    allowed = START_SECONDS + BYTE_SECONDS * len(data)
    outcome, took = "", 0.0
    for _ in range(3):
        begun = time.process_time()
        outcome = target(data)
        took = time.process_time() - begun
        if took <= allowed:
            return outcome
    raise BrokenPromiseError(f"{len(data)} octets took {took:.1f} s, allowed are {allowed:.1f} s")


# --- a mail ----------------------------------------------------------------------------------------------


def mail(data: bytes) -> str:
    """One octet of options, then a mail: what the transaction does with it, and what must hold after."""
    return bounded(_mail, data)


def pumped(data: bytes) -> str:
    """Three octets that say which span of the rest is repeated until the whole is `PUMPED` octets long.

    Whatever is quadratic in anything that can be said in a mail shows here.
    """
    if len(data) < 5:
        return "short"
    size = len(data) - 4
    start, length = data[0] * size // 256, 1 + data[1] * data[1] * size // 65_536
    head, unit, tail = data[4:][:start], data[4:][start : start + length], data[4:][start + length :]
    times = (PUMPED - size) // max(1, len(unit))
    if not unit or times < 2:
        return "short"
    # One half repeated and the other once more behind it: openings without their ends, too.
    cut = len(unit) * data[2] // 256
    inner = unit * times if data[2] % 4 else unit[:cut] * (times // 2) + unit[cut:] * (times // 2)
    return bounded(_mail, data[3:4] + head + inner + tail)


def _mail(data: bytes) -> str:
    options, raw = data[:1] or b"\0", data[1:]
    choice = options[0]
    message = scan(raw, complete=choice & 0x30 != 0x30)
    text = read_text(message)
    exemption(message, null_sender=bool(choice & 0x40))
    mail_key(message, text, reverse_path=b"hr@example.co.jp", key=KEY)
    count_received(message)
    count_marks(message, KEY)
    has_own_id(message, KEY)
    agrees = agrees_with_standard_library(message)
    try:
        if choice & 0x80:
            plan = prepare_removal(message, text)
            values = None
            if plan is None:
                return "nothing to remove"
        else:
            where = (Where.AUTO, Where.END, Where.TOP, Where.AUTO)[choice & 3]
            plan = prepare(message, text, EN if choice & 4 else JA, where=where)
            values = ENGLISH if choice & 8 else SAMPLE
        runs = plan.runs(values)
        edits = plan.edits(runs)
    except MailUnreadable as error:
        promise(error.reason is not Reason.CHECK_FAILED, "only the check fails the check")
        return error.reason
    edited = join(raw, splice(raw, edits))
    promise(undo(edited, edits, raw) == raw, "undoing the edits gives back the mail")
    try:
        check_edit(plan, runs, edits, edited)
    except MailUnreadable as error:
        # The original goes out, as it should. But where nobody reads the mail in two ways, it is a fault.
        promise(not agrees or _is_odd(plan), f"an edit that fails the check: {error}")
        return error.reason
    after = scan(edited)
    promise(_others(message, plan.parts) == _others(after, plan.parts), "no other leaf has changed")
    if agrees and values is not None:
        promise(agrees_with_standard_library(after), "two readers that agreed still do")
        _read_by_another(edited, sum(target.spot.how is not Placement.REMOVED for target in plan.targets))
    return "edited"


def _is_odd(plan: FooterPlan) -> bool:
    """Whether a body is not what its charset would write: its places are a guess, for the check to judge."""
    return any(
        target.script is None or target.script.write(target.decoded) != target.payload
        for target in plan.targets
    )


def _others(message: Message, edited: tuple[int, ...]) -> list[bytes]:
    """The octets of every leaf that gets no footer."""
    return [
        bytes(message.data[part.body[0] : part.body[1]])
        for part in message.parts
        if part.leaf is not None and part.leaf not in edited
    ]


def _read_by_another(edited: bytes, leaves: int) -> None:
    """Python's `email` finds the link in at least so many leaves as are said to have it."""
    parsed = email.message_from_bytes(edited, policy=email.policy.compat32)
    payloads = [part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()]
    flat = [payload.replace(b"\0", b"") for payload in payloads if isinstance(payload, bytes)]
    # Of UTF-16 the zeros are left out above; UTF-7 writes some of the link's signs in another way.
    found = sum(SAMPLE.link.encode() in payload or b"careerrelay" in payload for payload in flat)
    promise(found >= leaves, f"the link is in {found} leaves and not in {leaves}")


# --- SMTP ------------------------------------------------------------------------------------------------


def content(data: bytes) -> str:
    """Two octets for the cuts, then a stream: the same mail comes of it however it is cut."""
    stream = data[2:]
    end = (b"\r\n" + stream).find(END)
    reader = ContentReader()
    unstuffer = Unstuffer()
    segments, rests, plain = [], [], []
    for piece in _cut(stream, data[:2]):
        segment, rest = reader.feed(piece)
        promise(not rest or reader.done, "nothing is behind the end before the end")
        segments.append(segment)
        rests.append(rest)
        plain.append(unstuffer(segment))
    given = b"".join(segments)
    promise(reader.done == (end >= 0), "the end is CRLF . CRLF and nothing else")
    promise(reader.octets >= len(given) - given.count(b"\r\n."), "octets are counted")
    if not reader.done:
        return "open"
    promise(b"".join(rests) == stream[end + 3 :], "what is behind the end is all given back")
    wanted, bare = _reference(stream[: max(0, end)])
    promise(unstuff(given) == wanted, "unstuffed it is what was sent")
    promise(b"".join(plain) == wanted, "and segment by segment, too")
    promise(reader.bare == bare, "bare line ends are told")
    again = b"".join(stuff(_cut(wanted, data[:2])))
    promise(END not in b"\r\n" + again, "no end inside")
    promise(ContentReader().feed(again + b".\r\n")[0] == again, "what is stuffed reads the same again")
    promise(unstuff(again) == wanted, "stuffing can be undone")
    return "bare" if bare else "content"


def _reference(sent: bytes) -> tuple[bytes, bool]:
    """Content without dots and bare line ends, told plainly; `sent` ends with CRLF or is empty."""
    lines = sent.split(b"\r\n")
    plain = b"\r\n".join(line.removeprefix(b".") for line in lines)
    bare = any(b"\r" in line or b"\n" in line for line in lines)
    mended = plain.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return mended, bare


def replies(data: bytes) -> str:
    """Two octets for the cuts, then what a server sends: the same replies, or the same refusal."""
    cut = _read_replies(_cut(data[2:], data[:2]))
    whole = _read_replies([data[2:]])
    promise((cut is None) == (whole is None), "cuts do not matter to what is refused")
    if cut is None:
        return "refused"
    promise(cut == whole, "cuts do not matter")
    for reply in cut:
        promise(_read_replies([reply.wire]) == [reply], "what is passed on reads the same")
        if max(map(len, reply.lines)) < MAX_LINE - 20 and sum(map(len, reply.lines)) < MAX_OCTETS // 2:
            promise(_read_replies([reply.with_code(451, "4.3.0").wire]), "and under another code, too")
        promise(isinstance(reply.enhanced + reply.shown, str), "text for people")
        known = Capabilities.parse(reply)
        promise(isinstance(known.size, int), "a size, or none")
    return "replies" if cut else "open"


def _read_replies(pieces: Iterator[bytes] | list[bytes]) -> list[Reply] | None:
    reader = ReplyReader()
    read: list[Reply] = []
    try:
        for piece in pieces:
            read += reader.feed(piece)
    except ReplyError:
        return None
    return read


def commands(data: bytes) -> str:
    """An octet that may choose a verb, then a command line; what is taken goes out as the same octets."""
    line = (b"", b"", b"MAIL FROM:<", b"RCPT TO:<")[data[0] % 4 if data else 0] + data[1:]
    command = parse_command(line[:MAX_COMMAND])
    if command is None:
        return "void"
    keyword = {b"MAIL": b"FROM", b"RCPT": b"TO"}.get(command.verb)
    if keyword is None:
        return "command"
    try:
        path, raw = parse_path(command.argument, keyword, null_allowed=keyword == b"FROM")
    except PathError as error:
        promise(str(error).isprintable(), "a text that is safe to show")
        return "no path"
    promise(path.raw + raw in line, "the very octets that came")
    promise(path.raw[:1] == b"<" and path.raw[-1:] == b">", "in angle brackets")
    promise(not any(sign < 32 or sign == 127 for sign in path.raw), "no control character")
    if path.domain.isascii() and path.local.isascii() and not path.null:
        promise(path.text.isprintable(), "a text that is safe to show")
    again, behind = parse_path(keyword + b":" + path.raw, keyword, null_allowed=True)
    promise((again, behind) == (path, b""), "the path by itself is the same path")
    try:
        parameters = Parameters.parse(raw)
    except ParameterError as error:
        promise(str(error).isprintable(), "a text that is safe to show")
        return "no parameters"
    promise(Parameters.parse(parameters.wire) == parameters, "what is passed on reads the same")
    promise(parameters.wire.split() == raw.split(), "no octet of a parameter changes")
    return "path"


def _cut(stream: bytes, choice: bytes) -> Iterator[bytes]:
    """`stream` in pieces of sizes that follow from two octets; whole if they are 0."""
    state = int.from_bytes(choice, "big")
    at = 0
    while state and at < len(stream):
        state = (state * 75 + 74) % 65_537
        size = 1 + state % (3 if state % 5 else 40)
        yield stream[at : at + size]
        at += size
    yield stream[at:]


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "mail": mail,
        "pumped": pumped,
        "content": lambda data: bounded(content, data),
        "replies": lambda data: bounded(replies, data),
        "commands": lambda data: bounded(commands, data),
    }
)
"""By the name that `scripts/fuzz.py` takes."""


# --- where fuzzing begins --------------------------------------------------------------------------------


def sample_mails() -> list[bytes]:
    """The composed mails of the whole project that are small enough to be changed often."""
    files = sorted(ROOT.glob("tests/golden/*/*/input.eml")) + sorted(ROOT.glob("gateway/demo/mails/*.eml"))
    mails = [*MAILS.values(), *(file.read_bytes() for file in files)]
    return [each for each in mails if len(each) <= SEED_LIMIT]


def seeds(name: str) -> list[bytes]:
    """The inputs that the target `name` begins with."""
    if name == "mail":
        return [bytes([option]) + each for each in sample_mails() for option in (0x00, 0x0D, 0x82)]
    if name == "pumped":
        return [
            bytes([start, length, 1 + start % 4, 0]) + each
            for each in sample_mails()
            for start, length in ((128, 12), (200, 60), (90, 200))
        ]
    stream = {"content": _CONTENTS, "replies": _REPLIES}.get(name)
    if stream is None:
        return [first + each for each in _COMMANDS for first in (b"\0", b"\2", b"\3")]
    return [cuts + each for each in stream for cuts in (b"\0\0", b"\0\1", b"\7\7")]


_CONTENTS = (
    b".\r\n",
    b"Subject: x\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n",
    b"a\n.\nb\r.\rc\r\n.\n.\r\n\r\n.\r\n",
    b"x" * 70 + b"\r\n" + b"..\r\n" * 9 + b".\r\nMAIL FROM:<a@example.com>\r\n",
    b"\n.\r\n.\r\n",
)
_REPLIES = (
    b"220 mx.example.com ESMTP\r\n",
    b"250-mx.example.com\r\n250-PIPELINING\r\n250-SIZE 35882577\r\n250-AUTH PLAIN LOGIN\r\n250 SMTPUTF8\r\n",
    b"550 5.1.1 <a@example.com>: no such user\r\n354\r\n250 2.0.0 Ok: queued as 4F1A2\n",
    "451-4.7.1 しばらくしてから\r\n451 4.7.1 もう一度\r\n".encode(),
    b"250-" + b"x" * 4092 + b"\r\n250 " + b"y" * 4093 + b"\r\n",
)
_COMMANDS = (
    b"EHLO client.example.com",
    b"MAIL FROM:<> SIZE=1000 BODY=8BITMIME",
    b"MAIL FROM:<hr@example.co.jp> SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>",
    b'RCPT TO:<@a.example,@b.example:"a b"@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@example.com',
    b"rcpt to: <taro..jiro.@mobile.example.co.jp>",
    "RCPT TO:<太郎@例え.テスト>".encode(),
    b"RCPT TO:<a@[IPv6:2001:db8::1]>",
    b"RCPT TO:<postmaster>",
)


def dictionary() -> list[bytes]:
    """Words that mutations put in: what mails, their markup and SMTP are made of."""
    return [word for line in _WORDS for word in line.split(b"|")]


_WORDS = (
    b"\r\n|\r\n\r\n|\n|\r|\r\n.\r\n|\r\n.|\r\n |\r\n\t|\x1b$B|\x1b(B|\x1b(J|\x1b(I|\x1b$(D",
    b"\xef\xbb\xbf|\xff\xfe|Content-Type: |Content-Transfer-Encoding: |Content-Disposition: ",
    b"MIME-Version: 1.0\r\n|Subject: |From: |multipart/mixed|multipart/alternative|multipart/related",
    b"multipart/signed|message/rfc822|text/plain|text/html|; charset=|; boundary=|; boundary*0=",
    b"; format=flowed|; delsp=yes|; name*=utf-8''|--|=?utf-8?B?|=?utf-8?Q?|?=|base64|quoted-printable",
    b"7bit|8bit|binary|x-uuencode|iso-2022-jp|shift_jis|euc-jp|utf-8|utf-7|utf-16|gb18030|big5|euc-kr",
    b"koi8-r|iso-8859-1|windows-1252|us-ascii|cp932|=\r\n|=3D|=0D=0A|=E3=81=82|=\r|&amp;|&#123;",
    b"<html>|<body>|</body>|</html>|<!--|-->|<![if|<!DOCTYPE html>|<script>|</script>|<style>",
    b'</style>|<title>|<table>|<div class="gmail_quote">|<blockquote type="cite">|</blockquote>',
    b'<div id="divRplyFwdMsg">|<hr>|<br>|</div>|<p>|<div style="border-top:solid 1px">',
    b"{{careerrelay}}|{{ careerrelay }}|{{|}}|&nbsp;|<b>|</b>|<svg>|<template>|-- \r\n|> |wrote:\r\n",
    b"-----Original Message-----|________________________________\r\n|From: Taro\r\n|Sent: ",
    b'MAIL FROM:<|RCPT TO:<| SIZE=| BODY=8BITMIME| SMTPUTF8|250-|250 |354 |5.1.1 |@example.com>|"|\\',
)
