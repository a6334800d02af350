"""Mails as people's programs write them, and what a reader looks for in each.

The HTML is composed for these tests; the structures are those of the programs named.
"""

from dataclasses import dataclass

SMALL, WIDE = 360, 1200
"""Windows in CSS pixels: a phone held upright, and a desk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One HTML mail.

    Attributes:
        html: its source.
        new: the last words that the sender wrote.
        quoted: words of the quoted original below, or empty.
        rtl: whether the page is written from right to left.
        fluid: whether it fits a small window by itself.
    """

    html: str
    new: str
    quoted: str = ""
    footer: str = "default-ja"
    rtl: bool = False
    fluid: bool = True


OUTLOOK_TABLES = """<!DOCTYPE html>
<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">
<head><meta http-equiv="Content-Type" content="text/html; charset=utf-8">
<!--[if gte mso 9]><xml><o:OfficeDocumentSettings><o:AllowPNG/></o:OfficeDocumentSettings></xml><![endif]-->
<style>p.MsoNormal, li.MsoNormal { margin:0mm; font-size:10.5pt; font-family:"Yu Gothic",sans-serif }</style>
</head><body bgcolor="#eef1f5" lang="JA" link="#0563C1" vlink="#954F72">
<table width="100%" border="0" cellspacing="0" cellpadding="0"><tr><td align="center">
<table width="600" border="0" cellspacing="0" cellpadding="24" bgcolor="#ffffff"
style="font-family:sans-serif">
<tr><td bgcolor="#1f3a5f" style="color:#ffffff"><b>株式会社サンプル 採用事務局</b></td></tr>
<tr><td><p class="MsoNormal">山田 太郎 様</p><p class="MsoNormal"><o:p>&nbsp;</o:p></p>
<p class="MsoNormal">慎重に選考いたしました結果、
誠に残念ながら、今回は採用を見送らせていただくこととなりました。</p>
<p class="MsoNormal">採用事務局 鈴木</p></td></tr></table>
</td></tr></table></body></html>
"""

OUTLOOK_REPLY = """<html><head><style>
<!-- p.MsoNormal { margin:0mm; font-size:10.5pt; font-family:"Yu Gothic",sans-serif } --></style></head>
<body lang="JA" link="#0563C1" vlink="#954F72" style="word-wrap:break-word"><div class="WordSection1">
<p class="MsoNormal">山田 太郎 様</p><p class="MsoNormal">&nbsp;</p>
<p class="MsoNormal">誠に残念ながら、今回は採用を見送らせていただくこととなりました。</p>
<p class="MsoNormal">鈴木 花子</p><p class="MsoNormal">&nbsp;</p>
<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0mm 0mm 0mm">
<p class="MsoNormal"><b>From:</b> Taro Yamada &lt;taro@example.test&gt;<br>
<b>Sent:</b> Monday, November 9, 2026<br>
<b>To:</b> hr@example.co.jp<br><b>Subject:</b> 応募の件</p></div></div>
<p class="MsoNormal">応募書類をお送りします。</p></div></body></html>
"""

GMAIL_REPLY = (
    '<div dir="ltr">山田 太郎 様<div><br></div>'
    "<div>誠に残念ながら、今回は採用を見送らせていただくこととなりました。</div><div>鈴木</div></div><br>"
    '<div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">'
    '2026年11月9日(月) 10:00 Taro &lt;<a href="mailto:taro@example.test">taro@example.test</a>&gt;:<br></div>'
    '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);'
    'padding-left:1ex"><div>応募書類をお送りします。</div></blockquote></div>'
)

DARK_STYLES = """<!DOCTYPE html><html lang="en"><head><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width"><style>
body { background: #ffffff; color: #1a1a1a; font-family: sans-serif }
a { color: #6f1d8f }
@media (prefers-color-scheme: dark) {
  body { background: #121212 !important; color: #e8e8e8 !important }
  p, li, a, span, div, td { color: #f2f2f2 !important }
}</style></head>
<body><h1>Your application</h1><p>Dear Mr Yamada,</p>
<p>We have decided to move forward with other candidates.</p></body></html>
"""

