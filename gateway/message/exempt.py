"""Mail that is never changed, whatever it says: by what its bytes show (DESIGN.md, "Not changed, ever").

A table of part types and a few header fields. Looks into multiparts at any depth, never into embedded
messages: what those hold was signed or sent by somebody else and is not touched anyway.

RFC 3464, RFC 3834, RFC 8098, RFC 5545, RFC 8551, RFC 3156.
"""

import binascii
import re

from gateway.message.scan import Message, Part
from gateway.message.trace import has_own_id
from gateway.reason import Reason

_TYPES = {
    "multipart/report": Reason.BOUNCE,
    "message/delivery-status": Reason.BOUNCE,
    "message/global-delivery-status": Reason.BOUNCE,
    "message/disposition-notification": Reason.READ_RECEIPT,
    "message/global-disposition-notification": Reason.READ_RECEIPT,
    "text/calendar": Reason.CALENDAR,
    "application/ics": Reason.CALENDAR,
    "application/ms-tnef": Reason.TNEF,
    "application/vnd.ms-tnef": Reason.TNEF,
    "multipart/signed": Reason.SMIME,
    "multipart/encrypted": Reason.PGP,
    "application/pkcs7-mime": Reason.SMIME,
    "application/x-pkcs7-mime": Reason.SMIME,
    "application/pkcs7-signature": Reason.SMIME,
    "application/x-pkcs7-signature": Reason.SMIME,
    "application/pgp-encrypted": Reason.PGP,
    "application/pgp-signature": Reason.PGP,
    "application/pgp": Reason.PGP,
}
# Outlook names these whatever type they get on the way.
_FILES = {
    "winmail.dat": Reason.TNEF,
    "smime.p7m": Reason.SMIME,
    "smime.p7s": Reason.SMIME,
    "smime.p7z": Reason.SMIME,
}
_ENDINGS = {".ics": Reason.CALENDAR, ".p7m": Reason.SMIME, ".p7s": Reason.SMIME}

# Fields that may say it, most of them by their names: of vacation programs (RFC 3834 §3 names the first), of
# Exchange, of who signed the mail. Not here: auto-generated, Precedence, List-*, X-Auto-Response-Suppress:
# applications send rejections with them.
_TELLING = re.compile(
    rb"\n(?:auto-submitted|content-class|dkim-signature"
    rb"|(x-autoreply|x-auto-reply|x-autoreply-from|x-auto-reply-from|x-mail-autoreply|x-autorespond"
    rb"|x-autoresponder|x-auto-respond|x-vacation)):"
)
_ARMOR = (b"-----BEGIN PGP MESSAGE", b"-----BEGIN PGP SIGNED MESSAGE")
_ARMOR_BEGIN = b"-----BEGIN PGP "
# Armor stands at the top of a text. What is further down is somebody's quotation of it.
_ARMOR_WINDOW = 256 * 1024


def exemption(message: Message, *, null_sender: bool, id_key: bytes | None = None) -> Reason | None:
    """Why the mail must be left alone, or None.

    `Reason.DKIM` comes only when nothing else holds, so that a policy can set it aside. With `id_key` a mail
    that carries our own header field is told too.
    """
    if null_sender:
        return Reason.NULL_SENDER
    told = _TELLING.search(message.head.lower) is not None
    reason = _from_header(message) if told else None
    if reason is not None:
        return reason
    for part in message.parts:
        reason = _from_part(message, part)
        if reason is not None:
            return reason
    if id_key is not None and has_own_id(message, id_key):
        return Reason.OWN_HEADER
    if told and message.head.count(b"dkim-signature"):
        return Reason.DKIM
    return None


def _from_header(message: Message) -> Reason | None:
    head = message.head
    for field in head.all(b"auto-submitted"):
        if field.value(message.data).lower().startswith((b"auto-replied", b"auto-reply")):
            return Reason.AUTO_REPLY
    if any(found[1] for found in _TELLING.finditer(head.lower)):
        return Reason.AUTO_REPLY
    kind = head.value(b"content-class")
    if kind is not None and kind.lower() == b"urn:content-classes:calendarmessage":
        return Reason.CALENDAR
    return None


def _from_part(message: Message, part: Part) -> Reason | None:
    reason = _TYPES.get(part.content_type)
    if reason is not None:
        protocol = part.parameters.get("protocol", "").lower()
        if part.content_type == "multipart/report":
            kind = part.parameters.get("report-type", "").lower()
            return Reason.READ_RECEIPT if kind == "disposition-notification" else Reason.BOUNCE
        if part.content_type in {"multipart/signed", "multipart/encrypted"}:
            if "pgp" in protocol:
                return Reason.PGP
            return Reason.SMIME if protocol else reason
        return reason
    if part.filename:
        name = part.filename.lower()
        reason = _FILES.get(name) or _ENDINGS.get(name[-4:])
        if reason is not None:
            return reason
    if part.content_type.startswith("text/") and part.leaf is not None and _armored(message, part):
        return Reason.PGP
    return None


def _armored(message: Message, part: Part) -> bool:
    """Whether a text begins a PGP message of its own (inline PGP, RFC 9580 §6.2)."""
    start, end = part.body
    end = min(end, start + _ARMOR_WINDOW)
    if part.encoding not in {"base64", "quoted-printable"}:
        return message.data.find(_ARMOR_BEGIN, start, end) >= 0 and any(
            message.data.find(armor, start, end) >= 0 for armor in _ARMOR
        )
    # Leniently: this only has to find what is there, and may find too much.
    raw = message.data[start:end]
    try:
        text = binascii.a2b_base64(raw) if part.encoding == "base64" else binascii.a2b_qp(raw)
    except binascii.Error:
        text = raw
    return any(armor in text for armor in _ARMOR)
