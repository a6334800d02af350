"""Mails to measure with: each is unique (Message-ID, recipient, text), so that none is taken for a retry."""

import base64
import itertools
from dataclasses import dataclass

# A header as mail systems of today write it: trace, threads and flags are most of a short mail.
_HEAD = """\
Received: from EX02.corp.example.co.jp (10.20.30.42) by EX01.corp.example.co.jp\r
 (10.20.30.41) with Microsoft SMTP Server (version=TLS1_2,\r
 cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.2.1544.11; Mon, 2 Nov\r
 2026 10:12:33 +0900\r
Received: from EX02.corp.example.co.jp ([fe80::4c1d:9a55:21b3:77aa]) by\r
 EX02.corp.example.co.jp ([fe80::4c1d:9a55:21b3:77aa%%5]) with mapi id\r
 15.02.1544.011; Mon, 2 Nov 2026 10:12:32 +0900\r
From: =?UTF-8?B?5o6h55So5ouF5b2T?= <saiyo@example.co.jp>\r
To: candidate-%(n)s@example.com\r
Subject: =?UTF-8?B?%(subject)s?=\r
Thread-Topic: =?UTF-8?B?%(subject)s?=\r
Thread-Index: AdsK3b8lq0nM1cJ2T6e5V0hX9uYk4wAAABCD\r
Date: Mon, 02 Nov 2026 10:12:31 +0900\r
Message-ID: <%(n)s@mail.example.co.jp>\r
Accept-Language: ja-JP, en-US\r
Content-Language: ja-JP\r
X-MS-Has-Attach:\r
X-MS-TNEF-Correlator:\r
x-originating-ip: [10.20.31.7]\r
X-MS-Exchange-Organization-AuthSource: EX02.corp.example.co.jp\r
X-MS-Exchange-Organization-AuthAs: Internal\r
X-MS-Exchange-Organization-AuthMechanism: 04\r
MIME-Version: 1.0\r
"""

_REJECTION = """\
応募番号 %(n)s 様

拝啓　時下ますますご清栄のこととお慶び申し上げます。

このたびは、弊社の中途採用選考にご応募いただき、誠にありがとうございました。
また、先日はお忙しい中、面接にお越しいただき、重ねて御礼申し上げます。

社内にて慎重に選考を重ねました結果、誠に残念ではございますが、
今回は採用を見送らせていただくこととなりました。
ご希望に沿えず大変恐縮ではございますが、何卒ご了承くださいますようお願い
申し上げます。

末筆ながら、皆様の今後のご活躍を心よりお祈り申し上げます。

敬具
"""

_ORDINARY = """\
案件番号 %(n)s

お世話になっております。架空商事の小林です。

先日の打ち合わせの議事録をお送りいたします。ご確認のほど、よろしくお願い
いたします。次回は来週の火曜日、同じ会議室で行う予定です。
"""

_FILLER = (
    "──────────────────────────\n",
    "株式会社サンプル　人事部　採用グループ　小林 恵\n",
    "〒100-0000　東京都千代田区見本町1-2-3　見本ビル8階\n",
    "TEL 03-0000-0000　FAX 03-0000-0001　E-Mail saiyo@example.co.jp\n",
    "https://www.example.co.jp/recruit/\n",
    "※このメールは送信専用のアドレスからお送りしています。\n",
    "※お問い合わせは、上記の電話番号までお願いいたします。\n",
    "Sample K.K., Human Resources, 8F Mihon Building, 1-2-3 Mihon-cho, Tokyo 100-0000, Japan\n",
)
NUMBER = b"0" * 20  # stands for the mail's own number in the templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A mail in two pieces: `head` with `NUMBER` for its number, `tail` the same for all, with the dot."""

    head: bytes
    tail: bytes
    marked: bool

    def pieces(self, number: int) -> tuple[bytes, bytes]:
        """The mail with this number, stuffed and ended, in two pieces that together are the content."""
        return self.head.replace(NUMBER, b"%020d" % number), self.tail

    @property
    def octets(self) -> int:
        """Its size on the wire."""
        return len(self.head) + len(self.tail)


def template(kind: str, octets: int) -> Template:
    """A mail of about so many octets: ``rejection`` or ``ordinary``; past 64 KB the rest is an attachment."""
    number = NUMBER.decode()
    subject, text = {
        "rejection": ("選考結果のご連絡", _REJECTION),
        "ordinary": ("打ち合わせの件", _ORDINARY),
    }[kind]
    encoded = base64.b64encode(subject.encode()).decode()
    head = _HEAD % {"n": number, "subject": encoded}
    plain = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    body = text % {"n": number}
    large = octets > 1 << 16
    if large:
        head += 'Content-Type: multipart/mixed; boundary="=_bench"\r\n\r\n--=_bench\r\n'
    wanted = 2048 if large else octets - len((head + plain).encode())
    for line in itertools.cycle(_FILLER):
        if len(body.encode()) + len(line.encode()) > wanted:
            break
        body += line
    start = (head + plain + body.replace("\n", "\r\n")).encode()
    if not large:
        return Template(head=start + b".\r\n", tail=b"", marked=kind == "rejection")
    start += (
        b"--=_bench\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Disposition: attachment; filename=a.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
    )
    row = base64.b64encode(bytes(range(54)) + b"abc") + b"\r\n"
    tail = row * ((octets - len(start)) // len(row)) + b"--=_bench--\r\n.\r\n"
    return Template(head=start, tail=tail, marked=kind == "rejection")