DARK_LETTERS_ONLY = """<!DOCTYPE html>
<html><head><style>@media (prefers-color-scheme: dark) { p { color: #eee } li { color: #ddd } }</style></head>
<body bgcolor="#ffffff"><table role="presentation" width="100%"><tr><td style="background:#111;color:#eee">
<p style="color:#eee">Dear Mr Yamada,</p>
<p style="color:#eee">We have decided to move forward with other candidates.</p></td></tr></table>
</body></html>
"""

DARK_ALL_OVER = """<html><body style="margin:0;background:#14213d;font-family:sans-serif">
<table align="center" width="100%" cellpadding="20" style="max-width:560px"><tr><td style="color:#ffffff">
<p style="color:#ffffff">Dear Mr Yamada,</p>
<p style="color:#ffffff">We have decided to move forward with other candidates.</p></td></tr></table>
</body></html>
"""

RIGHT_TO_LEFT = """<!DOCTYPE html><html dir="rtl" lang="ar"><head><meta charset="utf-8"></head>
<body style="font-family:sans-serif"><p>السيد يامادا المحترم،</p>
<p>نشكركم على اهتمامكم بالعمل معنا. نأسف لإبلاغكم بأننا اخترنا مرشحين آخرين.</p></body></html>
"""

RIGHT_TO_LEFT_REPLY = (
    '<div dir="rtl">שלום רב,<div><br></div><div>לצערנו החלטנו להמשיך עם מועמדים אחרים.</div></div><br>'
    '<div class="gmail_quote"><div dir="rtl" class="gmail_attr">'
    "Taro &lt;taro@example.test&gt; כתב:<br></div>"
    '<blockquote class="gmail_quote" style="margin:0 .8ex 0 0;border-right:1px solid #ccc;padding-right:1ex">'
    "<div>Please find my application attached</div></blockquote></div>"
)

NO_CLOSING_TAGS = """<body><p>山田 太郎 様
<p>誠に残念ながら、今回は採用を見送らせていただくこととなりました。
<p>採用担当 鈴木
"""

NARROW = """<html><head><meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="margin:0;padding:8px;font:16px/1.6 sans-serif"><div style="max-width:340px;margin:0 auto">
<p>山田 太郎 様</p><p>誠に残念ながら、今回は採用を見送らせていただくこととなりました。</p>
<p>採用担当 鈴木</p></div></body></html>
"""

CENTRED_AND_LARGE = """<html><body style="text-align:center;font-size:28px;line-height:40px;
letter-spacing:1px">
<center><b><i>Dear Mr Yamada,<br>we have decided to move forward with other candidates.</i></b></center>
</body></html>
"""

FLOATS = """<html><body><p>Dear Mr Yamada,</p>
<div style="float:left;width:55%">We have decided to move forward
with other candidates.</div><div style="float:right;width:40%">Human Resources<br>Example Ltd<br>Tokyo</div>
</body></html>
"""

MAILS = {
    "outlook-tables": Mail(html=OUTLOOK_TABLES, new="採用事務局 鈴木", fluid=False),
    "outlook-reply": Mail(html=OUTLOOK_REPLY, new="鈴木 花子", quoted="応募書類をお送りします"),
    "gmail-reply": Mail(html=GMAIL_REPLY, new="鈴木", quoted="応募書類をお送りします"),
    "dark-styles": Mail(html=DARK_STYLES, new="other candidates", footer="default-en"),
    "dark-letters-only": Mail(html=DARK_LETTERS_ONLY, new="other candidates", footer="default-en"),
    "dark-all-over": Mail(html=DARK_ALL_OVER, new="other candidates", footer="default-en"),
    "right-to-left": Mail(html=RIGHT_TO_LEFT, new="مرشحين آخرين", footer="default-en", rtl=True),
    "right-to-left-reply": Mail(
        html=RIGHT_TO_LEFT_REPLY,
        new="מועמדים אחרים",
        quoted="my application attached",
        footer="default-en",
        rtl=True,
    ),
    "no-closing-tags": Mail(html=NO_CLOSING_TAGS, new="採用担当 鈴木"),
    "narrow": Mail(html=NARROW, new="採用担当 鈴木"),
    "centred-and-large": Mail(html=CENTRED_AND_LARGE, new="other candidates", footer="default-en"),
    "floats": Mail(html=FLOATS, new="other candidates", footer="default-en"),
}
