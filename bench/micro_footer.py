"""Cost of a footer on one core. Run: python bench/micro_footer.py [--json].

The steps are place, encoding of a copy, splice and check, for mails of 4 KB. Beside them, in the same run,
Python's `email` parsing and writing the same mail, and for HTML BeautifulSoup reading it. Each figure is the
best of several rounds, in microseconds. Nothing here is a test.
"""

import argparse
import base64
import email
import email.policy
import json
import quopri
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bs4 import BeautifulSoup  # noqa: E402 - the path comes first

from gateway.footer.check import check_edit  # noqa: E402
from gateway.footer.compose import prepare  # noqa: E402
from gateway.footer.template import load_footers  # noqa: E402
from gateway.footer.values import SAMPLE, FooterValues  # noqa: E402
from gateway.message.scan import scan  # noqa: E402
from gateway.message.splice import join, splice  # noqa: E402
from gateway.message.text import read_text  # noqa: E402

ROUNDS, TURNS, SIZE = 7, 100, 4096
FOOTER = load_footers({file.name: file.read_bytes() for file in (ROOT / "rules" / "footers").iterdir()})[
    "default-ja"
]
LETTER = (
    "このたびは弊社の求人にご応募いただき、誠にありがとうございました。\r\n"
    "慎重に選考いたしました結果、誠に残念ながら今回は採用を見送らせていただくこととなりました。\r\n\r\n"
)
QUOTE = "\r\n> 面接のお時間をいただき、\r\n> ありがとうございました。\r\n"
GMAIL = '<div class="gmail_quote">面接のお時間をいただき、ありがとうございました。</div>'
# Two sets of values in turn, as copies have them.
OTHER = FooterValues(
    link=SAMPLE.link[:-1] + "1", opt_out=SAMPLE.opt_out, company=SAMPLE.company, partner=SAMPLE.partner
)


def encoded(content: bytes, encoding: str) -> bytes:
    """`content` in a transfer encoding."""
    if encoding == "base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return content


def mail(charset: str, encoding: str, kind: str, *, reply: bool) -> bytes:
    """A mail of about `SIZE` octets."""
    head = (
        "From: HR <hr@example.co.jp>\r\nTo: taro@example.test\r\nSubject: Result\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode()
    body = b""
    for count in range(1, 200):
        text = LETTER * count + (QUOTE if reply and kind == "plain" else "")
        if kind == "html":
            inner = text.replace("\r\n\r\n", "</p>\r\n<p>").replace("。\r\n", "。<br>\r\n")
            text = f"<html><body><p>{inner}</p>{GMAIL if reply else ''}</body></html>\r\n"
        longer = encoded(text.encode(charset), encoding)
        if body and len(head) + len(longer) > SIZE:
            break
        body = longer
    return head + body


def best(action: Callable[[], object]) -> float:
    """Microseconds of one call in the best round."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(TURNS):
            action()
        rounds.append((time.perf_counter() - start) / TURNS)
    return min(rounds) * 1e6


def measure(data: bytes, *, html: bool) -> dict[str, float]:
    """All figures for one mail."""
    message = scan(data)
    text = read_text(message)
    plan = prepare(message, text, FOOTER)
    runs = plan.runs(SAMPLE)
    edits = plan.edits(runs)
    edited = join(data, splice(data, edits))
    turn = [SAMPLE, OTHER]

    def encode() -> None:
        turn.reverse()
        plan.edits(plan.runs(turn[0]))

    def everything() -> None:
        turn.reverse()
        fresh = prepare(message, text, FOOTER)
        said = fresh.runs(turn[0])
        made = fresh.edits(said)
        check_edit(fresh, said, made, join(data, splice(data, made)))

    figures = {
        "octets": len(data),
        "prepare": best(lambda: prepare(message, text, FOOTER)),
        "edits": best(encode),
        "splice": best(lambda: join(data, splice(data, edits))),
        "check": best(lambda: check_edit(plan, runs, edits, edited)),
        "all": best(everything),
        "email": best(lambda: email.message_from_bytes(data, policy=email.policy.SMTP).as_bytes()),
    }
    if html:
        source = text.html.decoded if text.html else ""
        figures["bs4"] = best(lambda: BeautifulSoup(source, "html.parser"))
    return figures


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args()
    results = {}
    for kind in ("plain", "html"):
        for reply in (False, True):
            for charset, encoding in (
                ("iso-2022-jp", "7bit"),
                ("utf-8", "8bit"),
                ("utf-8", "base64"),
                ("utf-8", "quoted-printable"),
                ("shift_jis", "8bit"),
                ("shift_jis", "base64"),
            ):
                name = f"{kind} {charset} {encoding}{' reply' if reply else ''}"
                results[name] = measure(mail(charset, encoding, kind, reply=reply), html=kind == "html")
    if options.json:
        print(json.dumps(results, indent=2))
        return
    columns = ["octets", "prepare", "edits", "splice", "check", "all", "email", "bs4"]
    print(f"{'µs':42}" + "".join(f"{column:>9}" for column in columns))
    for name, figures in results.items():
        print(f"{name:42}" + "".join(f"{figures[key]:9.0f}" if key in figures else "" for key in columns))


if __name__ == "__main__":
    main()
