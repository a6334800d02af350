"""``careerrelay rewrite`` and ``careerrelay footer preview``: bytes, what is told about them, exit codes."""

import json
import mailbox
import os
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.cli.rewriting import mail as mail_module
from gateway.cli.rewriting.mail import MAX_MAIL, SAMPLE_KEYS, Rewriter, make_rewriter
from gateway.config import load_keys
from gateway.message.mailboxes import MAX_MAILBOXES, mailboxes
from gateway.message.scan import scan
from gateway.message.trace import has_own_id, received_field

HEAD = (
    b"From: =?UTF-8?B?5Lq65LqL?= <hr@example.co.jp>\r\nTo: Taro <taro@example.com>\r\n"
    b"Subject: =?UTF-8?B?6YG46ICD57WQ5p6c44Gu44GU6YCj57Wh?=\r\nDate: Mon, 1 Jan 2024 00:00:00 +0900\r\n"
    b"Message-ID: <1@example.co.jp>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)
REJECTION = (
    HEAD
    + (
        "山田 太郎 様\r\n\r\nこのたびは弊社の求人にご応募いただき、誠にありがとうございました。\r\n"
        "慎重に選考いたしました結果、誠に残念ながら今回は採用を見送らせていただくこととなりました。\r\n"
        "山田様の今後のご活躍を心よりお祈り申し上げます。\r\n"
    ).encode()
)
ORDINARY = HEAD + "明日の会議は10時からです。\r\n".encode()
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.co.jp; s=s; b=AA==\r\n" + REJECTION
CALENDAR = REJECTION.replace(b"text/plain", b"text/calendar")
BODY = REJECTION.partition(b"\r\n\r\n")[2]
LINK = b"https://careerrelay.example/r/00000000000000000000000000"

CONFIG = """
[gateway]
hostname = "gw.example.co.jp"
own_domains = ["example.co.jp"]
exclude = ["*@agency.example"]
{gateway}
[[listen]]
port = 2525
networks = ["127.0.0.0/8"]
[next_hop]
hosts = ["127.0.0.1:2526"]
[rules]
senders = ["*@example.co.jp"]
[rules.mode]
"*" = "inject"
[limits]
{limits}
[link]
url = "https://links.example/{{token}}"
opt_out = "https://links.example/no/{{token}}"
[company]
name = "株式会社テスト"
[ledger]
url = "sqlite:///ledger.db"
"""


@pytest.fixture(autouse=True, scope="module")
def _shipped_rules_once() -> Iterator[None]:
    """Without a config it is always the same rules: they are built once."""
    shipped = {always: make_rewriter(None, always=always) for always in (False, True)}

    def made(path: Path | None, *, always: bool) -> tuple[Rewriter, tuple[str, ...]]:
        return shipped[always] if path is None else make_rewriter(path, always=always)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mail_module, "make_rewriter", made)
        yield


@pytest.fixture(autouse=True)
def _spool_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the default spool folder of the machine under test lies is not what these tests are about."""
    monkeypatch.setattr("gateway.config.load.warn_of_files", lambda config, file: [])


def config(folder: Path, *, gateway: str = "", limits: str = "") -> str:
    """A config file in `folder`."""
    path = folder / "config.toml"
    path.write_text(CONFIG.format(gateway=gateway, limits=limits), "utf-8")
    return str(path)


def rewrite(*arguments: str | Path, data: bytes | None = None) -> Result:
    """Runs ``careerrelay rewrite``; `data` is standard input."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(main, ["rewrite", *(["-"] if data is not None else []), *words], input=data)


def answer(data: bytes, *arguments: str) -> dict[str, Any]:
    """What ``careerrelay rewrite --json`` says."""
    found = json.loads(rewrite("--json", *arguments, data=data).stdout)
    assert isinstance(found, dict)
    return found


# --- one mail ---


def test_a_rejection_gets_a_footer() -> None:
    """Our field in front, the footer at the end, and every other byte as it was; nothing else is told."""
    result = rewrite(data=REJECTION)
    assert (result.exit_code, result.stderr) == (0, "")
    field, _, rest = result.stdout_bytes.partition(b"\r\n")
    assert field.startswith(b"X-CareerRelay-Id: 00000000000000000000000000 ")
    assert rest.startswith(REJECTION)
    assert rest.count(LINK) == 1
    assert has_own_id(scan(result.stdout_bytes), SAMPLE_KEYS.own_id)
    assert b"Received:" not in rest


