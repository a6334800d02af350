"""Composed mails as JSON lines become real .eml files and lines of ``labels.jsonl``.

    python tests/corpus/build.py PART ROUND SPEC.jsonl...

PART is ``tune`` or ``judge``; ROUND names the round of composing (``ja1``). Each line of a spec is one mail:
``id``, ``label`` (pos, neg), ``language``, ``class``, ``difficulty``, ``from``, ``to``, ``cc``,
``mail_from``, ``rcpt_to``, ``subject``, ``text``, ``html``, ``charset``, ``cte``, ``structure`` (plain, html,
alternative, mixed, related) and ``mailer``. What the wire looks like (encoded words or raw ISO-2022-JP in the
subject, boundaries, attachments) follows from the charset and a hash of the id, so that the same spec always
gives the same bytes. A mail that its charset cannot hold goes out as UTF-8.
"""

import base64
import hashlib
import html as markup
import json
import quopri
import re
import sys
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LABELS = HERE / "labels.jsonl"
JAPANESE = ("iso-2022-jp", "shift_jis", "euc-jp")
ADDRESS = re.compile(r"<[^<>]*>|[^\s<>,;\"]+@[^\s<>,;\"]+")
FIRST_DATE = 1_700_000_000
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAPER = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


def chance(spec: Mapping[str, Any], what: str, of: int) -> int:
    """A number below `of` that is always the same for this mail and purpose."""
    digest = hashlib.sha256(f"{what}:{spec['id']}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % of


def build(spec: Mapping[str, Any]) -> bytes:
    """The mail on the wire, with CRLF."""
    charset = _charset(spec)
    text, page = _lines(spec.get("text") or ""), _lines(spec.get("html") or "")
    structure = spec.get("structure") or "plain"
    if structure in ("html", "alternative", "related") and not page:
        page = _page(text, charset)
    if structure == "html":
        body = _leaf("text/html", page, charset, spec)
    elif structure == "alternative":
        body = _many(
            "alternative", [_text(text or _bare(page), charset, spec), _html(page, charset, spec)], spec
        )
    elif structure == "related":
        body = _many("related", [_html(page, charset, spec), _picture()], spec)
    elif structure == "mixed":
        main = _html(page, charset, spec) if page and not text else _text(text, charset, spec)
        body = _many("mixed", [main, _paper(spec)], spec)
    elif page and not text:
        body = _html(page, charset, spec)
    else:
        body = _text(text, charset, spec)
    return _header(spec, charset) + body


def _charset(spec: Mapping[str, Any]) -> str:
    wanted = str(spec.get("charset") or "utf-8").lower()
    whole = "".join(str(spec.get(key) or "") for key in ("text", "html", "subject", "from", "to"))
    try:
        whole.encode(wanted)
    except (UnicodeEncodeError, LookupError):
        return "utf-8"
    return wanted


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _bare(page: str) -> str:
    """The words of a page, for the text part of an alternative that came as HTML alone."""
    return _lines(markup.unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?i)<br\s*/?>|</p>", "\n", page))))


def _page(text: str, charset: str) -> str:
    inside = "<br>\r\n".join(markup.escape(line) for line in text.split("\r\n"))
    head = f'<head><meta http-equiv="Content-Type" content="text/html; charset={charset}"></head>'
    return f"<html>{head}\r\n<body>{inside}</body></html>\r\n"


def _text(text: str, charset: str, spec: Mapping[str, Any]) -> bytes:
    return _leaf("text/plain", text if text.endswith("\r\n") else f"{text}\r\n", charset, spec)


def _html(page: str, charset: str, spec: Mapping[str, Any]) -> bytes:
    return _leaf("text/html", page, charset, spec)


def _leaf(kind: str, text: str, charset: str, spec: Mapping[str, Any]) -> bytes:
    raw = text.encode(charset)
    encoding = str(spec.get("cte") or "8bit").lower()
    if encoding == "7bit" and not raw.isascii():
        encoding = "8bit"
    if encoding == "base64":
        raw = base64.encodebytes(raw).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        raw = quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + raw


def _many(kind: str, parts: Sequence[bytes], spec: Mapping[str, Any]) -> bytes:
    boundary = f"----=_Part_{chance(spec, 'boundary', 10**8):08d}"
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    pieces = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    return head + pieces + f"--{boundary}--\r\n".encode()


def _picture() -> bytes:
    head = b"Content-Type: image/gif\r\nContent-ID: <logo@corpus.test>\r\n"
    head += b"Content-Transfer-Encoding: base64\r\n\r\n"
    return head + base64.encodebytes(PIXEL).replace(b"\n", b"\r\n")


def _paper(spec: Mapping[str, Any]) -> bytes:
    name = "document.pdf" if spec["language"] == "en" else "=?UTF-8?B?6LOH5paZLnBkZg==?="
    head = f'Content-Type: application/pdf; name="{name}"\r\n'
    head += f'Content-Disposition: attachment; filename="{name}"\r\n'
    return (
        head.encode()
        + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(PAPER).replace(b"\n", b"\r\n")
    )


def _header(spec: Mapping[str, Any], charset: str) -> bytes:
    fields = [
        ("Date", formatdate(FIRST_DATE + chance(spec, "date", 10**8)).encode()),
        ("From", _mailboxes(spec["from"], charset, spec)),
        ("To", _mailboxes(spec["to"], charset, spec)),
        ("Cc", _mailboxes(spec.get("cc") or "", charset, spec)),
        ("Subject", _words(spec["subject"], charset, spec)),
        ("Message-ID", f"<{chance(spec, 'message', 10**9)}@corpus.test>".encode()),
        ("X-Mailer", _words(spec.get("mailer") or "", "us-ascii", spec)),
        ("MIME-Version", b"1.0"),
    ]
    return b"".join(name.encode() + b": " + value + b"\r\n" for name, value in fields if value)


def _mailboxes(written: str | Sequence[str], charset: str, spec: Mapping[str, Any]) -> bytes:
    value = written if isinstance(written, str) else ", ".join(written)
    out, reached = b"", 0
    for found in ADDRESS.finditer(value):
        out += _words(value[reached : found.start()], charset, spec) + found[0].encode("ascii", "replace")
        reached = found.end()
    return out + _words(value[reached:], charset, spec)


def _words(text: str, charset: str, spec: Mapping[str, Any]) -> bytes:
    """A header text: as it is where it is ASCII, else raw as old mailers wrote it or in encoded words."""
    if text.isascii():
        return text.encode()
    inner, label = text.strip(), charset if charset != "us-ascii" else "utf-8"
    pad = b" " if text[:1] == " " else b""
    try:
        inner.encode(label)
    except UnicodeEncodeError:
        label = "utf-8"
    if label == "iso-2022-jp" and chance(spec, "raw", 4) == 0:
        return pad + inner.encode(label)
    pieces = [inner[at : at + 12] for at in range(0, len(inner), 12)]
    if spec["language"] == "en":
        coded = [b"=?%b?Q?%b?=" % (label.encode(), _q(piece.encode(label))) for piece in pieces]
    else:
        coded = [
            b"=?%b?B?%b?=" % (label.upper().encode(), base64.b64encode(piece.encode(label)))
            for piece in pieces
        ]
    return pad + b"\r\n ".join(coded) + (b" " if text[-1:] == " " else b"")


def _q(raw: bytes) -> bytes:
    return b"".join(bytes([each]) if chr(each).isalnum() and each < 128 else b"=%02X" % each for each in raw)


def label(spec: Mapping[str, Any], file: str, part: str, round_: str) -> dict[str, Any]:
    """The line of ``labels.jsonl`` for one mail."""
    return {
        "file": file,
        "label": spec["label"],
        "language": spec["language"],
        "class": spec["class"],
        "mail_from": spec["mail_from"],
        "rcpt_to": spec["rcpt_to"],
        "part": part,
        "round": round_,
        "difficulty": spec.get("difficulty", ""),
    }


def main(arguments: Sequence[str]) -> None:
    """Write the files and add their lines, replacing those of the same names."""
    part, round_, *sources = arguments
    lines = {}
    if LABELS.exists():
        for line in LABELS.read_text(encoding="utf-8").splitlines():
            lines[json.loads(line)["file"]] = line
    for source in sources:
        for line in Path(source).read_text(encoding="utf-8").splitlines():
            if not line.strip():
                continue
            spec = json.loads(line)
            file = f"{part}/{round_}/{re.sub(r'[^a-z0-9-]', '-', spec['id'].lower())}.eml"
            (HERE / file).parent.mkdir(parents=True, exist_ok=True)
            (HERE / file).write_bytes(build(spec))
            lines[file] = json.dumps(label(spec, file, part, round_), ensure_ascii=False)
    LABELS.write_text("".join(f"{lines[file]}\n" for file in sorted(lines)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
