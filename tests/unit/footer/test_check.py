from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gateway.errors import MailUnreadable
from gateway.footer import check
from gateway.footer.body import Target
from gateway.footer.check import _bodies_as_before, _bodies_by_scan, _reads_as, check_edit, idle_spans
from gateway.footer.values import SAMPLE, FooterValues
from gateway.message.scan import Defect, DefectKind, scan
from gateway.message.splice import Edit, join, splice
from gateway.reason import Reason
from tests.unit.footer.mails import JA, LETTER_JA, QUOTED, Edited, add_footer, html, mail

DATA = (
    b"From: hr@example.co.jp\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + (LETTER_JA + QUOTED).encode()
    + b"\r\n--out\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\n"
    b"attached\r\n--out--\r\n"
)


def failed(edited: Edited, edits: Sequence[Edit], data: bytes) -> str:
    """What the check says against `data`."""
    with pytest.raises(MailUnreadable) as caught:
        check_edit(edited.plan, edited.runs, edits, data)
    assert caught.value.reason is Reason.CHECK_FAILED
    return caught.value.detail


def applied(edits: Sequence[Edit]) -> bytes:
    """The mail with these edits."""
    return join(DATA, splice(DATA, edits))


@pytest.mark.parametrize("place", range(0, len(DATA), 37))
def test_a_byte_that_changed_outside_of_the_edits_is_found(place: int) -> None:
    """Wherever it is."""
    edited = add_footer(DATA)
    (edit,) = edited.edits
    at = place if place < edit.start else place + len(edit.replacement)
    wrong = bytearray(edited.data)
    wrong[at] ^= 1
    assert failed(edited, edited.edits, bytes(wrong)) == "a byte outside of the edits has changed"


def test_a_byte_too_many_or_too_few_is_found() -> None:
    """Also at the very end."""
    edited = add_footer(DATA)
    for wrong in (edited.data + b"\r\n", edited.data[:-2]):
        assert failed(edited, edited.edits, wrong) == "a byte outside of the edits has changed"


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda run: run * 2, "the text of part 1 is not the old one"),
        (lambda run: run[:-2], "the text of part 1 is not the old one"),
        (lambda run: run.replace(b"0" * 26, b"1" * 26, 1), "the text of part 1 is not the old one"),
        (lambda run: b"", "the text of part 1 is not the old one"),
        (lambda run: b"\xff" + run, "part 1 cannot be read"),
        (lambda run: run + b"\n", "a defect that was not there: bare-cr-or-lf"),
        (lambda run: run + b"\r\n--out\r\n\r\nx", "3 parts became 4"),
        (lambda run: run + b"\r\n--out--\r\n", "a defect that was not there"),
    ],
)  # fmt: skip
def test_a_footer_that_is_not_in_once_as_meant_is_found(
    change: Callable[[bytes], bytes], detail: str
) -> None:
    """Twice, in part, another's link, unreadable, or tearing the parts apart."""
    edited = add_footer(DATA)
    (edit,) = edited.edits
    edits = [edit._replace(replacement=change(edit.replacement))]
    assert failed(edited, edits, applied(edits)).startswith(detail)


def test_an_edit_elsewhere_is_found() -> None:
    """In an attachment, in the wrong place of the text, or overlapping another."""
    edited = add_footer(DATA)
    (edit,) = edited.edits
    at = DATA.index(b"attached")
    edits = [edit, Edit(start=at, end=at, replacement=b"x")]
    assert failed(edited, edits, applied(edits)) == f"an edit at {at} lies in a part that gets no footer"
    edits = [edit._replace(start=edit.start - 4, end=edit.end - 4)]
    assert "part 1" in failed(edited, edits, applied(edits))
    edits = [Edit(start=3, end=9, replacement=b""), Edit(start=5, end=7, replacement=b"")]
    assert "overlaps" in failed(edited, edits, DATA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"text/plain; charset=utf-8", b"text/html; charset=utf-8"),
        (b"; charset=utf-8", b"; charset=utf-8; format=flowed"),
        (b"; charset=utf-8", b"; charset=utf-8; name=a.txt"),
        (b"; charset=utf-8", b"; charset=x-unknown"),
        (b"; charset=utf-8", b"; charset=shift_jis"),
        (b"Encoding: 8bit", b"Encoding: base64"),
    ],
)
def test_a_header_that_says_something_else_is_found(old: bytes, new: bytes) -> None:
    """Only charset and transfer encoding may change, and then the text has to read the same."""
    edited = add_footer(DATA)
    at = DATA.index(old)
    edits = [*edited.edits, Edit(start=at, end=at + len(old), replacement=new)]
    assert "part 1" in failed(edited, edits, applied(edits))


