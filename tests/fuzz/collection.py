"""Mails as collections hold them: written by every program there was, relayed badly, cut off, and lied about.

Composed here, deterministic: number `n` is the same mail on each run. In each respect (header, structure, types,
encodings, text) most are as they should be, so that a mail has one or two oddities and not a dozen; a quarter is
damaged once more as a whole. `tests/fuzz/test_collection.py` takes a few hundred,
``scripts/compare_readers.py --made N`` as many as one likes.
"""
# ruff: noqa: E501, ISC004, Q003 - mails as they are written

import base64
import quopri
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Words, and the charsets that they are written in: as named, and as the bytes really are.
LETTERS: Sequence[tuple[str, str, str]] = (
    ("us-ascii", "ascii", "Hi Taro,\n\nthanks for your mail. It costs = 5 dollars.\n"),
    ("us-ascii", "ascii", "From the desk of HR\n\nFrom now on.\n>From here\n.\n..\n--\n-- \nHR\n"),
    ("iso-8859-1", "latin-1", "Grüße aus Köln, naïve façade.\n\nViele Grüße\n"),
    ("iso-8859-1", "cp1252", "He said \u201cno\u201d \u2013 it\u2019s 5 \u20ac.\n"),
    ("ISO-8859-15", "iso8859-15", "Prix : 5 \u20ac, c\u0153ur.\n"),
    ("windows-1252", "cp1252", "\u201cQuoted\u201d \u2026 and so on\u2122.\n"),
    ("iso-8859-2", "iso8859-2", "Zażółć gęślą jaźń.\n"),
    ("windows-1250", "cp1250", "Příliš žluťoučký kůň.\n"),
    ("windows-1251", "cp1251", "Привет, дорогой друг!\n"),
    ("koi8-r", "koi8-r", "Здравствуйте, уважаемый господин.\n"),
    ("koi8-r", "cp1251", "Здравствуйте.\n"),
    ("iso-8859-7", "iso8859-7", "Καλημέρα σας.\n"),
    ("iso-8859-8-i", "iso8859-8", "שלום לכולם.\n"),
    ("windows-1255", "cp1255", "שלום לכולם.\n"),
    ("windows-1256", "cp1256", "مرحبا بكم.\n"),
    ("iso-8859-9", "iso8859-9", "Günaydın, şöyle böyle.\n"),
    ("windows-1257", "cp1257", "Labas rytas, ačiū.\n"),
    ("tis-620", "tis-620", "สวัสดีครับ\n"),
    ("utf-8", "utf-8", "Dear José \U0001f600,\n\nall the best \u2013 \u2764\ufe0f\n"),
    ("utf-8", "utf-8", "\ufeffWith a mark at the top.\n"),
    ("utf-8", "cp1252", "na\u00efve cr\u00e8me\n"),
    ("UTF-8", "utf-8", "山田様\n\nお世話になっております。\u2028改行。\u0085終わり\n"),
    ("utf-7", "utf-7", "Gr\u00fc\u00dfe + more\n"),
    ("iso-2022-jp", "iso2022_jp", "山田様\n\nこんにちは。Hello.\nありがとう\n"),
    ("ISO-2022-JP", "cp932", "山田様\n\nこんにちは。\n"),
    ("shift_jis", "cp932", "表示能力①㈱ｶﾅ\nソース\n"),
    ("Shift-JIS", "cp932", "十分な予約\n"),
    ("x-sjis", "cp932", "こんにちは\n"),
    ("euc-jp", "euc_jp", "山田様\n\nこんにちは。ｶﾅ\n"),
    ("gb2312", "gbk", "朱镕基先生：\n\n您好！謝謝。\n"),
    ("gb2312", "gb2312", "您好，最新产品。\n"),
    ("gbk", "gbk", "開發票，優惠。\n"),
    ("GB18030", "gb18030", "您好㐂！\n"),
    ("big5", "big5", "親愛的朋友：\n\n許功蓋。\n"),
    ("big5", "big5hkscs", "喺度嘅\n"),
    ("euc-kr", "euc_kr", "안녕하세요. 광고입니다.\n"),
    ("ks_c_5601-1987", "cp949", "똠방각하 펲시\n"),
    ("iso-2022-kr", "iso2022_kr", "안녕하세요.\n"),
    ("hz-gb-2312", "hz", "您好。\n"),
    ("us-ascii", "latin-1", "Na\u00efve sender, d\u00e9j\u00e0 vu.\n"),
    ("us-ascii", "euc_kr", "안녕하세요.\n"),
    ("", "latin-1", "Sm\u00f8rrebr\u00f8d.\n"),
    ("", "ascii", "Nothing said about me.\n"),
    ("x-unknown", "ascii", "What am I?\n"),
    ("unknown-8bit", "latin-1", "cr\u00e8me\n"),
    ("%CHARSET", "ascii", "Buy now!\n"),
    ("DEFAULT_CHARSET", "cp1251", "Реклама\n"),
    ("_autodetect", "gbk", "您好\n"),
    ("ascii", "ascii", "An alias.\n"),
    ("ANSI_X3.4-1968", "ascii", "Another alias.\n"),
    ("utf8", "utf-8", "¡Hola!\n"),
    ("latin1", "latin-1", "Señor\n"),
    ("cp1252", "cp1252", "\u20ac\n"),
    ("utf-16", "utf-16", "wide\n"),
    ("utf-16le", "utf-16-le", "wide\n"),
)
TAILS: Sequence[str] = (
    "",
    "",
    "",
    "-- \nSmith\n",
    "\n\n\n",
    "no line end",
    "trailing blanks   \n\t\n",
    "\nOn Mon, 2 Sep 2002, Tom wrote:\n\n> first\n> second\n\nI think so.\n",
    "\nOn Mon, 2 Sep 2002, Tom wrote:\n\n> first\n>> second\n",
    "\n-----Original Message-----\nFrom: Tom\nSent: Monday\nTo: All\nSubject: x\n\nold words\n",
    "\n_______________________________________________\nList mailing list\nList@lists.example\n",
    "\nbegin 644 a.txt\n#0V%T\n`\nend\n",
    "\n--\nboundary-like\n--x--\n----\n",
    "\n=46ull of = signs =\n=\n= 20\n",
    "\f\n\x0b\x07bell\x08\n",
    "x" * 1200 + "\n",
    ("word " * 400) + "\n",
    "{{ not ours }} {% raw %}\n",
    "Begin forwarded message:\n\nFrom: A\nDate: Monday\n\nwords\n",
    "From: HR\nSubject: results\n\nWords.\n",
)
PAGES: Sequence[str] = (
    "<html><body><p>{}</p></body></html>\n",
    "<HTML><BODY BGCOLOR=#FFFFFF><FONT FACE=Arial>{}</FONT></BODY></HTML>",
    "<p>{}",
    '{}<br>\n<img src="http://www.example.com/a.gif" width=1 height=1>',
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.0 Transitional//EN">\n<HTML><HEAD>\n<META http-equiv=Content-Type '
    'content="text/html; charset=iso-8859-1">\n<STYLE></STYLE></HEAD>\n<BODY><DIV>{}</DIV></BODY></HTML>\n',
    "<html><head><meta charset=utf-8><style>p > a {{ color: red }}</style></head><body>{}</body></html>\n",
    "<html><body>{}<!-- </body> --></body></html>\n\n<!-- 8734 -->",
    "<html><body>{}</body></html>\n<p>more behind it</p>\n",
    "<html><body>{}</body></html>\n<html><body>again</body></html>",
    "<html><body><script>if (a < b) {{ document.write('</body>') }}</script>{}</body></html>",
    "<html><body>{}<a href='http://x.example/?a=1&b=2>broken</a></body></html>",
    "<html><body>Via<!-- x9 -->gra {}</body></html>",
    "<table><tr><td>{}</table>",
    "<html><head><title>{}</title></head><frameset rows=*><frame src=a></frameset></html>",
    "<html>\n<body>\n<!--[if mso]><p>office</p><![endif]-->\n<p class=MsoNormal>{}<o:p></o:p></p></body></html>",
    "<html><body dir=rtl>{}</body></html>",
    "<html><body>{}<blockquote type=cite>old<br>words</blockquote></body></html>",
    '<html><body>{}<div class="gmail_quote">On Monday Tom wrote:<blockquote>old</blockquote></div></body></html>',
    "<html><body>{}<div style='border:none;border-top:solid #E1E1E1 1.0pt'><b>From:</b> Tom<br>old</div></body>",
    "<body>{}<textarea></body></textarea></body>",
    "<html><body>{}<img alt='a > b' src=cid:x></body></html>",
    "<html><body>&lt;{}&gt;&nbsp;&amp;&#12354;</body></html>",
    "{}",
    "",
    "<html><body><img src=cid:x></body></html>",
    "<html><body>{}<plaintext></body></html>",
    "<html><body>{}<<b>>odd</b></body></html>",
    "<x-html>{}</x-html>",
    "<html><body>{}</body>",
    "<html><body>{}</BODY ></HTML >\n",
)
ENCODINGS: Sequence[str] = (
    "7bit", "8bit", "quoted-printable", "base64", "", "",
)  # fmt: skip
ODD_ENCODINGS: Sequence[str] = (
    "7BIT", "8Bit", "BASE64", "Quoted-Printable", "binary", "7-bit", "8bits", "quoted-printable;", "base64 ", "base64;",
    "x-uuencode", "plain", "7bit (nothing special)", "none", "\tquoted-printable", '"base64"', "utf-8", "7bit, base64",
)  # fmt: skip
HEADERS: Sequence[bytes] = (
    b"Return-Path: <tom@example.com>\nReceived: from a (b [192.0.2.1])\n\tby c (8.11.6/8.11.6) with SMTP id g7 for <d@e>;\n"
    b"\tMon, 2 Sep 2002 10:00:00 +0100\n",
    b"From tom@example.com  Mon Sep  2 10:00:00 2002\n",
    b">From tom@example.com  Mon Sep  2 10:00:00 2002\n",
    b"X-Spam-Status: Yes, hits=12.4 required=5.0\n\ttests=A,B,\n\t      C\n\tversion=2.31\nX-Spam-Level: ************\n",
    b"X-Empty:\nX-Blank: \nX-Folded:\n a\n",
    b"X-Blank-Fold: a\n \n b\n",
    b"X-Odd : space before the colon\n",
    b"A line without any colon\n",
    b"X-8bit: \xc4\xe3\xba\xc3 \xe9t\xe9\n",
    b"X-Nul: a\0b\n",
    b"X-Long: " + b"y" * 3000 + b"\n",
    b"To: " + b", ".join(b"<u%d@example.com>" % n for n in range(600)) + b"\n",
    b"".join(b"X-Many-%d: y\n" % n for n in range(300)),
    b"Precedence: bulk\nList-Id: <list.example.com>\nErrors-To: list-admin@example.com\n",
    b'Message-ID: <\nIn-Reply-To: "\nDate: never\n',
    b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=x; b=y\n",
    b"X-Mailer: The Bat! (v1.52f) Business\nX-Priority: 3 (Normal)\n",
    b"Content-Length: 12\nLines: 3\nStatus: RO\n",
    b": no name\n",
    b"X-\xe9: name of 8 bits\n",
    b"X-Bare: a\rb\n",
    b"Content-Disposition: inline\n",
    b"Content-Disposition: attachment; filename=letter.txt\n",
    b"Content-Language: en\nContent-Description: mail\n",
)
SENDERS: Sequence[bytes] = (
    b"Tom Smith <tom@example.com>", b"tom@example.com", b"tom@example.com (Tom Smith)", b'"Smith, Tom" <tom@example.com>',
    b'"tom smith"@example.com', b'<"a\\"b"@example.com>', b"Tom <tom@example.com>, Ann <ann@example.com>", b"", b"<>", b"nobody",
    b"MAILER-DAEMON (Mail System)", b"Tom <tom@[192.0.2.1]>", b"Tom <@relay.example:tom@example.com>", b"Tom <tom @ example.com>",
    b"T\xf6m <t\xf6m@example.com>", b"Tom <\xe5\xa4\xaa\xe9\x83\x8e@example.com>", b"=?utf-8?B?5aSq6YOO?= <tom@example.com>",
    b"undisclosed-recipients:;", b"Group: a@example.com, b@example.com;", b"Tom <tom@example.com", b"tom@example.com>", b"@", b"a@b@c",
    b"Tom <tom@exam_ple.com>", b"Tom <tom@example..com>", b"<tom@example.com.>", b"Tom\n\t<tom@example.com>", b'"Tom" <"Tom"@example.com>',
    b"tom@" + b"x" * 300 + b".example", b"x" * 100 + b"@example.com", b"Tom <mailto:tom@example.com>", b"Tom <tom@EXAMPLE.com>",
)  # fmt: skip
VERSIONS: Sequence[bytes] = (
    b"MIME-Version: 1.0\n", b"MIME-Version: 1.0\n", b"MIME-Version: 1.0\n", b"Mime-Version: 1.0 (Apple Message framework v482)\n",
    b"", b"MIME-Version: 1.0\nMIME-Version: 1.0\n", b"MIME-Version: 2.0\n", b"mime-version:1.0\n", b"MIME-Version: (x) 1.0\n",
)  # fmt: skip
BOUNDARIES: Sequence[str] = (
    "----=_NextPart_000_0001_01C25270.5A5A5A50", "=====================_12345==_", "b", "Apple-Mail-1--123456",
    "0__=0ABBE6F9DFCB3C698f9e8a93df938690", "(none)", "a b", "gc0p4Jq0M2Yt08jU534c0p", "_000_AB12:/x?y", "--dashes--", "=_q'uote",
    "boundary.with.dots", "+++", "____________________________________________________________________x",
)  # fmt: skip
FILES: Sequence[bytes] = (
    b'Content-Type: application/octet-stream; name="a.bin"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment;\n'
    b'\tfilename="a.bin"\n\nAAECAwQFBgc=\n',
    b"Content-Type: image/gif\nContent-Transfer-Encoding: base64\nContent-ID: <x>\n\nR0lGODlhAQABAAAAACw=\n",
    b'Content-Type: text/plain; name="read me.txt"\nContent-Disposition: attachment\n\nA file.\n',
    b"Content-Type: text/html; charset=utf-8\nContent-Disposition: attachment; filename*=utf-8''%E3%81%82.html\n\n<p>A file.\n",
    b"Content-Type: text/plain\nContent-Disposition: inline; filename=x.diff\n\n--- a\n+++ b\n",
    b"Content-Type: text/plain\n\n_______________\nA list\nhttp://lists.example.com/\n",
    b"\nNo header at all.\n",
    b"Content-Type: message/rfc822\n\nFrom: a@example.com\nSubject: inner\nContent-Type: text/plain\n\nInner words.\n",
    b"Content-Type: message/rfc822\n\nFrom: a@example.com\nContent-Type: multipart/mixed; boundary=inner\n\n--inner\n\nx\n--inner--\n",
    b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nRnJvbTogYQoKeAo=\n",
    b"Content-Type: message/partial; id=x; number=1; total=2\n\nFrom: a\n\nx\n",
    b'Content-Type: message/external-body; access-type=URL; URL="http://example.com/"\n\nContent-Type: text/plain\n\n',
    b"Content-Type: text/x-vcard; charset=utf-8; name=tom.vcf\n\nbegin:vcard\nend:vcard\n",
    b"Content-Type: application/x-pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\nMIIB\n",
    b"Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n",
    b"Content-Type: text/enriched\n\n<bold>Rich</bold>\n",
    b"Content-Type: text/rfc822-headers\n\nFrom: a\n",
    b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\neJ8+\n",
    b"Content-Type: audio/x-wav;\n\tname=\"very long name that goes on\n\t and on.wav\"\nContent-Transfer-Encoding: base64\n\nUklGRg==\n",
    b"Content-Type: image/jpeg; name==?iso-8859-1?Q?na=EFf.jpg?=\nContent-Transfer-Encoding: base64\n\n/9j/\n",
    b"Content-Type: text/plain; charset=us-ascii\nContent-Disposition: ATTACHMENT\n\nshouted\n",
    b"Content-Type: text/plain\nContent-Disposition: \n\nempty disposition\n",
    b"Content-Type:\n\nempty type\n",
    b"Content-Transfer-Encoding: base64\n\n\n",
)  # fmt: skip


