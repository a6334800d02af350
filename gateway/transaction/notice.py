"""Failure notices, for recipients that were refused while others were taken. Pure.

RFC 3461 (what the sender asked for), RFC 6522 (multipart/report), RFC 3464 (message/delivery-status), RFC
6533 (addresses beyond ASCII); SMTP.md rule 16. A notice carries the *original* header and never a link. The
failed mail is quoted whole only if the sender asked for it (RET=FULL), and it is at hand, and can be quoted
without an encoding.

A notice needs nothing of the next hop: it is 7bit with lines below 998 octets, whatever the mail, the
replies and the addresses hold. Only a sender whose own address is beyond ASCII makes it need SMTPUTF8.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.smtp.address import NULL_PATH, Path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Fate, Outcome
from gateway.smtp.parameters import NO_PARAMETERS, Parameters

#: A notice quotes this much of the original at most; the rest of a large header helps nobody.
MAX_QUOTED = 65_536
#: Octets of a next hop's reply that are told, of the many that it may send.
MAX_REPLY = 900
#: Longest value of a field that stands on one line (RFC 5322 §2.1.1: 998 with the field's name).
MAX_VALUE = 960
#: RFC 3461 §4.2, §4.4: an ORCPT may have 500 characters and an ENVID 100; what is longer is no such thing.
MAX_ORCPT = 500
MAX_ENVID = 100

_UNPRINTABLE = re.compile(rb"[^ -~]")
_XTEXT = re.compile(rb"\+([0-9A-F]{2})")
_ADDRESS_TYPE = re.compile(rb"[A-Za-z0-9-]+")
#: RFC 6533 §3: what stands for itself in an address beyond ASCII that is written in ASCII.
_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")
#: Octets of text in one encoded-word: 45 make 60 of base64, and 75 are allowed (RFC 2047 §2).
_WORD = 45
#: Characters of a name in From.
_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One recipient that was refused for good."""

    recipient: Rcpt
    outcome: Outcome


def wanted(mail: Mail, recipients: Sequence[Rcpt], outcomes: Sequence[Outcome]) -> list[Failure]:
    """The refused recipients whose failure the sender wants to hear of.

    None for a null sender, and none with ``NOTIFY=NEVER`` (RFC 3461 §4.1).
    """
    if mail.path.null:
        return []
    return [
        Failure(recipient=recipient, outcome=outcome)
        for recipient, outcome in zip(recipients, outcomes, strict=True)
        if outcome.fate is Fate.REFUSED and b"FAILURE" in recipient.notify
    ]


