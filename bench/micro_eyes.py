"""What it costs to count a mail for the metrics: python -m bench.micro_eyes."""

import time

from gateway.reason import Reason
from gateway.service.eyes.table import Table
from gateway.smtp.reply import Reply
from gateway.transaction.report import CopyReport, MailReport

ROUNDS = 200_000


def main() -> None:
    """Count the same mail many times, and say what one time took."""
    copy = CopyReport(recipient="a@example.com", token="", host="h", fate="taken", reply="250 ok")
    report = MailReport(
        id="1", peer="", listener="", route="", sender="", reason=Reason.NO_MATCH, copies=[copy], octets=4_000
    )
    report.reply, report.held, report.sent = Reply.of(250, "", "ok"), 0.002, 0.01
    count = Table(workers=1).worker(0).mail
    begun = time.process_time()
    for _ in range(ROUNDS):
        count(report)
    print(f"{(time.process_time() - begun) / ROUNDS * 1e6:.2f} microseconds of CPU a mail")


if __name__ == "__main__":
    main()
