"""The mail key: by which a mail is known again when its sender tries once more (SMTP.md rule 18).

Made of what survives between two attempts: not of trace fields, signatures, boundaries or transfer
encodings. Made of the text too, since Message-ID alone would lose mail: some tools use one for many bodies.
"""

from gateway.keyed import keyed_hash
from gateway.message.scan import Message
from gateway.message.text import MailText


def mail_key(message: Message, text: MailText, *, reverse_path: bytes, key: bytes) -> bytes:
    """32 bytes, HMAC-SHA256 under `key`; what is missing counts as empty.

    Only of a mail whose text is complete: the same mail with less of it known has another key.
    """
    message_id = message.head.value(b"message-id") or b""
    date = message.head.value(b"date") or b""
    subject = " ".join(text.subject.source.split()).encode("utf-8", "surrogatepass")
    plain = b"" if text.plain is None else text.plain.decoded.rstrip().encode("utf-8", "surrogatepass")
    html = b"" if text.html is None else text.html.decoded.rstrip().encode("utf-8", "surrogatepass")
    pieces = (reverse_path, message_id, date, subject, plain, html)
    # Each with its length, so that nothing can move from one piece into the next.
    return keyed_hash(key, b"".join([b"%d:%b" % (len(piece), piece) for piece in pieces]))
