"""MAIL and RCPT as a sender gives them: parsed and checked, or refused (RFC 5321 §4.1.1.2, §4.1.1.3).

What can be refused without asking the next hop is refused here: what isn't SMTP, what names an extension that
wasn't offered. Everything else is the next hop's to judge.
"""

from collections.abc import Collection
from functools import lru_cache

from gateway.smtp import failure
from gateway.smtp.address import PathError, parse_path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.parameters import EXTENSION_OF_PARAMETER, NO_PARAMETERS, ParameterError, Parameters
from gateway.smtp.reply import Reply

#: So many MAIL commands are remembered as they were read: who sends the next mail is nearly always one who
#: has sent before. What is kept of each is a few times its own octets, which are 4 KB at most.
SENDERS = 128

_MAIL_ONLY = frozenset({b"SIZE", b"BODY", b"SMTPUTF8", b"RET", b"ENVID", b"AUTH", b"REQUIRETLS"})
_RCPT_ONLY = frozenset({b"NOTIFY", b"ORCPT"})
_BODIES = frozenset({b"7BIT", b"8BITMIME"})


@lru_cache(maxsize=SENDERS)
def read_mail_command(
    argument: bytes, offered: frozenset[bytes], *, own_size: int, path_limit: int
) -> Mail | Reply:
    """``MAIL``: the value to pass on, or the reply that refuses it.

    Args:
        argument: what follows the verb.
        offered: the extensions of our EHLO reply; empty after HELO.
        own_size: the gateway's own limit on mails in octets; 0 for none.
        path_limit: octets of an address at most.
    """
    try:
        path, rest = parse_path(argument, b"FROM", null_allowed=True)
    except PathError as error:
        return Reply.of(501, "5.1.7", str(error))
    if len(path.raw) > path_limit:
        return Reply.of(501, "5.1.7", "address too long")
    parameters = _parameters(rest, offered, _RCPT_ONLY) if rest else NO_PARAMETERS
    if isinstance(parameters, Reply):
        return parameters
    size = parameters.get(b"SIZE")
    if size is not None and not (size.isdigit() and len(size) <= 20):
        return Reply.of(501, "5.5.4", "SIZE takes a number")
    if own_size and size is not None and int(size) > own_size:
        return failure.TOO_BIG
    body = parameters.get(b"BODY")
    if body is not None and body.upper() not in _BODIES:
        return Reply.of(501, "5.5.4", "BODY takes 7BIT or 8BITMIME")
    if parameters.get(b"REQUIRETLS"):
        return Reply.of(501, "5.5.4", "REQUIRETLS takes no value")
    if not path.ascii and parameters.get(b"SMTPUTF8") is None:
        return failure.UTF8_NOT_ASKED
    return Mail(path, parameters)


def read_rcpt_command(
    argument: bytes, offered: Collection[bytes], mail: Mail, *, path_limit: int
) -> Rcpt | Reply:
    """``RCPT``: the value to pass on, or the reply that refuses it. `mail` is the one that it belongs to."""
    try:
        path, rest = parse_path(argument, b"TO", null_allowed=False)
    except PathError as error:
        return Reply.of(501, "5.1.3", str(error))
    if len(path.raw) > path_limit:
        return Reply.of(501, "5.1.3", "address too long")
    parameters = _parameters(rest, offered, _MAIL_ONLY) if rest else NO_PARAMETERS
    if isinstance(parameters, Reply):
        return parameters
    if not path.raw.isascii() and mail.parameters.get(b"SMTPUTF8") is None:
        return failure.UTF8_NOT_ASKED
    return Rcpt(path, parameters)


def _parameters(raw: bytes, offered: Collection[bytes], elsewhere: Collection[bytes]) -> Parameters | Reply:
    try:
        parameters = Parameters.parse(raw)
    except ParameterError as error:
        return Reply.of(501, "5.5.4", str(error))
    for keyword in parameters.keywords:
        extension = EXTENSION_OF_PARAMETER.get(keyword)
        # AUTH= may come from any sender that was told of AUTH by somebody; it is dropped where it can't be
        # passed (RFC 4954 §5).
        if extension is None or keyword in elsewhere or (extension not in offered and extension != b"AUTH"):
            return failure.PARAMETER_UNKNOWN
    return parameters