def test_a_header_that_ends_earlier_is_found() -> None:
    """What a reader takes for the body begins where it did."""
    edited = add_footer(DATA)
    at = DATA.index(b"\r\n\r\n") + 2
    edits = [*edited.edits, Edit(start=at, end=at, replacement=b"\r\n")]
    assert failed(edited, edits, applied(edits)) == "part 0 does not lie where it should"


def test_our_own_header_field_is_allowed() -> None:
    """The transaction adds fields of its own to the mail's header in the same splice."""
    edited = add_footer(DATA)
    for at in (0, DATA.index(b"\r\n\r\n") + 2):
        edits = [*edited.edits, Edit(start=at, end=at, replacement=b"X-CareerRelay-Id: 1\r\n")]
        check_edit(edited.plan, edited.runs, edits, applied(edits))


def test_a_footer_in_its_place_is_known_without_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is in the mail: rules of dashes in the footer, other parts, a boundary without a use."""
    for data in (
        DATA,
        mail(LETTER_JA + QUOTED),
        mail(LETTER_JA, charset="iso-2022-jp", encoding="7bit"),
        mail(LETTER_JA, encoding="base64"),
        mail(LETTER_JA, encoding="quoted-printable"),
        mail(html(LETTER_JA), kind="html", parameters="; boundary=b"),
        mail(LETTER_JA + "{{careerrelay}}\r\n{{careerrelay}}" + QUOTED),
    ):
        edited = add_footer(data)
        with monkeypatch.context() as patched:
            patched.setattr(check, "scan", None)
            check_edit(edited.plan, edited.runs, edited.edits, edited.data)


@pytest.mark.parametrize(
    ("before", "there", "now", "behind"),
    [
        (b"x", b"", b"\r\n--out", b"\r\n"),
        (b"x", b"", b"\r\n--out", b"er"),
        (b"x\r\n", b"", b"--o", b"ut\r\n"),
        (b"x\r\n--", b"", b"out", b"\r\n"),
        (b"x\r\n--o", b"", b"u", b"t\r\n"),
        (b"x\r\n--o", b"x", b"", b"ut\r\n"),
        (b"x\r\n", b"x", b"", b"--out\r\n"),
        (b"x\r\n--o", b" x\r\n", b"", b"ut\r\n"),
        (b"x", b"", b"\r\n", b"--out\r\n"),
        (b"x", b"", b"\0", b"x\r\n"),
        (b"x", b"", b"\r", b"x\r\n"),
        (b"x", b"", b"\n", b"x\r\n"),
        (b"x\r", b"", b"x", b"\n"),
        (b"x\r", b"\n", b"", b"x\r\n"),
        (b"x", b"\r", b"", b"\nx\r\n"),
        (b"x", b"\r\n", b"\r", b"\r\n"),
    ],
)
def test_a_touched_line_that_decides_on_something_asks_for_a_scan(
    before: bytes, there: bytes, now: bytes, behind: bytes
) -> None:
    """Delimiters, and what is no line end or no text; also where an edit makes old bytes into one."""
    top = "このたびは".encode()
    data = DATA.replace(top, before + there + behind + top, 1)
    edited = add_footer(data)
    at = data.index(before + there + behind + top) + len(before)
    edits = [Edit(start=at, end=at + len(there), replacement=now)]
    assert _bodies_as_before(edited.plan, edits, join(data, splice(data, edits))) is None
    if there or not before.endswith(b"\r"):
        edits = [Edit(start=at, end=at + len(there), replacement=there or b".")]
        assert _bodies_as_before(edited.plan, edits, join(data, splice(data, edits))) is not None


def test_a_scan_is_asked_for_where_more_than_text_was_edited() -> None:
    """A field, another part, a mail that had defects or was not all there, or one that may hold too much."""
    edited = add_footer(DATA)
    plan, edits = edited.plan, list(edited.edits)
    field = Edit(start=0, end=0, replacement=b"X-CareerRelay-Id: 1\r\n")
    for more in ([field, *edits], [*edits, Edit(start=DATA.index(b"attached"), end=-1, replacement=b"")]):
        assert _bodies_as_before(plan, more, applied([field])) is None
    assert _bodies_as_before(plan, edits, edited.data) == _bodies_by_scan(plan, edits, edited.data)
    for changes in ({"defects": (Defect(kind=DefectKind.NUL, at=0),)}, {"complete": False}):
        other = plan._replace(message=plan.message._replace(**changes))
        assert _bodies_as_before(other, edits, edited.data) is None
    assert _bodies_as_before(plan, edits, edited.data + b"x" * 800_000) is None


def test_a_boundary_in_place_of_the_first_line_is_not_written_over() -> None:
    """A body that has no room for a line has no room for a footer."""
    edited = add_footer(DATA)
    (target,) = edited.plan.targets
    body = DATA[slice(*target.part.body)]
    data = DATA.replace(body + b"\r\n--out", b"--out", 1)
    message = scan(data)
    assert not message.defects
    part = message.parts[1]
    plan = edited.plan._replace(message=message, targets=(target._replace(part=part),))
    edits = [Edit(start=part.body[0], end=part.body[0], replacement=b"x")]
    wrong = join(data, splice(data, edits))
    assert _bodies_as_before(plan, edits, wrong) is None
    with pytest.raises(MailUnreadable, match="3 parts became 2"):
        _bodies_by_scan(plan, edits, wrong)


def test_jis_and_microsoft_names_of_a_character_are_the_same() -> None:
    """～ is written as the 〜 of JIS X 0208 and read back so."""
    values = replace(SAMPLE, company="株式会社～－")
    for charset in ("iso-2022-jp", "shift_jis", "windows-31j", "euc-jp"):
        encoding = "7bit" if charset == "iso-2022-jp" else "8bit"
        codec = "cp932" if charset == "windows-31j" else charset
        data = mail("", charset="utf-8", encoding=encoding).replace(b"utf-8", charset.encode())
        add_footer(data + (LETTER_JA + QUOTED).encode(codec), JA, values)


def large(attachment: bytes) -> bytes:
    """`DATA` with another file."""
    return DATA.replace(b"attached", attachment)


FILE = b"\r\n".join(b"%064d" % number for number in range(2_000))


def test_a_large_file_need_not_be_looked_at_again() -> None:
    """Only its lines' middle is left out, and nothing of a part that gets the footer."""
    edited = add_footer(large(FILE))
    (cut,) = idle_spans(edited.plan)
    assert edited.message.data[cut.start : cut.end] == FILE[66 : FILE.rindex(b"\r\n") + 2]
    edits = (*edited.edits, cut)
    shortened = join(edited.message.data, splice(edited.message.data, edits))
    assert len(shortened) < 3_000
    check_edit(edited.plan, edited.runs, edited.edits, shortened, (cut,))
    for place in range(0, len(shortened), 37):
        wrong = bytearray(shortened)
        wrong[place] ^= 1
        with pytest.raises(MailUnreadable):
            check_edit(edited.plan, edited.runs, edited.edits, bytes(wrong), (cut,))


