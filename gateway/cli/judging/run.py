"""All labelled mails through one judge."""

from collections.abc import Iterable, Iterator

from gateway.cli.judging.judge import Judge
from gateway.cli.judging.labels import Labelled
from gateway.cli.judging.mails import read_one
from gateway.cli.judging.measure import Result
from gateway.reason import Reason
from gateway.ruleset.ruleset import Verdict

_FAULT = Verdict(matched=False, action="none", reason=Reason.INTERNAL_FAULT)


def run(judge: Judge, mails: Iterable[Labelled]) -> Iterator[Result]:
    """What the rules say of each mail, in order. A mail that cannot be judged is one that does not match."""
    for mail in mails:
        try:
            raw = read_one(mail.path, judge.rewriter.limit)
            verdict = judge.say(raw, sender=mail.sender, recipients=mail.recipients)
        except Exception as error:  # noqa: BLE001 - the other mails are still to be judged
            yield Result(mail=mail, verdict=_FAULT, fault=f"{type(error).__name__}: {error}")
        else:
            yield Result(mail=mail, verdict=verdict)