@dataclass(slots=True)
class _Maker:
    """One mail in the making: where its dice come from."""

    dice: random.Random

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    # --- a text ------------------------------------------------------------------------------------------

    def octets(self, encoding: str, content: bytes) -> bytes:
        """The body, its transfer encoding as good as most or as bad as some."""
        name = encoding.strip(' \t;"').lower()
        if name == "base64":
            return self.base64(content)
        if name == "quoted-printable":
            return self.quoted(content)
        return content

    def base64(self, content: bytes) -> bytes:
        width = self.dice.choice((76, 76, 76, 72, 64, 60, 4, 400, 1200, 77))
        flat = base64.b64encode(content.replace(b"\n", b"\r\n") if self.chance(0.7) else content)
        lines = [flat[at : at + width] for at in range(0, len(flat), width)]
        body = b"\n".join(lines) + self.dice.choice((b"\n", b"\n", b"\n", b"", b"\n\n", b"\n \n"))
        kind = self.dice.randrange(14)
        if kind == 0:
            return body.rstrip(b"=\n") + b"\n"
        if kind == 1:
            return body + b"\n_____\nA list hangs its words here\n"
        if kind == 2:
            return body.replace(b"\n", b" \n")
        if kind == 3:
            return body[: len(body) // 2] + b"!" + body[len(body) // 2 :]
        if kind == 4:
            return b"\n" + body
        return body

    def quoted(self, content: bytes) -> bytes:
        body = quopri.encodestring(content)
        kind = self.dice.randrange(14)
        if kind == 0:
            return body.lower() if self.chance(0.5) else content
        if kind == 1:
            return body.rstrip(b"\n") + b"="
        if kind == 2:
            return body.rstrip(b"\n") + b"=\n"
        if kind == 3:
            return body.replace(b"\n", b"=20\n")
        if kind == 4:
            return body.replace(b"\n", b" \n")
        if kind == 5:
            return content.replace(b"\n", b"=0D=0A=\n")
        if kind == 6:
            return content.replace(b"\n", b"=0A")
        if kind == 7:
            return body + b"=ZZ=3\n"
        return body

    def text(self, kind: str, *, calm: bool) -> bytes:
        """A text part with its header."""
        name, codec, words = self.dice.choice(LETTERS)
        tail = self.dice.choice(TAILS)
        text = words * self.dice.choice((1, 1, 2, 9)) + tail
        if kind == "html":
            page = self.dice.choice(PAGES)
            text = page.format(text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>\n"))
        content = text.encode(codec, "replace")
        if self.chance(0.03):
            content += self.dice.choice((b"\xff\n", b"\0", b"\x1b$B\n", b"\x0e\n", b"\x1b(J\\\n", b"\xa5\n"))
        encoding = self.dice.choice(ENCODINGS if calm or self.chance(0.9) else ODD_ENCODINGS)
        if not content.isascii() and encoding == "7bit" and self.chance(0.7):
            encoding = "8bit"
        fields = [self.content_type(kind, name)]
        if encoding:
            fields.append(f"Content-Transfer-Encoding: {encoding}")
        if self.chance(0.1):
            fields.append(
                self.dice.choice(("Content-Disposition: inline", "Content-ID: <t>", "Content-Language: ja"))
            )
        self.dice.shuffle(fields)
        if name == "" and kind == "plain" and self.chance(0.7):
            fields = [field for field in fields if not field.startswith("Content-Type")]
        return "".join(f"{field}\n" for field in fields).encode() + b"\n" + self.octets(encoding, content)

    def content_type(self, kind: str, charset: str) -> str:
        flowed = self.dice.choice(
            ("", "", "", "; format=flowed", "; format=flowed; delsp=yes", "; format=fixed")
        )
        more = flowed if kind == "plain" else ""
        if not charset:
            return f"Content-Type: text/{kind}{more}"
        if self.chance(0.88):
            quote = self.dice.choice(("", '"'))
            return f"Content-Type: text/{kind}; charset={quote}{charset}{quote}{more}"
        return self.dice.choice((
            f"Content-type: TEXT/{kind.upper()}; CHARSET={charset.upper()}",
            f"Content-Type: text/{kind} charset={charset}",
            f"Content-Type: text/{kind};charset={charset};",
            f"Content-Type: text/{kind};\n\tcharset={charset}{more}",
            f"Content-Type: text/{kind};\n charset=\n {charset}",
            f'Content-Type: text/{kind}; charset="{charset}',
            f"Content-Type: text/{kind}; charset='{charset}'",
            f"Content-Type: text/{kind}; charset = {charset}",
            f"Content-Type: text/{kind}; charset={charset}; charset={charset}",
            f"Content-Type: text/{kind}; charset={charset} (a comment)",
            f"Content-Type: text/{kind} (a comment); charset={charset}",
            f"Content-Type: text/{kind}; charset*=us-ascii'en'{charset}",
            f"Content-Type: text/{kind}; charset*0={charset[:3]}; charset*1={charset[3:]}",
            f"Content-Type: text/{kind}; charset",
            f"Content-Type: text/{kind}; charset=",
            f"Content-Type: text; charset={charset}",
            f"Content-Type: {kind}/text; charset={charset}",
            f"Content-Type: text/x-{kind}; charset={charset}",
            f"Content-Type: text/{kind}; name=letter; charset={charset}",
            f"Content-Type: text/{kind}; charset={charset}\nContent-Type: text/{kind}",
            f"Content-Type:text/{kind};charset={charset}",
            f"Content-Type : text/{kind}; charset={charset}",
            f"Content-Type: text/{kind}; charset={charset}; x=\"a;b\"; y=a/b",
        ))  # fmt: skip

    # --- structure ---------------------------------------------------------------------------------------

    def multipart(self, kind: str, *parts: bytes) -> bytes:  # noqa: PLR0912 - a table of oddities
        boundary = self.dice.choice(BOUNDARIES) + self.dice.choice(
            ("", "1", f"{self.dice.getrandbits(60):x}")
        )
        calm = self.chance(0.8)
        odd = -1 if calm else self.dice.randrange(16)
        written = f'"{boundary}"'
        if boundary.replace(".", "").replace("_", "").replace("-", "").isalnum() and self.chance(0.5):
            written = boundary
        head = f"Content-Type: multipart/{kind}; boundary={written}\n"
        if odd == 0:
            head = f"Content-Type: Multipart/{kind.title()};\n\tboundary={written}\n"
        if odd == 1:
            head = f"Content-Type: multipart/{kind};boundary={boundary}\n"
        if odd == 2:
            head = f'Content-Type: multipart/{kind}; type="text/plain"; boundary={written}; charset=utf-8\n'
        if odd == 3:
            head = f"Content-Type: multipart/{kind}\n"
        if odd == 4:
            head += f"Content-Transfer-Encoding: {self.dice.choice(('7bit', '8bit', 'base64', 'quoted-printable'))}\n"
        if odd == 5:
            head = f'Content-Type: multipart/{kind}; boundary="{boundary} "\n'
        mark = f"\n--{boundary}".encode()
        preamble = self.dice.choice(
            (b"", b"", b"\n", b"This is a multi-part message in MIME format.\n", b"--\nodd preamble\n")
        )
        epilogue = self.dice.choice((b"\n", b"\n", b"\n", b"", b"\n\nA list hangs its words behind.\n"))
        close = mark + b"--"
        between = mark + (b" \t\n" if odd == 6 else b"\n")
        if odd == 7:
            close = b""
        if odd == 8:
            close = mark
        if odd == 9:
            close = mark + b"-- "
        if odd == 10:
            epilogue = b"\n" + mark + b"\n\nafter the end\n"
        if odd == 11:
            parts = ()
        if odd == 12:
            parts = (*parts, b"")
        if odd == 13:
            parts = (*parts, b"Content-Type: text/plain")
        if odd == 14:
            close += close
        inner = b"".join(between + part for part in parts)
        content = preamble + inner + close + epilogue
        return head.encode() + b"\n" + (content[1:] if content.startswith(b"\n--") else content)

    def body(self) -> bytes:
        """The header fields that say what the body is, and the body."""
        calm = self.chance(0.5)

        def plain() -> bytes:
            return self.text("plain", calm=calm)

        def page() -> bytes:
            return self.text("html", calm=calm)

        def file() -> bytes:
            return self.dice.choice(FILES)

        shapes: Sequence[Callable[[], bytes]] = (
            plain, plain, plain, page, page,
            lambda: self.multipart("alternative", plain(), page()),
            lambda: self.multipart("alternative", plain(), page()),
            lambda: self.multipart("mixed", plain(), file()),
            lambda: self.multipart("mixed", plain(), file(), file()),
            lambda: self.multipart("mixed", file(), plain()),
            lambda: self.multipart("mixed", plain(), file(), plain()),
            lambda: self.multipart("mixed", plain(), page()),
            lambda: self.multipart("mixed", page(), file()),
            lambda: self.multipart("mixed", page(), plain(), page()),
            lambda: self.multipart("related", page(), file()),
            lambda: self.multipart("related", self.multipart("alternative", plain(), page()), file()),
            lambda: self.multipart("alternative", plain(), self.multipart("related", page(), file())),
            lambda: self.multipart("alternative", plain(), self.multipart("mixed", page(), file(), page())),
            lambda: self.multipart("mixed", self.multipart("alternative", plain(), page()), file(), file()),
            lambda: self.multipart(
                "mixed", self.multipart("related", self.multipart("alternative", plain(), page()), file()), file()
            ),
            lambda: self.multipart("mixed", self.multipart("mixed", plain()), file()),
            lambda: self.multipart("mixed", self.multipart("mixed", self.multipart("mixed", plain(), file()))),
            lambda: self.multipart("digest", b"\nFrom: a\n\nx\n", b"\nFrom: b\n\ny\n"),
            lambda: self.multipart("mixed", plain(), self.multipart("digest", b"\nFrom: a\n\nx\n"), plain()),
            lambda: self.multipart("parallel", plain(), file()),
            lambda: self.multipart("form-data", plain(), file()),
            lambda: self.multipart("x-odd", plain(), page()),
            lambda: self.multipart("signed", plain(), file()),
            lambda: self.multipart("report", plain(), b"Content-Type: message/delivery-status\n\nReporting-MTA: x\n"),
            lambda: self.multipart("alternative", page(), plain()),
            lambda: self.multipart("alternative", plain()),
            lambda: self.multipart("mixed", *[file() for _ in range(12)]),
            file,
        )  # fmt: skip
        return self.dice.choice(shapes)()

    def mail(self) -> bytes:
        sender, recipient = (self.dice.choice(SENDERS) if self.chance(0.1) else SENDERS[0] for _ in range(2))
        head = (
            b"From: %b\nTo: %b\n" % (sender, recipient)
            + self.dice.choice((b"Subject: results\n", b"Subject: Re: [list] =?iso-8859-1?Q?na=EFf?=\n", b""))
            + b"Date: Mon, 2 Sep 2002 10:00:00 +0100\nMessage-ID: <1@example.com>\n"
        )
        if self.chance(0.3):
            more = self.dice.choice(HEADERS)
            head = more + head if self.chance(0.6) else head + more
        version = self.dice.choice(VERSIONS) if self.chance(0.15) else VERSIONS[0]
        whole = head + version + self.body()
        return self.damaged(whole) if self.chance(0.25) else whole.replace(b"\n", b"\r\n")

    # --- on the way --------------------------------------------------------------------------------------

    def damaged(self, whole: bytes) -> bytes:
        """What a bad relay, an editor or a disk made of it."""
        kind = self.dice.randrange(14)
        at = self.dice.randrange(len(whole))
        lines = whole.split(b"\n")
        number = self.dice.randrange(len(lines))
        if kind == 0:
            return whole
        if kind == 1:
            return whole.replace(b"\n", b"\r")
        if kind == 2:
            return b"".join(line + self.dice.choice((b"\n", b"\r\n", b"\r\n", b"\r\n")) for line in lines)
        if kind == 3:
            return whole.replace(b"\n", b"\r\n")[: at + 1]
        if kind == 4:
            lines.pop(number)
        if kind == 5:
            lines.insert(number, lines[number])
        if kind == 6:
            lines.insert(number, b"")
        if kind == 7:
            lines.insert(number, bytes(self.dice.randrange(256) for _ in range(20)).replace(b"\n", b""))
        if kind == 8:
            lines[number] += self.dice.choice((b" ", b"\t", b"\r", b"\0", b"\x1a"))
        if kind == 9:
            lines = [b" " + line if line and n == number else line for n, line in enumerate(lines)]
        if kind == 10:
            return whole.replace(b"\n", b"\r\r\n")
        if kind == 11:
            return b"\r\n" + whole.replace(b"\n", b"\r\n")
        if kind == 12:
            lines.pop(lines.index(b"")) if b"" in lines else None
        if kind == 13:
            return b"\r\n".join(lines).rstrip(b"\r\n")
        return b"\r\n".join(lines)


def made(number: int) -> bytes:
    """Mail number `number`."""
    return _Maker(random.Random(number)).mail()  # noqa: S311 - no secret