def envelope_of(mail: Mail) -> tuple[Mail, Rcpt]:
    """From nobody to the sender of the failed mail; SMTPUTF8 where the address needs it.

    What needed TLS all the way needs it on the way back (RFC 8689 §5).
    """
    keywords = [] if mail.path.ascii else [b"SMTPUTF8"]
    keywords += [b"REQUIRETLS"] if mail.parameters.get(b"REQUIRETLS") is not None else []
    parameters = Parameters(tuple((keyword, keyword) for keyword in keywords))
    target = Path(b"<" + mail.path.mailbox + b">", mail.path.local, mail.path.domain)
    return Mail(NULL_PATH, parameters), Rcpt(target, NO_PARAMETERS)


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
        mail: of the failed mail.
        failures: what to report; at least one.
        original: the mail as it came; its header at least.
        complete: whether `original` is all of it.
        hostname: our own, in ASCII.
        date: RFC 5322 §3.3.
        unique: makes the Message-ID and the boundary; letters and digits.
        from_name: shown in From; any text.
        postmaster: the address in From, in ASCII; empty for ``postmaster`` at `hostname`.
        next_hop: the ``host:port`` that refused, for the Remote-MTA field; empty where none is known.
    """
    host = hostname.encode("ascii")
    boundary = b"=_" + unique.encode("ascii")
    head = _fields(
        (b"From", mailbox(from_name, postmaster or f"postmaster@{hostname}")),
        (b"To", b"<" + mail.path.mailbox + b">"),
        (b"Subject", b"Undelivered mail: not all recipients could be reached"),
        (b"Date", date.encode("ascii")),
        (b"Message-ID", b"<" + unique.encode("ascii") + b"@" + host + b">"),
        (b"Auto-Submitted", b"auto-replied"),
        (b"MIME-Version", b"1.0"),
        (b"Content-Type", b'multipart/report; report-type=delivery-status; boundary="' + boundary + b'"'),
    )
    parts = (
        _explanation(failures, hostname),
        _part(b"message/delivery-status", _status(mail, failures, host, next_hop)),
        _original(mail, original, complete=complete),
    )
    body = b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts)
    return head + body + b"\r\n--" + boundary + b"--\r\n"


def _fields(*pairs: tuple[bytes, bytes]) -> bytes:
    return b"".join(name + b": " + _folded(value) + b"\r\n" for name, value in pairs)


def _folded(value: bytes) -> bytes:
    """A value that is too long for a line, folded inside a word: escaped addresses only, without blanks."""
    if len(value) <= MAX_VALUE or b"\r\n" in value:
        return value
    return b"\r\n ".join(value[at : at + MAX_VALUE] for at in range(0, len(value), MAX_VALUE))


def _part(content_type: bytes, body: bytes, encoding: bytes = b"") -> bytes:
    head = b"Content-Type: " + content_type + b"\r\n"
    if encoding:
        head += b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    return head + b"\r\n" + body


def mailbox(name: str, address: str) -> bytes:
    """A name, in any letters, and an address, as a From field has them (RFC 5322 §3.4, RFC 2047)."""
    printable = "".join(character for character in name if character.isprintable())[:_MAX_NAME]
    if printable.isascii():
        phrase = '"' + printable.replace("\\", "").replace('"', "") + '"'
    else:
        phrase = "\r\n ".join(_encoded_words(printable))
    return f"{phrase} <{address}>".encode("ascii", "replace")


def _encoded_words(text: str) -> list[str]:
    """RFC 2047 §5 (3): words of whole characters."""
    words, word = [], b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(word) + len(octets) > _WORD:
            words.append(word)
            word = b""
        word += octets
    return [f"=?utf-8?B?{base64.b64encode(word).decode('ascii')}?=" for word in (*words, word)]


def _explanation(failures: Sequence[Failure], hostname: str) -> bytes:
    lines = [
        f"This is the mail relay {hostname}.",
        "",
        "Your mail reached some of its recipients. These refused it for good:",
        "宛先の一部には届きましたが、次の宛先には配送できませんでした。",
        "",
    ]
    for failure in failures:
        lines += [f"  <{failure.recipient.path.text}>", f"    {failure.outcome.reply}"[:MAX_REPLY], ""]
    text = base64.encodebytes("\r\n".join(lines).encode()).replace(b"\n", b"\r\n")
    return _part(b"text/plain; charset=utf-8", text, b"base64")


def _status(mail: Mail, failures: Sequence[Failure], host: bytes, next_hop: str) -> bytes:
    groups = [_fields(*_message_fields(mail, host))]
    remote = _remote(next_hop)
    for failure in failures:
        reply = failure.outcome.reply
        pairs = []
        original = _original_recipient(failure.recipient)
        if original:
            pairs.append((b"Original-Recipient", original))
        pairs += [
            (b"Final-Recipient", _typed(failure.recipient.path)),
            (b"Action", b"failed"),
            # RFC 3464 §2.3.4: the class has to agree with the action
            (b"Status", (reply.enhanced if reply.enhanced.startswith("5") else "5.0.0").encode("ascii")),
        ]
        if remote:
            pairs.append((b"Remote-MTA", b"dns; " + remote))
        text = b" ".join(reply.lines)[: MAX_REPLY - 10]
        pairs.append((b"Diagnostic-Code", b"smtp; %d " % reply.code + _UNPRINTABLE.sub(b"?", text)))
        groups.append(_fields(*pairs))
    return b"\r\n".join(groups)


def _message_fields(mail: Mail, host: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [(b"Reporting-MTA", b"dns; " + host)]
    envelope_id = mail.parameters.get(b"ENVID")
    if envelope_id and len(envelope_id) <= MAX_ENVID and envelope_id.isascii():
        pairs.insert(0, (b"Original-Envelope-Id", _unxtext(envelope_id)))
    return pairs


def _remote(next_hop: str) -> bytes:
    """RFC 3464 §2.1.2: a name, or an address as a domain literal (RFC 5321 §4.1.3)."""
    host = next_hop.rpartition(":")[0].strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _UNPRINTABLE.sub(b"?", host.encode("ascii", "replace"))
    return f"[IPv6:{address}]".encode() if address.version == 6 else f"[{address}]".encode()


def _original_recipient(recipient: Rcpt) -> bytes:
    """ORCPT as RFC 3464 §2.3.1 shows it; empty where there is none, or none that can be shown."""
    value = recipient.parameters.get(b"ORCPT") or b""
    kind, separator, address = value.partition(b";")
    if not separator or len(value) > MAX_ORCPT or not _ADDRESS_TYPE.fullmatch(kind):
        return b""
    # RFC 6533 §3: "utf-8" may come as UTF-8 itself
    return kind + b";" + (_unxtext(address) if address.isascii() else _escaped(address))


def _typed(path: Path) -> bytes:
    # RFC 6533 §3: an address beyond ASCII has a type of its own.
    return b"rfc822; " + path.mailbox if path.mailbox.isascii() else b"utf-8; " + _escaped(path.mailbox)


def _escaped(address: bytes) -> bytes:
    """An address beyond ASCII in ASCII: utf-8-addr-xtext of RFC 6533 §3."""
    text = address.decode("utf-8", "replace")
    return _QCHAR.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text).encode("ascii")


def _unxtext(value: bytes) -> bytes:
    """RFC 3461 §4; what decodes to something that could break a field line stays encoded."""
    plain = _XTEXT.sub(lambda found: bytes([int(found[1], 16)]), value)
    return value if _UNPRINTABLE.search(plain) else plain


def _original(mail: Mail, original: bytes, *, complete: bool) -> bytes:
    full = (mail.parameters.get(b"RET") or b"").upper() == b"FULL"
    # RFC 2046 §5.2.1: message/rfc822 must not be encoded
    if full and complete and len(original) <= MAX_QUOTED and _is_7bit(original):
        return _part(b"message/rfc822", original)
    header = _header(original[:MAX_QUOTED])
    if _is_7bit(header):
        return _part(b"text/rfc822-headers", header)
    # RFC 6522 §4: what is no 7bit header may be quoted-printable
    return _part(
        b"text/rfc822-headers", binascii.b2a_qp(header, istext=True, header=False), b"quoted-printable"
    )


def _is_7bit(octets: bytes) -> bool:
    """RFC 2045 §2.7: ASCII without NUL, in lines of 998 octets at most."""
    if not octets.isascii() or b"\0" in octets:
        return False
    return all(len(line) <= 998 for line in octets.split(b"\r\n"))


def _header(content: bytes) -> bytes:
    """The header with its last line end; where its end is not at hand, its whole lines."""
    if content.startswith(b"\r\n"):
        return b""
    end = content.find(b"\r\n\r\n")
    if end < 0:
        end = content.rfind(b"\r\n")
    return content[: end + 2] if end >= 0 else b""
