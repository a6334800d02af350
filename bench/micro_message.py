"""How long `gateway.message` takes, beside the standard library doing the same.

``python bench/micro_message.py`` prints microseconds: the least of several runs, since the neighbours of a
shared machine only ever add. Reads nothing and writes nothing but its table; ends within a minute.
"""

import argparse
import base64
import email
import email.policy
import json
import os
import sys
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.message.agree import agrees_with_standard_library
from gateway.message.charset import decode, lookup
from gateway.message.exempt import exemption
from gateway.message.html import read_html
from gateway.message.identity import mail_key
from gateway.message.letters import Letters
from gateway.message.normalise import normalise
from gateway.message.quotes import divide
from gateway.message.scan import scan
from gateway.message.splice import Edit, join, splice
from gateway.message.text import MailText, read_text
from gateway.message.trace import count_marks

RUNS, RUN_SECONDS = 100, 0.002
LINE = (
    "慎重に選考を重ねました結果、誠に残念ながら、今回は採用を見送らせて\r\n"
    "いただくこととなりました（選考番号：１２３）。\r\n\r\n"
)
HEAD = (
    b"Received: from ex1.example.co.jp ([192.0.2.10]) by ex2.example.co.jp\r\n"
    b" with ESMTPS id abc123; Mon, 1 Jan 2024 00:00:00 +0900\r\n"
    b"Received: from ex2.example.co.jp ([192.0.2.11]) by mx.example.co.jp\r\n"
    b" with ESMTPS id abc124; Mon, 1 Jan 2024 00:00:01 +0900\r\n"
    b"From: =?ISO-2022-JP?B?GyRCP006dhsoQg==?= <hr@example.co.jp>\r\nTo: taro@example.jp\r\n"
    b"Subject: =?UTF-8?B?6YG46ICD57WQ5p6c44Gu44GU6YCj57Wh?=\r\nDate: Mon, 1 Jan 2024 00:00:00 +0900\r\n"
    b"Message-ID: <1@example.co.jp>\r\nMIME-Version: 1.0\r\nX-Mailer: Example 1.0\r\nX-Priority: 3\r\n"
)


def plain(charset: str, codec: str, size: int) -> bytes:
    """A text/plain mail of about `size` bytes."""
    head = (
        HEAD
        + f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode()
    )
    body = (LINE * (size // len(LINE.encode(codec)) + 1)).encode(codec)
    return head + body[: body.rindex(b"\r\n", 0, size - len(head)) + 2]


def attachment(size: int) -> bytes:
    """A text and a base64 attachment of about `size` bytes."""
    encoded = base64.encodebytes(os.urandom(size * 3 // 4)).replace(b"\n", b"\r\n")
    return (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
        + b"--outer\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        + LINE.encode()
        + b"--outer\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + encoded
        + b"--outer--\r\n"
    )


def measure(function: Callable[[], object]) -> float:
    """The least time of a call in microseconds, of many runs shorter than a turn of the scheduler."""
    number = max(1, int(RUN_SECONDS / max(timeit.timeit(function, number=2) / 2, 1e-6)))
    return min(timeit.repeat(function, number=number, repeat=RUNS)) / number * 1e6


def standard_text(data: bytes) -> str:
    """What the email package takes for the same: parse, and the content of the body."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    return "" if body is None else str(body.get_content())


def scan_and_read(data: bytes) -> MailText:
    """What every mail costs."""
    return read_text(scan(data))


def cases() -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    found: dict[str, Callable[[], object]] = {}
    for name, label, codec in (
        ("utf-8", "utf-8", "utf-8"),
        ("iso-2022-jp", "iso-2022-jp", "iso2022_jp"),
        ("shift_jis", "shift_jis", "shift_jis"),
    ):
        data = plain(label, codec, 4096)
        found[f"4 KB {name}: scan"] = partial(scan, data)
        found[f"4 KB {name}: scan and text"] = partial(scan_and_read, data)
        found[f"4 KB {name}: email package, parse and text"] = partial(standard_text, data)
        letters, named = Letters(b"k" * 32), [scan(data + b"\r\nNo %d\r\n" % number) for number in range(3)]
        for each in named:
            letters.read(each)
        found[f"4 KB {name}: text of a known letter"] = partial(letters.read, named[0])
    data = plain("iso-2022-jp", "iso2022_jp", 4096)
    message, text = scan(data), read_text(scan(data))
    charset = lookup("iso-2022-jp")
    if text.plain is None or charset is None:
        raise SystemExit("the sample has no text")
    body, decoded, normal = data[slice(*message.parts[0].body)], text.plain.decoded, text.plain.new.text
    found["  decode iso-2022-jp"] = lambda: decode(body, charset)
    found["  divide new from quoted"] = lambda: divide(decoded)
    found["  normalise"] = lambda: normalise(decoded)
    found["  normalise what is normal"] = lambda: normalise(normal)
    found["4 KB: exemption"] = lambda: exemption(message, null_sender=False)
    found["4 KB: mail key"] = lambda: mail_key(message, text, reverse_path=b"hr@example.co.jp", key=b"k")
    found["4 KB: loop marks"] = lambda: count_marks(message, b"k")
    found["4 KB: agreement with the standard library"] = lambda: agrees_with_standard_library(message)
    edit = Edit(start=len(data), end=len(data), replacement=b"footer\r\n")
    found["4 KB: splice and join"] = lambda: join(data, splice(data, [edit]))
    page = "<html><body>" + "<p>" + LINE.replace("\r\n", "<br>\r\n") * 40 + "</p></body></html>"
    found["10 KB of HTML: tokenize"] = lambda: read_html(page)
    large = attachment(5_000_000)
    whole = scan(large)
    found["5 MB attachment: scan"] = lambda: scan(large)
    found["5 MB attachment: text"] = lambda: read_text(whole)
    found["5 MB attachment: agreement"] = lambda: agrees_with_standard_library(whole)
    found["5 MB attachment: splice"] = lambda: splice(large, [edit])
    return found


def main() -> None:
    """Measure everything, or the cases whose name holds ``--only``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of the names to measure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    results = {
        name: round(measure(function), 1) for name, function in cases().items() if options.only in name
    }
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for name, microseconds in results.items():
        print(f"{name:45} {microseconds:12,.1f} us")


if __name__ == "__main__":
    main()
