"""Strategies: MIME trees as bytes, and bytes that only look like mail."""

from dataclasses import dataclass

from hypothesis import strategies as st

LEAF_TYPES = (
    "text/plain",
    "text/plain; charset=utf-8",
    "text/html; charset=iso-2022-jp",
    "application/pdf",
    "message/rfc822",
)
ENCODINGS = ("7bit", "8bit", "base64", "quoted-printable")
KINDS = ("mixed", "alternative", "related", "signed", "digest")

# Lines that mean something to a scanner, and lines that do not.
_LINES = st.one_of(
    st.sampled_from(
        (
            b"",
            b"text",
            b"--",
            b"-- ",
            b"--no",
            b"----",
            b"> quoted",
            b"From: x",
            b"Content-Type: text/html",
            b" fold",
            b".",
            b"=E6",
            b"=",
        )
    ),
    st.binary(max_size=20).map(lambda raw: raw.translate(None, b"\r\n\0")),
)
BODIES = st.lists(_LINES, max_size=6).map(b"\r\n".join)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What one leaf of a generated mail holds, in reading order."""

    kind: str
    encoding: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A part as bytes, and the leaves in it."""

    data: bytes
    leaves: tuple[Leaf, ...]


@st.composite
def leaves(draw: st.DrawFn) -> Tree:
    """A part that is no multipart."""
    kind, encoding, body = draw(st.sampled_from(LEAF_TYPES)), draw(st.sampled_from(ENCODINGS)), draw(BODIES)
    fields = draw(
        st.permutations(
            (f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}", "X-Other: a\r\n\tb")
        )
    )
    data = "\r\n".join((*fields, "", "")).encode() + body
    return Tree(data=data, leaves=(Leaf(kind=kind.partition(";")[0], encoding=encoding, body=body),))


@st.composite
def _nodes(draw: st.DrawFn, children: st.SearchStrategy[Tree]) -> Tree:
    parts = draw(st.lists(children, min_size=1, max_size=3))
    # Unlike any line above and any other boundary, so that the tree is what it was meant to be.
    depth = max((each.data.count(b"boundary=") for each in parts), default=0)
    boundary = f"=_{depth}_{sum(len(each.data) for each in parts)}_{draw(st.integers(0, 10**12))}_"
    kind = draw(st.sampled_from(KINDS))
    mark = b"\r\n--" + boundary.encode()
    preamble, epilogue = (
        draw(st.sampled_from((b"", b"preamble\r\n"))),
        draw(st.sampled_from((b"", b"\r\n", b"\r\nepilogue"))),
    )
    data = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode() + preamble
    data += b"".join(mark + b"\r\n" + each.data for each in parts) + mark + b"--" + epilogue
    return Tree(data=data, leaves=tuple(leaf for each in parts for leaf in each.leaves))


TREES = st.recursive(leaves(), _nodes, max_leaves=8)

_WORDS = st.sampled_from(
    (
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/mixed; boundary=bb\r\n",
        b"Content-Type: text/html; charset=utf-7\r\n",
        b"Content-Type: text/plain; charset=iso-2022-jp\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Subject: =?iso-2022-jp?B?GyRC?=\r\n",
        b"\r\n",
        b"\r\n--b\r\n",
        b"\r\n--b--\r\n",
        b"\r\n--bb\r\n",
        b"--b",
        b"\r",
        b"\n",
        b"\0",
        b"\x1b$B",
        b"\x1b(B",
        b"<a href=",
        b'"',
        b"<!--",
        b"-->",
        b"<script>",
        b"=\r\n",
        b" ",
        b">",
        b"On x wrote:\r\n",
        b"-----Original Message-----\r\n",
    )
)
GARBAGE = st.lists(st.one_of(_WORDS, st.binary(max_size=8)), max_size=30).map(b"".join)
