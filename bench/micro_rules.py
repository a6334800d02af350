"""Cost of the rules alone: load, ordinary mail, rejections, hostile text. Run: python bench/micro_rules.py.

CPU time, the best of several rounds, so that what else the machine does matters little; "cold" is the
first judgement of a set that was just loaded. Nothing here is a test.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from gateway.ruleset.examples import written_mail  # noqa: E402 - the path comes first
from gateway.ruleset.load import load_rules  # noqa: E402
from gateway.ruleset.ruleset import MailView, Ruleset  # noqa: E402

ROUNDS, TURNS = 7, 200
SIZE = 4096

JA = """
この度は弊社の求人にご応募いただき、誠にありがとうございました。慎重に選考を重ねました結果、
誠に残念ながら、今回は採用を見送らせていただくこととなりました。ご期待に添えず申し訳ございませんが、
何卒ご了承くださいますようお願い申し上げます。お預かりした応募書類は弊社にて責任をもって破棄いたします。
末筆ながら、山田様の今後のご活躍を心よりお祈り申し上げます。

"""
JA_ORDINARY = """
明日の会議の資料を添付いたします。ご確認のうえ、修正点がございましたらご連絡ください。
会場は本社三階の会議室です。どうぞよろしくお願いいたします。

"""
EN = """
Thank you for your interest in the Software Engineer position at Sample Inc. and for taking the time to
interview with us. After careful consideration, we have decided not to move forward with your
application at this time. We wish you every success in your job search.

"""
EN_ORDINARY = """
Please find attached the slides for tomorrow's meeting. The room is on the third floor and we start at ten.
Let me know when you see anything to correct, and do not forget the numbers of last week.

"""
HOSTILE_JA = "応募。採用を見送らせていただ。他の候補者"
HOSTILE_EN = "not move forward application offer "


def filled(start: str, filler: str) -> str:
    """`start`, then `filler` up to `SIZE` octets of UTF-8."""
    text = start + filler * (SIZE // len(filler.encode()) + 1)
    return text.encode()[:SIZE].decode("utf-8", "ignore")


def best(action: Callable[[], object]) -> float:
    """Microseconds of one call, the best round."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(TURNS):
            action()
        rounds.append((time.process_time() - start) / TURNS)
    return min(rounds) * 1e6


def once(action: Callable[[], object]) -> float:
    """Microseconds of the very first call."""
    start = time.process_time()
    action()
    return (time.process_time() - start) * 1e6


def grown(files: dict[str, bytes], words: int) -> dict[str, bytes]:
    """The packs and as many words more that never occur."""
    listed = ", ".join(f'"珀{chr(0x4E00 + number)}{chr(0x5000 + number)}"' for number in range(words))
    return files | {"zz-more.toml": f"[terms.more]\nwords = [{listed}]\n".encode()}


def main() -> None:
    """Print one line a case."""
    files = {path.name: path.read_bytes() for path in sorted((ROOT / "rules").glob("*.toml"))}
    settings = {"config_senders": ["*@rules.example"], "modes": {"*": "inject"}}

    def load(content: dict[str, bytes], *, examples: bool = False) -> Ruleset:
        return load_rules(content, examples=examples, **settings)  # type: ignore[arg-type]

    mails: dict[str, MailView] = {
        "ja ordinary": written_mail(filled("", JA_ORDINARY), subject="会議資料"),
        "ja rejection": written_mail(filled(JA, JA_ORDINARY), subject="選考結果のご連絡"),
        "ja rejection, 0.6 KB": written_mail(JA, subject="選考結果のご連絡"),
        "en ordinary": written_mail(filled("", EN_ORDINARY), subject="Slides"),
        "en rejection": written_mail(filled(EN, EN_ORDINARY), subject="Your application"),
        "hostile ja": written_mail(filled("", HOSTILE_JA)),
        "hostile en": written_mail(filled("", HOSTILE_EN)),
    }
    print(f"load with examples {once(lambda: load(files, examples=True)) / 1000:8.0f} ms")
    print(f"load               {once(lambda: load(files)) / 1000:8.0f} ms")
    print(f"{load(files).book.lexicon.describe()}")
    ruleset = load(files)
    for name, mail in mails.items():
        cold = load(files)
        first = once(lambda cold=cold, mail=mail: cold.judge(mail))  # type: ignore[misc]
        warm = best(lambda mail=mail: ruleset.judge(mail))  # type: ignore[misc]
        verdict = ruleset.judge(mail)
        print(f"{name:22} warm {warm:7.1f} us   cold {first:7.1f} us   matched {verdict.matched}")
    mail = mails["ja ordinary"]
    larger = load(grown(files, 1000))
    print(f"1,000 words more: ordinary {best(lambda: larger.judge(mail)):.1f} us")
    mail = mails["ja rejection"]
    print(f"1,000 words more: rejection {best(lambda: larger.judge(mail)):.1f} us")


if __name__ == "__main__":
    main()
