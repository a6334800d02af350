"""Reading the text of letters that are known: rejections are templates, and only a name or two change."""

from gateway.message.scan import Message
from gateway.message.text import MailText, read_text


class Letters:
    """The templates that were seen."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes | None) -> None:
        """`key` is the secret of the hashes; without one nothing is remembered."""
        self._key = key or b""

    def read(self, message: Message) -> MailText:
        """What `read_text` reads, and by what it is known again. Never raises."""
        return read_text(message)