@pytest.mark.parametrize(
    "attachment", [FILE[:4_000], b"a" * 9_000, FILE + b"\r\n--x\r\n" + FILE, b"x\r\n--\r\n" + FILE]
)
def test_lines_that_could_be_boundaries_are_always_looked_at(attachment: bytes) -> None:
    """Also what is short, and what is one line."""
    edited = add_footer(large(attachment))
    assert idle_spans(edited.plan) == []


RESPELLED = FooterValues(
    link=SAMPLE.link, opt_out=SAMPLE.opt_out, company="サンプル～商会－", partner="人材￠"
)
MARKED = "山田様\r\n{{careerrelay}}\r\n見送ります。{{careerrelay}}\r\n鈴木\r\n"


def respelled() -> tuple[Target, str, str]:
    """A body where the charset spells the footer in another way than the template: what goes in, and how."""
    data = mail(MARKED, charset="iso-2022-jp", encoding="7bit")
    edited = add_footer(data, values=RESPELLED)
    (target,) = edited.plan.targets
    (run,) = edited.plan.runs(RESPELLED)
    part = scan(edited.data).parts[0]
    return target, run, edited.data[slice(*part.body)].decode("iso2022_jp")


def test_the_spelling_of_a_charset_is_no_change() -> None:
    """JIS and Microsoft name seven signs differently: the run may be spelled so, and nothing else."""
    target, run, decoded = respelled()
    assert decoded != target.new_text(run)
    assert _reads_as(decoded, target, run)
    for at in range(len(decoded)):
        assert not _reads_as(decoded[:at] + "Q" + decoded[at + 1 :], target, run), at
        assert not _reads_as(decoded[:at] + decoded[at + 1 :], target, run), at
        assert not _reads_as(decoded[:at] + "Q" + decoded[at:], target, run), at
    assert not _reads_as(decoded + "Q", target, run)
    assert not _reads_as(decoded + decoded[-1], target, run)


def test_the_old_text_is_not_respelled() -> None:
    """What the sender wrote has to be the same to the letter: only the run may be spelled anew."""
    target, run, decoded = respelled()
    other = target._replace(decoded=MARKED.replace("山", "〜"))
    assert not _reads_as(decoded.replace("山", "～", 1), other, run)
    assert _reads_as(decoded.replace("山", "〜", 1), other, run)