def test_without_a_match_the_mail_is_written_as_it_is() -> None:
    """Exit 3, the reason on standard error."""
    result = rewrite(data=ORDINARY)
    assert (result.exit_code, result.stdout_bytes) == (3, ORDINARY)
    assert result.stderr == "untouched: no-match\n"


def test_a_second_pass_changes_nothing() -> None:
    """What has our field is left alone, with --always too."""
    once = rewrite("--always", data=ORDINARY).stdout_bytes
    result = rewrite("--always", data=once)
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (3, once, "untouched: own-header\n")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ORDINARY, "forced"),
        (SIGNED, "forced"),
        (CALENDAR, "calendar"),
        (ORDINARY.replace(b"UTF-8\r\nC", b"x-none\r\nC"), "unknown-charset"),
        (b"Return-Path: <>\r\n" + ORDINARY, "null-sender"),
        (ORDINARY + LINK, "has-link"),
        (HEAD.replace(b"text/plain", b"image/png") + b"x", "no-text"),
        (ORDINARY.replace(b"To: Taro <taro@example.com>", b"To: a@example.co.jp"), "forced"),
        (ORDINARY.replace(b"To: Taro <taro@example.com>\r\n", b""), "forced"),
        (ORDINARY.replace(b"From: =?UTF-8?B?5Lq65LqL?= <hr@example.co.jp>\r\n", b""), "forced"),
    ],
)
def test_always_takes_the_place_of_rules_and_candidates_only(data: bytes, reason: str) -> None:
    """Every other reason holds, but for a DKIM signature."""
    found = answer(data, "--always")
    assert (found["reason"], found["changed"]) == (reason, reason == "forced")


def test_a_signature_is_a_reason_without_always() -> None:
    """As in a gateway that nobody told what signs after it."""
    assert answer(SIGNED)["reason"] == "dkim"


def test_the_domain_of_the_sender_counts_as_own() -> None:
    """Without a config: whoever is there is a colleague, whatever the domain."""
    assert (
        answer(REJECTION, "--from", "a@other.example", "--to", "b@OTHER.example")["reason"] == "no-candidate"
    )
    assert answer(REJECTION, "--from", "a@other.example")["reason"] == "injected"
    assert answer(REJECTION, "--to", "a@example.co.jp", "--to", "b@example.org")["reason"] == "injected"


def test_the_null_sender() -> None:
    """Both ways to write it."""
    assert {answer(REJECTION, "--from", null)["reason"] for null in ("", "<>")} == {"null-sender"}


def test_line_ends() -> None:
    """A file with LF is that mail with CRLF; what stands alone becomes CRLF as in the gateway."""
    expected = rewrite(data=REJECTION).stdout_bytes
    assert rewrite(data=REJECTION.replace(b"\r\n", b"\n")).stdout_bytes == expected
    assert rewrite(data=ORDINARY.replace(b"\r\n", b"\n") + b"a\rb").stdout_bytes == ORDINARY + b"a\r\nb"
    assert rewrite(data=ORDINARY + b"a\nb\n").stdout_bytes == ORDINARY + b"a\r\nb\r\n"


def test_json() -> None:
    """Verdict, reason, parts, placement, and charset and encoding before and after."""
    data = (
        REJECTION.replace(b"UTF-8\r\n", b"US-ASCII\r\n").replace(b"8bit", b"7bit").replace(BODY, b"Hello\r\n")
    )
    found = answer(data, "--always", "--to", "x@example.org")
    assert (found["changed"], found["reason"], found["parts"], found["placement"]) == (
        True,
        "forced",
        [0],
        "after-text",
    )
    assert found["edited"] == [
        {
            "part": 0,
            "type": "text/plain",
            "charset": {"before": "us-ascii", "after": "utf-8"},
            "encoding": {"before": "7bit", "after": "base64"},
        }
    ]
    assert (found["from"], found["to"]) == ("hr@example.co.jp", ["x@example.org"])
    verdict = answer(REJECTION)["verdict"]
    assert (verdict["matched"], verdict["rule"], verdict["footer"]) == (True, "ja-rejection", "default-ja")
    assert rewrite("--json", data=ORDINARY).exit_code == 3


