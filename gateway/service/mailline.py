"""What the log says of a mail: the fields of its line, and the usual line made at once.

Every mail has such a line, so it is made from the report as it stands where nothing in it needs care. Where
something does, and for every other form, there are the fields.
"""

from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring
from typing import Any

from gateway.transaction.report import MailReport


class MailFields(Mapping[str, Any]):
    """The fields by name, in their order. Made when somebody asks for them."""

    __slots__ = ("_made", "_recipients", "_report", "_sender")

    def __init__(self, report: MailReport, sender: str, recipients: list[str]) -> None:
        """`sender` and `recipients` as the log is to show them, these in the order of the report's copies."""
        self._report = report
        self._sender = sender
        self._recipients = recipients
        self._made: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - texts, numbers and a list
        return self.made()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.made())

    def __len__(self) -> int:
        return len(self.made())

    def made(self) -> dict[str, Any]:
        """All of them, to be read only: asked for one by one they cost a line in JSON a sixth more."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def _make(self) -> dict[str, Any]:
        report = self._report
        fields: dict[str, Any] = {
            "id": report.id,
            "peer": report.peer,
            "listener": report.listener,
            "route": report.route,
            "sender": self._sender,
            "message_id": report.message_id,
            "octets": report.octets,
            "reason": str(report.reason),
            "held_ms": round(report.held * 1000, 1),
            "sent_ms": round(report.sent * 1000, 1),
        }
        if report.proven:
            fields["proven"] = report.proven
        if report.detail:
            fields["detail"] = report.detail
        if report.rule:
            fields["rule"] = report.rule
            fields["score"] = report.score
            fields["ruleset"] = report.ruleset
        copies: list[dict[str, str]] = []
        for shown, copy in zip(self._recipients, report.copies, strict=True):
            told = {"to": shown, "fate": copy.fate}
            if copy.token:
                told["token"] = copy.token[:6]
            if copy.reason:
                told["reason"] = copy.reason
            told["host"] = copy.host
            told["reply"] = copy.reply
            copies.append(told)
        fields["copies"] = copies
        fields["reply"] = report.reply.shown if report.reply is not None else "each"
        return fields

    def usual_text(self) -> str:
        """All fields as `gateway.service.lines.TextFormatter` has them one by one, for a fifth of the cost.

        Empty where one of them has to be escaped, or quoted though it seldom is.
        """
        report = self._report
        if report.detail:
            return ""
        bare = (
            f"id={report.id} peer={report.peer} listener={report.listener} route={report.route}"
            f" sender={self._sender} message_id={report.message_id} octets={report.octets}"
            # to a tenth as by `round`, which takes twice as long
            f" reason={report.reason} held_ms={report.held * 1000:.1f} sent_ms={report.sent * 1000:.1f}"
        )
        blanks = 9
        if report.proven:
            bare += f" proven={report.proven}"
            blanks += 1
        if report.rule:
            bare += f" rule={report.rule} score={report.score} ruleset={report.ruleset}"
            blanks += 3
        # A value with a blank shows in their number, and an empty one in what stands behind its "=".
        if bare.count(" ") != blanks or '"' in bare or "= " in bare or bare[-1] == "=":
            return ""
        quoted = encode_basestring
        copies = ""
        for shown, copy in zip(self._recipients, report.copies, strict=True):
            token = f'"token":{quoted(copy.token[:6])},' if copy.token else ""
            reason = f'"reason":{quoted(copy.reason)},' if copy.reason else ""
            copies += (
                f'{"," if copies else ""}{{"to":{quoted(shown)},"fate":{quoted(copy.fate)},{token}{reason}'
                f'"host":{quoted(copy.host)},"reply":{quoted(copy.reply)}}}'
            )
        reply = report.reply
        if reply is None:
            told = "each"
        elif " " in reply.shown:
            told = quoted(reply.shown)
        else:
            return ""
        said = f"copies=[{copies}] reply={told}"
        # Of ASCII, DEL is the only one that JSON lets stand as it is; a look at each character costs more.
        printable = "\x7f" not in said if said.isascii() else said.isprintable()
        return f"{bare} {said}" if printable and bare.isprintable() else ""
