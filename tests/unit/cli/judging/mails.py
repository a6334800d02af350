"""Mails and a set of rules for the tests of `careerrelay rules ...`: small, and quick to load."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.judging import judge as judge_module
from gateway.cli.main import main
from gateway.cli.rewriting.mail import Rewriter, make_rewriter

REFUSAL = "慎重に選考いたしました結果、誠に残念ながら今回は採用を見送らせていただくこととなりました。"
THANKS = "このたびは弊社の求人にご応募いただき、誠にありがとうございました。"
WISHES = "今後のご活躍を心よりお祈り申し上げます。"


def mail(
    text: str = f"{THANKS}\r\n{REFUSAL}\r\n{WISHES}\r\n",
    *,
    head: bytes = b"",
    sender: str = "HR <hr@example.co.jp>",
    to: str = "Taro <taro@example.com>",
    subject: str = "Result",
    kind: str = "text/plain",
) -> bytes:
    """A mail as it lies in a file."""
    return (
        head
        + (
            f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Mon, 1 Jan 2024 00:00:00 +0900\r\n"
            f"Message-ID: <1@example.co.jp>\r\nMIME-Version: 1.0\r\nContent-Type: {kind}; charset=UTF-8\r\n"
            f"Content-Transfer-Encoding: 8bit\r\n\r\n{text}"
        ).encode()
    )


REJECTION = mail()
ORDINARY = mail("明日の会議は10時からです。\r\n")
SIGNED = mail(head=b"DKIM-Signature: v=1; a=rsa-sha256; d=example.co.jp; s=s; b=AA==\r\n")
AUTOMATIC = mail(head=b"Auto-Submitted: auto-replied\r\n")


@contextmanager
def shipped_rules_once() -> Iterator[None]:
    """Without a config and a folder it is always the same rules: they are built once."""
    shipped = make_rewriter(None, always=False)

    def made(
        path: Path | None, *, always: bool, rules: Path | None = None
    ) -> tuple[Rewriter, tuple[str, ...]]:
        return make_rewriter(path, always=always, rules=rules) if path or rules else shipped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge_module, "make_rewriter", made)
        yield


def rules(*words: str | Path, data: bytes | None = None) -> Result:
    """Runs ``careerrelay rules``; `data` is standard input."""
    return CliRunner().invoke(main, ["rules", *map(str, words)], input=data)


#: Rules that know one word, in a folder of their own.
ONE_WORD = """
[terms.no]
words = ["{word}"]
core = true
[[signal]]
id = "no"
strength = "strong"
terms = ["no"]
[[rule]]
id = "one-word"
action = "inject"
footer = "default-en"
scope.senders = "{senders}"
"""


def folder_of_rules(folder: Path, word: str, senders: str = "config") -> Path:
    """A folder with `ONE_WORD`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.toml").write_text(ONE_WORD.format(word=word, senders=senders), "utf-8")
    return folder
