"""The property behind `gateway.message.plain`: what is plain, the other parser reads as the scan did."""

from hypothesis import event, given
from hypothesis import strategies as st

from gateway.message.agree import _compared
from gateway.message.plain import is_plain
from gateway.message.scan import scan
from tests.fuzz.message.trees import BODIES, GARBAGE, TREES
from tests.unit.message.samples import HEAD, MAILS

# Pieces of values: what is plain, and what makes a parser think.
_PIECES = st.sampled_from(
    (
        b"text/plain",
        b"text/html",
        b"TEXT/plain",
        b"multipart/alternative",
        b"message/rfc822",
        b"; charset=utf-8",
        b';\r\n\tcharset="utf-8"',
        b'; boundary="b"',
        b";\r\n boundary=b",
        b"; Boundary=<b>",
        b'; boundary="<b>"',
        b"; boundary=B",
        b"; boundary*=b",
        b"; boundary*0=b",
        b'; name="a; boundary=b"',
        b"; x='",
        b"; =y",
        b";",
        b"7bit",
        b"8bit",
        b"base64",
        b"1.0",
        b"(c)",
        b'"',
        b"\\",
        b" ",
        b"\t",
        b"\r\n ",
        b"\r\n\t",
        b"\xe6\x8e\xa1",
        b"\x85",
        b"\xa0",
        b"\x0b",
        b"\x0c",
        b"\x1c",
        b"\x1b$B",
        b"=?utf-8?B?QQ==?=",
        b"From ",
        b":",
    )
)
_NAMES = st.sampled_from(
    (
        b"Content-Type",
        b"content-type",
        b"Content-Transfer-Encoding",
        b"MIME-Version",
        b"Content-Disposition",
        b"Subject",
        b"X",
        b"--b",
        b"From",
        b">From",
    )
)
_FIELDS = st.builds(
    lambda name, colon, value: name + colon + value + b"\r\n",
    _NAMES,
    st.sampled_from((b":", b": ", b":\t")),
    st.lists(_PIECES, max_size=4).map(b"".join),
)
_HEADERS = st.lists(_FIELDS, max_size=4).map(b"".join)
_LETTERS = st.builds(
    lambda before, kind, after, body: before + b"Content-Type: " + kind + b"\r\n" + after + b"\r\n" + body,
    _HEADERS,
    _PIECES,
    _HEADERS,
    BODIES,
)
_SIMPLE = st.sampled_from(
    (b"", b"X: y\r\n", b"Content-Type: text/plain\r\n", b'Content-Type: text/html; charset="utf-8"\r\n')
)
_LEAVES = st.builds(lambda header, body: header + b"\r\n" + body, st.one_of(_SIMPLE, _FIELDS), BODIES)


@st.composite
def _pairs(draw: st.DrawFn) -> bytes:
    """Texts between boundaries, most of them plain."""
    boundary = draw(st.sampled_from((b"b", b"=_b", b"a:b", b"a b", b"no", b"-")))
    written = draw(st.sampled_from((b'"%b"', b"%b", b'"%b" ', b'"<%b>"'))) % boundary
    fields = [b"Content-Type: multipart/alternative; boundary=" + written + b"\r\n", draw(_SIMPLE)]
    data = b"".join(draw(st.permutations(fields))) + draw(st.sampled_from((b"", b"X: y\r\n"))) + b"\r\n"
    data += draw(st.sampled_from((b"", b"preamble\r\n", b"\r\n", b"\r", b"--b\r\n")))
    for leaf in draw(st.lists(_LEAVES, min_size=1, max_size=3)):
        data += b"--" + boundary + b"\r\n" + leaf + draw(st.sampled_from((b"\r\n", b"\r\n\r\n", b"\n")))
    return data + b"--" + boundary + b"--" + draw(st.sampled_from((b"", b"\r\n", b"\r\nx", b" \r\n")))


_SEEDS = st.one_of(
    _LETTERS, _pairs(), TREES.map(lambda tree: HEAD + tree.data), st.sampled_from(list(MAILS.values()))
)


@given(_SEEDS, st.data())
def test_plain_mails_are_read_alike(data: bytes, draw: st.DataObject) -> None:
    """Of generated mails, and of such mails with bytes put in, taken out and doubled."""
    for _ in range(draw.draw(st.integers(0, 3))):
        at = draw.draw(st.integers(0, len(data)))
        end = min(len(data), at + draw.draw(st.integers(0, 12)))
        data = data[:at] + draw.draw(st.one_of(_PIECES, GARBAGE, st.just(data[at:end] * 2))) + data[end:]
    message = scan(data)
    plain = is_plain(message)
    event(f"plain: {plain}, parts: {len(message.parts)}")
    assert not plain or _compared(message)
