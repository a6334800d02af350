"""The kinds of value that config keys hold: one type each, with its check and its bounds.

Numbers are plain numbers and the key says the unit (``_seconds``, ``_days``, ``_bytes``), so that no value
has to be parsed and none can be misread. Text is never turned into numbers, nor numbers into text.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationInfo

from gateway.config.certificates import CertificateName as _CertificateName
from gateway.config.certificates import parse_certificate_name, parse_fingerprint
from gateway.config.fault import Fault
from gateway.config.names import parse_address, parse_domain, parse_hostname, parse_own_domain, parse_pattern
from gateway.config.network import HostPort, Network, parse_host_port, parse_listen_address, parse_network

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_REPLY_CODE = re.compile(r"[45][0-9][0-9]|[45]\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
# One line, and nothing that turns the direction of the text around it.
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]{1,200}")
_MAX_NAME = 80
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,60}", re.ASCII)
# Fields that mails have anyway (RFC 5322): one of them taken out would be missed.
_NOT_OURS = frozenset(
    (
        "bcc", "cc", "comments", "content-disposition", "content-transfer-encoding", "content-type", "date",
        "dkim-signature", "from", "in-reply-to", "keywords", "message-id", "mime-version", "received",
        "references", "reply-to", "return-path", "sender", "subject", "to",
    )
)  # fmt: skip

DAY = 86_400
GIBIBYTE = 1 << 30


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Fault(f"text is wanted, not {value!r}", "write it in quotes")
    return value


def _identifier(value: str) -> str:
    if not _IDENTIFIER.fullmatch(value):
        raise Fault(
            f"{value!r} is no name", "write at most 63 letters, digits, dots, hyphens and underscores"
        )
    return value


def _line(value: str) -> str:
    if not _LINE.fullmatch(value):
        raise Fault(
            f"{value!r} is not one line of 1 to 200 characters", "write plain text without line breaks"
        )
    return value


def _name(value: str) -> str:
    if value and (len(value) > _MAX_NAME or not _LINE.fullmatch(value)):
        raise Fault(f"{value!r} is not one line of at most {_MAX_NAME} characters", "write a short name")
    return value


def _marker(value: str) -> str:
    # A short or a common word would be taken out of other people's subjects.
    if not 4 <= len(value) <= 40 or not _LINE.fullmatch(value) or value != value.strip() or value.isalnum():
        raise Fault(
            f"{value!r} is no marker", 'write 4 to 40 characters with brackets around, such as "[no-link]"'
        )
    return value


def _field_name(value: str) -> str:
    if not _FIELD_NAME.fullmatch(value) or value.lower() in _NOT_OURS:
        raise Fault(f"{value!r} is no name for it", 'write a name of your own such as "X-Example-Tenant"')
    return value


def _reply_code(value: str) -> str:
    if not _REPLY_CODE.fullmatch(value):
        raise Fault(
            f"{value!r} is no code of a refusal",
            'write a reply code such as "530" or an enhanced code such as "5.7.54"',
        )
    return value


def _path(value: object, info: ValidationInfo) -> Path:
    """A path; a relative one counts from the config file's folder, which the loader hands in as context."""
    if isinstance(value, Path):
        path = value
    else:
        text = _text(value)
        if not text or "\0" in text:
            raise Fault(f"{text!r} is no path", "write the path of a file or folder")
        path = Path(text)
    folder = (info.context or {}).get("folder")
    return path if folder is None else folder / path


def _host_port(value: object) -> HostPort:
    return value if isinstance(value, HostPort) else parse_host_port(_text(value))


def _network(value: object) -> object:
    return parse_network(_text(value)) if isinstance(value, str) or not hasattr(value, "prefixlen") else value


def _certificate_name(value: object) -> _CertificateName:
    return value if isinstance(value, _CertificateName) else parse_certificate_name(_text(value))


Text = Annotated[str, Strict()]
Marker = Annotated[Text, AfterValidator(_marker)]
Identifier = Annotated[Text, AfterValidator(_identifier)]
Line = Annotated[Text, AfterValidator(_line)]
Name = Annotated[Text, AfterValidator(_name)]
FieldName = Annotated[Text, AfterValidator(_field_name)]
ReplyCode = Annotated[Text, AfterValidator(_reply_code)]
Switch = Annotated[bool, Strict()]

Hostname = Annotated[Text, AfterValidator(parse_hostname)]
Domain = Annotated[Text, AfterValidator(parse_domain)]
OwnDomain = Annotated[Text, AfterValidator(parse_own_domain)]
MailAddress = Annotated[Text, AfterValidator(parse_address)]
Pattern = Annotated[Text, AfterValidator(parse_pattern)]

ListenAddress = Annotated[Text, AfterValidator(parse_listen_address)]
Port = Annotated[int, Strict(), Field(ge=0, le=65_535)]
NextHopHost = Annotated[HostPort, BeforeValidator(_host_port)]
PeerNetwork = Annotated[Network, BeforeValidator(_network)]

CertificateName = Annotated[_CertificateName, BeforeValidator(_certificate_name)]
Fingerprint = Annotated[Text, AfterValidator(parse_fingerprint)]

FilePath = Annotated[Path, BeforeValidator(_path)]

Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
CountOrOff = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Seconds = Annotated[float, Strict(), Field(gt=0, le=DAY)]
Days = Annotated[int, Strict(), Field(ge=1, le=3_650)]
DaysOrOff = Annotated[int, Strict(), Field(ge=0, le=3_650)]
Bytes = Annotated[int, Strict(), Field(ge=256, le=GIBIBYTE)]
BytesOrOff = Annotated[int, Strict(), Field(ge=0, le=1024 * GIBIBYTE)]

Mode = Literal["inject", "observe", "off"]
RuleMode = Literal["inject", "partial", "observe", "off"]
