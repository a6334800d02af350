"""Reading the text of letters that are known: rejections are templates, and only a name or two change.

What is remembered, and of whom. Of a letter whose subject comes for the first time with so many paragraphs,
nothing but that it came; of the next one a keyed hash of each paragraph (BLAKE2b, RFC 7693; without a key
nothing is remembered). Where a later one differs from it in a few paragraphs, what the two have in common is
kept as a template (`gateway.message.template`): it is put together with what changes in the next ones. What
changes is never kept, and a name changes, unless one person is sent several letters of a kind. All of it has
a bound; past it all is forgotten.

A letter of a template is compared with it octet by octet, and only what changes is decoded and brought into
its normal form. What comes out is what `read_text` reads; whatever could make it another thing (a quote, an
octet that is not of the charset, a paragraph that is not there) has the letter read as ever. Tests compare
the two.

Only the letter of one plain text is known again. HTML is read as ever.
"""

from gateway.keyed import short_hash
from gateway.message.passages import Passage, passages
from gateway.message.scan import Message, Part
from gateway.message.template import Template, blank_line, template_of
from gateway.message.text import NOTHING, Body, Letter, MailText, Prose, read_found
from gateway.message.transfer import TransferError
from gateway.message.transfer import decode as transfer_decode

#: The longest body that is looked at, in octets, and the most paragraphs. A letter has a tenth of it.
LONGEST, MOST_PARAGRAPHS = 64 * 1024, 64
#: So many paragraphs may change in a template.
MOST_CHANGING = 4
#: So many letters of a kind are compared, one after another, until it is given up: what differs each time is
#: of no template.
MOST_TRIES = 16
#: How many kinds of letters, templates of a kind, and octets in all templates are remembered.
MOST_KINDS, MOST_TEMPLATES, MOST_OCTETS = 4_096, 4, 2 * 1024 * 1024

_Kind = tuple[bytes | None, str, str]
"""The subject field as it is written, the charset's name, and the transfer encoding."""


class Letters:
    """The letters of one policy."""

    __slots__ = ("_key", "_octets", "_seen", "_templates")

    def __init__(self, key: bytes | None) -> None:
        """`key` is the secret of the hashes."""
        self._key = key
        # By the hash of kind and size: how many came, and the paragraphs of the last one, as hashes.
        self._seen: dict[bytes, tuple[int, tuple[bytes, ...]]] = {}
        self._templates: dict[_Kind, tuple[Template, ...]] = {}
        self._octets = 0  # in all templates that were made

    def read(self, message: Message) -> MailText:
        """What `read_text` reads, and which letter it is if that is known. Never raises."""
        found, complete = passages(message)
        part = self._only_text(found) if complete else None
        if part is None:
            return read_found(message, found, complete=complete)
        kind = message.head.value(b"subject"), part.parameters.get("charset", "us-ascii"), part.encoding
        known = self._templates.get(kind)
        if known is not None:
            octets = _octets(message, part)
            for template in known:
                read = None if octets is None else template.read(octets)
                if read is not None:
                    return _letter(part, template, kind[1], *read)
        text = read_found(message, found, complete=True)
        return text._replace(letter=self._learn(kind, message, part, text))

    def _only_text(self, found: tuple[Passage, ...]) -> Part | None:
        """The part with all of the text, if it may be a letter to remember."""
        if self._key is None or len(found) != 1 or found[0].html or len(found[0].plain) != 1:
            return None
        part = found[0].plain[0]
        return part if part.body[1] - part.body[0] <= LONGEST else None

    def _learn(self, kind: _Kind, message: Message, part: Part, text: MailText) -> Letter | None:
        """Remember what may be of a template. The letter, if it shows one."""
        body = text.plain
        if self._key is None or body is None or text.reason is not None or body.quoted.spans:
            return None
        size = body.decoded.count("\r\n\r\n") or body.decoded.count("\n\n")
        if not 0 < size < MOST_PARAGRAPHS:
            return None
        subject, charset, encoding = kind
        about = b"%b\n%b\n%b" % (subject or b"", charset.encode("utf-8", "surrogatepass"), encoding.encode())
        name = short_hash(self._key, b"%d\n%b" % (size, about))
        tries, last = self._seen.get(name, (0, ()))
        if not tries:
            if len(self._seen) >= MOST_KINDS:
                self._seen.clear()
            self._seen[name] = 1, ()
            return None
        octets = _octets(message, part) if tries <= MOST_TRIES else None
        if octets is None:
            return None
        hashes = tuple([short_hash(self._key, each) for each in octets.split(blank_line(octets))])
        self._seen[name] = tries + 1, hashes
        if len(last) != len(hashes):
            return None
        changing = [at for at, each in enumerate(hashes) if each != last[at]]
        if not 0 < len(changing) <= min(MOST_CHANGING, size):
            return None
        template = template_of(octets, changing, charset, text.subject)
        if template is None or template.read(octets) != (body.decoded, body.new.text):
            return None
        self._keep(kind, template, len(about))
        return template.letter

    def _keep(self, kind: _Kind, template: Template, octets: int) -> None:
        """Keep a template, as the last of its kind to be tried. `octets`: how long the kind is."""
        octets += template.octets
        if self._octets + octets > MOST_OCTETS or len(self._templates) >= MOST_KINDS:
            self._seen.clear()
            self._templates.clear()
            self._octets = 0
        self._octets += octets
        self._templates[kind] = (*self._templates.get(kind, ())[1 - MOST_TEMPLATES :], template)


def _octets(message: Message, part: Part) -> bytes | None:
    """A body, its transfer encoding undone; None where it is not what it says."""
    try:
        return transfer_decode(message.data[slice(*part.body)], part.encoding)
    except TransferError:
        return None


def _letter(part: Part, template: Template, charset: str, decoded: str, text: str) -> MailText:
    """The text of a letter of this template."""
    size = len(decoded)
    new = Prose(text, decoded, ((0, 0, size),))
    body = Body(part.index, "plain", charset, decoded, new, NOTHING, size)
    return MailText(template.subject, body, None, complete=True, letter=template.letter)