def test_diff() -> None:
    """What came in, decoded, with its place; nothing of a mail can talk to the terminal."""
    encoded = REJECTION.replace(b"8bit", b"base64").replace(BODY, b"GxtbMm0gSGVsbG8sIHdvcmxkLg0K")
    result = rewrite("--diff", "--always", data=encoded)
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "@@ header @@",
        next(line for line in lines if line.startswith("+X-CareerRelay-Id: ")),
    ]
    assert "@@ part 0: text/plain, UTF-8, base64 @@" in lines
    assert " \\x1b\\x1b[2m Hello, world." in lines
    assert f"+{LINK.decode()}" in lines
    assert "\x1b" not in result.stdout
    assert rewrite("--diff", data=ORDINARY).stdout == ""


def _mixed(*parts: bytes) -> bytes:
    head = HEAD[: HEAD.index(b"Content-Type")] + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


FORWARDED = (
    b"Content-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\nold\r\n--i\r\n"
    b"Content-Type: text/html\r\n\r\n<p>old</p>\r\n--i--\r\n"
)
TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + BODY


@pytest.mark.parametrize(
    ("parts", "edited"),
    [
        ((TEXT, FORWARDED), [0]),
        ((FORWARDED, TEXT), [2]),
        ((b"Content-Type: image/png\r\n\r\nx", FORWARDED, FORWARDED, TEXT), [5]),
        ((b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nold\r\n", TEXT), [1]),
    ],
)
def test_parts_are_numbered_as_a_walk_finds_them(parts: tuple[bytes, ...], edited: list[int]) -> None:
    """Multiparts and embedded messages are no leaves, but what is in them is: as others count."""
    data = _mixed(*parts)
    found = answer(data, "--always")
    content = rewrite("--always", data=data).stdout_bytes
    was, now = (
        [part.get_payload(decode=True) for part in message_from_bytes(each).walk() if not part.is_multipart()]
        for each in (data, content)
    )
    assert found["parts"] == edited == [number for number, old in enumerate(was) if old != now[number]]
    assert [each["part"] for each in found["edited"]] == edited
    assert f"@@ part {edited[0]}: text/plain" in rewrite("--always", "--diff", data=data).stdout


def test_the_window_is_that_of_the_gateway(tmp_path: Path) -> None:
    """What the gateway would not hold until a verdict is not read; more behind it is no matter."""
    mixed = (
        HEAD.partition(b"Content-Type")[0]
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        + b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + BODY
        + b"\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b"QUJD\r\n" * 100_000
        + b"\r\n--b--\r\n"
    )
    result = rewrite(data=mixed)
    assert (result.exit_code, result.stdout_bytes.endswith(mixed[-600_000:])) == (0, True)
    assert answer(mixed, "--config", config(tmp_path, limits="window_bytes = 600"))["reason"] == "window"


# --- with a config ---


def test_config(tmp_path: Path) -> None:
    """Its own domains, lists, links and names; its key, which is not made here."""
    path = config(tmp_path)
    result = rewrite("--config", path, data=REJECTION)
    assert "no key file yet" in result.stderr
    assert b"https://links.example/00000000000000000000000000\r\n" in result.stdout_bytes
    assert "株式会社テスト".encode() in result.stdout_bytes
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.toml"]
    assert answer(REJECTION, "--config", path, "--to", "x@agency.example")["reason"] == "no-candidate"
    # in scope is who stands in the reverse-path or in the From field (docs/rules.md)
    assert answer(REJECTION, "--config", path, "--from", "x@example.org")["changed"] is True
    elsewhere = REJECTION.replace(b"<hr@example.co.jp>", b"<hr@example.org>")
    assert answer(elsewhere, "--config", path, "--from", "x@example.org")["changed"] is False
    keys = load_keys(tmp_path / "careerrelay.key", create=True)
    keyed = rewrite("--config", path, data=REJECTION)
    assert keyed.stderr == ""
    assert has_own_id(scan(keyed.stdout_bytes), keys.own_id)


def test_what_the_gateway_would_refuse_is_an_error(tmp_path: Path) -> None:
    """Exit 1, and no bytes that look like a mail that goes out."""
    keys = load_keys(tmp_path / "careerrelay.key", create=True)
    path = config(tmp_path, gateway='bare_newlines = "refuse"', limits="mail_bytes = 2000")
    mark = received_field(
        helo=b"x", peer="192.0.2.1", hostname="gw", protocol="ESMTP", recipient=None, session_id="1",
        date="Mon, 1 Jan 2024 00:00:00 +0900", mark_key=keys.mark,
    )  # fmt: skip
    for data in (ORDINARY + b"a\rb", ORDINARY + b"x" * 2000, mark * 3 + ORDINARY):
        result = rewrite("--config", path, data=data)
        assert (result.exit_code, result.stdout_bytes) == (1, b"")
        assert "the gateway would refuse this mail" in result.stderr
    assert answer(ORDINARY.replace(b"\r\n", b"\n"), "--config", path)["reason"] == "no-match"
    assert answer(mark + ORDINARY, "--config", path, "--always")["reason"] == "loop"


def test_a_config_with_errors(tmp_path: Path) -> None:
    """All of them, exit 1."""
    path = tmp_path / "config.toml"
    path.write_text("[gateway]\nx = 1\n")
    result = rewrite("--config", str(path), data=ORDINARY)
    assert result.exit_code == 1
    assert "gateway.x" in result.stderr
    assert "gateway.hostname" in result.stderr


# --- usage ---


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.eml", "--batch", "b", "--out", "c"],
        ["--batch", "b"],
        ["a.eml", "--out", "c"],
        ["a.eml", "--report", "r"],
        ["a.eml", "--json", "--diff"],
        ["--batch", "b", "--out", "c", "--json"],
        ["--batch", "b", "--out", "b"],
        ["--batch", "b", "--out", "b/c"],
        ["--batch", "b/c", "--out", "b"],
        ["a.eml", "--from", "nobody"],
        ["a.eml", "--to", "<a@example.com> x"],
        ["a.eml", "--to", ""],
        ["a.eml", "--nothing"],
    ],
)
def test_wrong_usage(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.eml").write_bytes(ORDINARY)
    (tmp_path / "b" / "c").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert rewrite(*arguments).exit_code == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Exit 1."""
    for arguments in (["none.eml"], ["--batch", "none", "--out", str(tmp_path / "out")]):
        result = rewrite(*arguments)
        assert (result.exit_code, "No such file" in result.stderr) == (1, True)


# --- many mails ---


def run(folder: Path, *arguments: str) -> tuple[dict[str, dict[str, Any]], Path, Result]:
    """Runs a batch over ``folder/in``: the report by file name, the folder of results."""
    report = folder / "report.jsonl"
    result = rewrite("--batch", folder / "in", "--out", folder / "out", "--report", str(report), *arguments)
    lines = [json.loads(line) for line in report.read_text("ascii").splitlines()]
    return {line["file"]: line for line in lines}, folder / "out", result


def test_batch_of_a_tree(tmp_path: Path) -> None:
    """Each result under its name, a line for each; what is no mail is passed over."""
    inside = tmp_path / "in" / "深い"
    inside.mkdir(parents=True)
    (tmp_path / "in" / "a.eml").write_bytes(REJECTION)
    (inside / "B.EML").write_bytes(ORDINARY.replace(b"\r\n", b"\n"))
    (inside / "0001.5f3c").write_bytes(ORDINARY)
    (inside / "readme.txt").write_text("no mail\n")
    (inside / "empty.eml").write_bytes(b"")
    lines, out, result = run(tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert sorted(each.relative_to(out).as_posix() for each in out.rglob("*") if each.is_file()) == [
        "a.eml",
        "深い/0001.5f3c",
        "深い/B.EML",
        "深い/empty.eml",
    ]
    assert (out / "a.eml").read_bytes() == rewrite(data=REJECTION).stdout_bytes
    assert (out / "深い" / "B.EML").read_bytes() == ORDINARY
    assert lines["a.eml"] == {
        "file": "a.eml",
        "changed": True,
        "reason": "injected",
        "parts": [0],
        "from": "hr@example.co.jp",
        "to": ["taro@example.com"],
    }
    assert (lines["深い/B.EML"]["changed"], lines["深い/B.EML"]["reason"]) == (False, "no-match")
    assert len(lines) == 4


def test_batch_reports_to_standard_output(tmp_path: Path) -> None:
    """Where no report is named; one mail may stand for a folder, and the envelope may be given."""
    (tmp_path / "a.eml").write_bytes(ORDINARY)
    result = rewrite(
        "--batch", tmp_path / "a.eml", "--out", tmp_path / "out", "--always", "--to", "x@example.org"
    )
    line = json.loads(result.stdout)
    assert (line["file"], line["reason"], line["to"]) == ("a.eml", "forced", ["x@example.org"])
    assert (tmp_path / "out" / "a.eml").read_bytes() == rewrite("--always", data=ORDINARY).stdout_bytes


def test_batch_of_a_maildir(tmp_path: Path) -> None:
    """Files of any name in cur and new; what is in tmp is not there yet."""
    for name in ("cur", "new", "tmp"):
        (tmp_path / "in" / "box" / name).mkdir(parents=True)
        (tmp_path / "in" / "box" / name / "1.M2P3.host:2,S").write_bytes(b"X: y\r\n" + ORDINARY)
    lines, out, _ = run(tmp_path, "--always")
    assert sorted(lines) == ["box/cur/1.M2P3.host:2,S", "box/new/1.M2P3.host:2,S"]
    assert LINK in (out / "box" / "cur" / "1.M2P3.host:2,S").read_bytes()
    assert not (out / "box" / "tmp").exists()


def test_batch_of_an_mbox(tmp_path: Path) -> None:
    """Comes out as an mbox with as many mails, each as it would alone; quoting stays."""
    (tmp_path / "in").mkdir()
    second = ORDINARY + b"\r\n>From now\r\nFrom here in a paragraph\r\n"
    mails = [REJECTION, second, ORDINARY]
    path = tmp_path / "in" / "archive"
    path.write_bytes(
        b"".join(b"From a@b Mon Jan  1\n" + mail.replace(b"\r\n", b"\n") + b"\n" for mail in mails)
    )
    lines, out, _ = run(tmp_path)
    assert [(name, line["changed"]) for name, line in lines.items()] == [
        ("archive#0", True),
        ("archive#1", False),
        ("archive#2", False),
    ]
    written = (out / "archive").read_bytes()
    expected = [rewrite(data=REJECTION).stdout_bytes, second, ORDINARY]
    assert written == b"".join(b"From a@b Mon Jan  1\r\n" + mail + b"\r\n" for mail in expected)
    path.write_bytes(b"From a\n" + ORDINARY)
    assert [line["changed"] for line in run(tmp_path, "--always")[0].values()] == [True]
    box = mailbox.mbox(out / "archive", create=False)
    assert [mail["Message-ID"] for mail in box] == ["<1@example.co.jp>"]
    box.close()
    path.with_name("none.mbox").write_bytes(b"")
    assert len(run(tmp_path)[0]) == 1


def test_a_fault_in_one_mail_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That mail is written as it came, the others go on, and the exit code tells."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / f"{name}.eml").write_bytes(b"X-Name: " + name.encode() + b"\r\n" + REJECTION)
    whole = Rewriter.rewrite

    def broken(self: Rewriter, raw: bytes, **envelope: Any) -> Any:  # noqa: ANN401 - what it stands for
        if b"X-Name: b" in raw:
            raise RecursionError("too deep")
        return whole(self, raw, **envelope)

    monkeypatch.setattr(Rewriter, "rewrite", broken)
    lines, out, result = run(tmp_path)
    assert result.exit_code == 1
    assert [line["changed"] for line in lines.values()] == [True, False, True]
    assert (lines["b.eml"]["reason"], lines["b.eml"]["detail"]) == (
        "internal-fault",
        "RecursionError: too deep",
    )
    assert (out / "b.eml").read_bytes() == b"X-Name: b\r\n" + REJECTION


def test_large_and_refused_mails_are_written_as_they_came(tmp_path: Path) -> None:
    """With the reason; the exit code is that of a run without faults."""
    (tmp_path / "in").mkdir()
    large = ORDINARY + b"x" * 3000
    looping = b"Received: from a by b; now\r\n" * 60 + b"From: a@example.com\r\n\r\nx\r\n"
    (tmp_path / "in" / "large.eml").write_bytes(large)
    (tmp_path / "in" / "looping.eml").write_bytes(looping)
    (tmp_path / "in" / "box.mbox").write_bytes(b"From a\n" + large)
    lines, out, result = run(tmp_path, "--config", config(tmp_path, limits="mail_bytes = 2000"))
    assert result.exit_code == 0
    assert {name: line["reason"] for name, line in lines.items()} == {
        "box.mbox#0": "size",
        "large.eml": "size",
        "looping.eml": "loop",
    }
    assert (out / "large.eml").read_bytes() == large
    assert (out / "looping.eml").read_bytes() == looping
    assert (out / "box.mbox").read_bytes() == b"From a\r\n" + large


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line each, and the others go on."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "gone.eml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "here.eml").write_bytes(ORDINARY)
    lines, _, result = run(tmp_path)
    assert result.exit_code == 1
    assert lines["gone.eml"]["reason"] == "internal-fault"
    assert lines["here.eml"]["reason"] == "no-match"


def test_mails_are_bounded() -> None:
    """More than a mail system takes is not read into memory."""
    assert 100_000_000 < MAX_MAIL < 200_000_000


# --- addresses ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@example.com", ["a@example.com"]),
        (b'"b@c, d" <a@example.com>, x@example.org (e@f)', ["a@example.com", "x@example.org"]),
        (
            b"Team: a@example.com, b@example.org; c@example.net",
            ["a@example.com", "b@example.org", "c@example.net"],
        ),
        (b'"a b"@example.com, <"c,d"@example.com>', ['"a b"@example.com', '"c,d"@example.com']),
        (b"undisclosed-recipients:;", []),
        (b"nobody, <>, <a@b> <c@d>, <a b@c>", ["a@b"]),
        (b"=?utf-8?q?a=40b?= <a@EXAMPLE.com>", ["a@example.com"]),
        (b"\xff@example.com, \x00@example.com", []),
        (b'"unclosed <a@example.com>', ["a@example.com"]),
    ],
)
def test_addresses_of_a_field(value: bytes, expected: list[str]) -> None:
    """What could stand in an envelope, and nothing else."""
    assert mailboxes(value) == expected


def test_addresses_are_bounded() -> None:
    """However many there are, and whatever is between them."""
    assert len(mailboxes(b"a@b.example," * 50_000)) == MAX_MAILBOXES
    for piece in (b'"', b"(", b"<", b"<a@", b"\\", b'"\\', b"a", b"@", b"a." * 5):
        assert mailboxes(piece * 65_536) == []


# --- footers ---


def preview(*arguments: str) -> Result:
    """Runs ``careerrelay footer preview``."""
    return CliRunner().invoke(main, ["footer", "preview", *arguments])


def test_footer_preview(tmp_path: Path) -> None:
    """The text with sample names, or with those of a config; the page in a file or on standard output."""
    result = preview("default-en")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "\nhttps://careerrelay.example/r/00000000000000000000000000\n" in result.stdout
    path = config(tmp_path)
    with_config = preview("default-ja", "--config", path, "--html", str(tmp_path / "page.html"))
    assert "株式会社テスト" in with_config.stdout
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert 'href="https://links.example/00000000000000000000000000"' in page
    assert preview("default-ja", "--config", path, "--html", "-").stdout == page


def test_footer_preview_of_nothing(tmp_path: Path) -> None:
    """A name that is not there is wrong usage, and the others are told; so is a page without a folder."""
    result = preview("none")
    assert result.exit_code == 2
    assert "there are: default-en, default-ja" in result.stderr
    assert preview("default-en", "--html", str(tmp_path / "no" / "page.html")).exit_code == 1


# --- what else lies in a tree ---


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    """Neither a folder that is called like a mail nor a named pipe, which would hold the program for ever."""
    inside = tmp_path / "in"
    (inside / "folder.eml").mkdir(parents=True)
    (inside / "folder.eml" / "a.eml").write_bytes(ORDINARY)
    for name in ("pipe", "pipe.eml"):
        os.mkfifo(inside / name)
    (inside / "loop").symlink_to(inside)
    lines, _, result = run(tmp_path)
    assert (sorted(lines), result.exit_code) == (["folder.eml/a.eml"], 0)


def test_progress_is_for_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the number of mails is shown on standard error; elsewhere nothing is."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.eml").write_bytes(REJECTION)
    assert run(tmp_path)[2].stderr == ""
    monkeypatch.setattr("gateway.cli.ticker.is_terminal", lambda: True)
    assert run(tmp_path)[2].stderr.endswith("\r1 mails, 1 changed\n")
