"""Failure notices: the delivery status notification for recipients that were refused while others were taken. Pure.

RFC 3461 (what the sender asked for), RFC 3462 (multipart/report), RFC 3464 (message/delivery-status); SMTP.md
rule 16. A notice carries the *original* header and never a link. The failed mail is quoted whole only if the
sender asked for it (RET=FULL) and it is at hand.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.smtp.address import NULL_PATH, Path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Fate, Outcome
from gateway.smtp.parameters import Parameters

#: A notice quotes this much of the original at most; the rest of a large header helps nobody.
MAX_QUOTED = 65_536

_NOT_XTEXT = re.compile(rb"[^!-*,-<>-~]")
_XTEXT = re.compile(rb"\+([0-9A-F]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One recipient that was refused for good."""

    recipient: Rcpt
    outcome: Outcome


def wanted(mail: Mail, recipients: Sequence[Rcpt], outcomes: Sequence[Outcome]) -> list[Failure]:
    """The refused recipients whose failure the sender wants to hear of: none for a null sender or NOTIFY=NEVER."""
    if mail.path.null:
        return []
    return [
        Failure(recipient=recipient, outcome=outcome)
        for recipient, outcome in zip(recipients, outcomes, strict=True)
        if outcome.fate is Fate.REFUSED and b"FAILURE" in recipient.notify
    ]


def envelope_of(mail: Mail) -> tuple[Mail, Rcpt]:
    """From nobody to the sender of the failed mail; SMTPUTF8 where the address needs it."""
    parameters = Parameters() if mail.path.ascii else Parameters(((b"SMTPUTF8", b"SMTPUTF8"),))
    target = Path(b"<" + mail.path.mailbox + b">", mail.path.local, mail.path.domain)
    return Mail(NULL_PATH, parameters), Rcpt(target, Parameters())


def compose_notice(
    *,
    mail: Mail,
    failures: Sequence[Failure],
    original: bytes,
    complete: bool,
    hostname: str,
    date: str,
    unique: str,
    from_name: str,
    postmaster: str,
    next_hop: str,
) -> bytes:
    """The notice's content, CRLF line ends, not stuffed.

    Args:
        original: the mail as it came; its header at least.
        complete: whether `original` is all of it.
        date: RFC 5322 §3.3; `unique` makes the Message-ID and the boundary.
        next_hop: the host that refused, for the Remote-MTA field.
    """
    host = hostname.encode("ascii")
    boundary = b"=_" + unique.encode("ascii")
    head = _fields(
        (b"From", _mailbox(from_name, postmaster)),
        (b"To", b"<" + mail.path.mailbox + b">"),
        (b"Subject", b"Undelivered mail: not all recipients could be reached"),
        (b"Date", date.encode("ascii")),
        (b"Message-ID", b"<" + unique.encode("ascii") + b"@" + host + b">"),
        (b"Auto-Submitted", b"auto-replied"),
        (b"MIME-Version", b"1.0"),
        (b"Content-Type", b'multipart/report; report-type=delivery-status; boundary="' + boundary + b'"'),
    )
    parts = (
        _part(b"text/plain; charset=utf-8", _explanation(failures, hostname)),
        _part(b"message/delivery-status", _status(mail, failures, host, next_hop)),
        _original(mail, original, complete=complete),
    )
    body = b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts)
    return head + body + b"\r\n--" + boundary + b"--\r\n"


def _fields(*pairs: tuple[bytes, bytes]) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in pairs)


def _part(content_type: bytes, body: bytes) -> bytes:
    # A notice is 7bit throughout, so that it needs nothing of the next hop.
    head = b"Content-Type: " + content_type + b"\r\n"
    if not body.isascii():
        head += b"Content-Transfer-Encoding: base64\r\n"
        body = base64.encodebytes(body).replace(b"\n", b"\r\n")
    return head + b"\r\n" + body


def _mailbox(name: str, address: str) -> bytes:
    quoted = name.replace("\\", "").replace('"', "")
    return f'"{quoted}" <{address}>'.encode("ascii", "replace")


def _explanation(failures: Sequence[Failure], hostname: str) -> bytes:
    lines = [
        f"This is the mail relay {hostname}.",
        "",
        "Your mail reached some of its recipients. These refused it for good:",
        "宛先の一部には届きましたが、次の宛先には配送できませんでした。",
        "",
    ]
    for failure in failures:
        lines += [f"  <{failure.recipient.path.text()}>", f"    {failure.outcome.reply}", ""]
    return "\r\n".join(lines).encode()


def _status(mail: Mail, failures: Sequence[Failure], host: bytes, next_hop: str) -> bytes:
    groups = [_fields(*_message_fields(mail, host))]
    remote = next_hop.rpartition(":")[0].strip("[]").encode("ascii", "replace")
    for failure in failures:
        reply = failure.outcome.reply
        pairs = []
        original = failure.recipient.parameters.get(b"ORCPT")
        if original is not None and b";" in original:
            kind, _, value = original.partition(b";")
            pairs.append((b"Original-Recipient", kind + b";" + _unxtext(value)))
        pairs += [
            (b"Final-Recipient", _typed(failure.recipient.path)),
            (b"Action", b"failed"),
            (b"Status", (reply.enhanced or "5.0.0").encode("ascii")),
        ]
        if remote:
            pairs.append((b"Remote-MTA", b"dns; " + remote))
        text = b" ".join(reply.lines)[:900].decode("ascii", "replace").encode("ascii", "replace")
        pairs.append((b"Diagnostic-Code", b"smtp; %d " % reply.code + text))
        groups.append(_fields(*pairs))
    return b"\r\n".join(groups)


def _message_fields(mail: Mail, host: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [(b"Reporting-MTA", b"dns; " + host)]
    envelope_id = mail.parameters.get(b"ENVID")
    if envelope_id:
        pairs.insert(0, (b"Original-Envelope-Id", _unxtext(envelope_id)))
    return pairs


def _typed(path: Path) -> bytes:
    # RFC 6533 §3: an address beyond ASCII has a type of its own.
    return (b"rfc822; " if path.ascii else b"utf-8; ") + path.mailbox


def _unxtext(value: bytes) -> bytes:
    """RFC 3461 §4; what decodes to something that could break a field line stays encoded."""
    plain = _XTEXT.sub(lambda found: bytes([int(found.group(1), 16)]), value)
    return value if _NOT_XTEXT.search(plain.replace(b"+", b"").replace(b"=", b"")) else plain


def _original(mail: Mail, original: bytes, *, complete: bool) -> bytes:
    full = (mail.parameters.get(b"RET") or b"").upper() == b"FULL"
    if full and complete and len(original) <= MAX_QUOTED and original.isascii():
        return _part(b"message/rfc822", original)
    header, separator, _ = original[:MAX_QUOTED].partition(b"\r\n\r\n")
    if not separator:
        header = header[: header.rfind(b"\r\n") + 2]
    else:
        header += b"\r\n"
    return _part(b"text/rfc822-headers", header)
