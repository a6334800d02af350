"""The demo's mails: files as a mail system would send them, each with its envelope and its expected fate."""

from dataclasses import dataclass
from importlib import resources

SENDER = "saiyo@example.co.jp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One mail: the file's name, what it is in a few words, who gets it, and whether a link belongs in it."""

    file: str
    title: str
    recipients: tuple[str, ...]
    linked: bool
    sender: str = SENDER

    def content(self) -> bytes:
        """The mail's bytes, with CRLF."""
        return (resources.files(__package__) / "mails" / self.file).read_bytes()


SAMPLES = (
    Sample(
        file="01-rejection-iso-2022-jp.eml",
        title="A rejection in ISO-2022-JP, as most Japanese mail systems wrote it for decades",
        recipients=("taro.yamada@example.com",),
        linked=True,
    ),
    Sample(
        file="02-rejection-shift-jis.eml",
        title="A rejection in Shift_JIS, base64",
        recipients=("hanako.sato@example.net",),
        linked=True,
    ),
    Sample(
        file="03-rejection-html-utf-8.eml",
        title="A rejection in UTF-8, as plain text and HTML",
        recipients=("ichiro@example.org",),
        linked=True,
    ),
    Sample(
        file="04-rejection-english.eml",
        title="A rejection in English",
        recipients=("alex.smith@example.com",),
        sender="recruiting@example.co.jp",
        linked=True,
    ),
    Sample(
        file="05-rejection-three-candidates.eml",
        title="One rejection to three candidates (Bcc) and a colleague: each candidate has a link",
        recipients=(SENDER, "akira@example.com", "yui@example.net", "ren@example.org"),
        linked=True,
    ),
    Sample(
        file="06-rejection-attachment.eml",
        title="A rejection with an attachment, format=flowed",
        recipients=("misaki@example.com",),
        linked=True,
    ),
    Sample(
        file="07-offer.eml",
        title="An offer (内定), full of the same words",
        recipients=("ken.tanaka@example.com",),
        linked=False,
    ),
    Sample(
        file="08-calendar-invitation.eml",
        title="An invitation to an interview, with a calendar entry",
        recipients=("aoi.ito@example.net",),
        linked=False,
    ),
    Sample(
        file="09-rejection-dkim-signed.eml",
        title="A rejection that somebody signed (DKIM): a footer would break the signature",
        recipients=("sho@example.org",),
        linked=False,
    ),
    Sample(
        file="10-rejection-smime-signed.eml",
        title="A rejection signed with S/MIME",
        recipients=("rin@example.com",),
        linked=False,
    ),
    Sample(
        file="11-ordinary-business.eml",
        title="Everyday business: an order that is not placed (発注見送り)",
        recipients=("sales@supplier.example",),
        linked=False,
    ),
)
