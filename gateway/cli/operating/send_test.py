"""``careerrelay send-test``: a harmless marked rejection through the running gateway."""

import smtplib
import ssl
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json

if TYPE_CHECKING:
    from gateway.config import Config

_SECONDS = 30.0
#: How long the answer of the next hop may take to be in the ledger.
_LEDGER_SECONDS = 5.0
_TEXT = """\
This is a test of the CareerRelay gateway. Nobody has applied, and nobody is turned down.

Dear applicant,

Thank you for your application for the position of test candidate and for the time that you took.
After careful consideration we regret to inform you that we will not be moving forward with your application.
We wish you all the best in your job search.

Kind regards
Recruiting
"""


@click.command("send-test")
@config_option
@click.option(
    "--to", "recipient", required=True, metavar="ADDRESS", help="Who gets it: a mailbox of yours, outside."
)
@click.option(
    "--from",
    "sender",
    metavar="ADDRESS",
    help="Whose rejection it is; has to be one of [rules] senders. Default: recruiting@ your first domain.",
)
@click.option("--user", metavar="NAME", help="Log in as this user (AUTH); the password is asked for.")
@click.option(
    "--password", envvar="CAREERRELAY_PASSWORD", hidden=True, help="For scripts, by the environment."
)
@json_option
def send_test(
    *,
    config_path: Path,
    recipient: str,
    sender: str | None,
    user: str | None,
    password: str | None,
    as_json: bool,
) -> None:
    """Send one rejection that says that it is a test, and tell what became of it.

    It goes the whole way: listener, rules, footer, ledger, next hop. The ledger keeps it like every mail.
    Exit 0 when the next hop took it with a link, 1 when it came without one, or not at all.
    """
    from gateway.config import load_config

    config = load_config(config_path)
    if user is not None and password is None:
        password = click.prompt("password", hide_input=True)
    mail = compose(sender or f"recruiting@{config.gateway.own_domains[0].removeprefix('*.')}", recipient)
    found: dict[str, Any] = {"message_id": mail["Message-ID"], "to": recipient, "from": mail["From"]}
    found["reply"] = _send(config, mail, user, password or "")
    taken = found["reply"].startswith("250")
    found["send"] = _in_ledger(config, mail["Message-ID"]) if taken else None
    found["reason"] = _seen(config, mail["Message-ID"]) if taken and found["send"] is None else ""
    if as_json:
        print_json(found)
    else:
        _tell(found)
    raise SystemExit(0 if found["send"] is not None and found["send"]["state"] == "accepted" else 1)


command = send_test


def compose(sender: str, recipient: str) -> EmailMessage:
    """The mail."""
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, recipient
    mail["Subject"] = "[test of the gateway] Your application"
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    mail["X-CareerRelay-Test"] = "yes"
    mail.set_content(_TEXT)
    return mail


def _send(config: "Config", mail: EmailMessage, user: str | None, password: str) -> str:
    from gateway.cli.operating.monitor import reachable
    from gateway.config import HostPort

    listen = config.listen[0]
    host, port = reachable(HostPort(listen.address, listen.port))
    # To ourselves, on this machine: its name is not in the certificate.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        client: smtplib.SMTP
        if listen.tls_mode == "implicit":
            client = smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
        else:
            client = (smtplib.LMTP if listen.protocol == "lmtp" else smtplib.SMTP)(
                host, port, timeout=_SECONDS
            )
        with client:
            client.ehlo_or_helo_if_needed()
            if listen.tls_mode != "implicit" and client.has_extn("starttls"):
                client.starttls(context=context)
                client.ehlo()
            if user is not None:
                client.login(user, password)
            for reply in (client.mail(str(mail["From"])), client.rcpt(str(mail["To"]))):
                if reply[0] != 250:
                    return _words(reply)
            return _words(client.data(mail.as_bytes()))
    except smtplib.SMTPResponseException as error:
        return _words((error.smtp_code, error.smtp_error))
    except (OSError, smtplib.SMTPException) as error:
        raise click.ClickException(
            f"the gateway can't be reached at {listen.label}: {error}; `careerrelay status`"
        ) from None


def _words(reply: tuple[int, bytes | str]) -> str:
    text = reply[1] if isinstance(reply[1], str) else reply[1].decode("utf-8", "replace")
    return f"{reply[0]} {' '.join(text.split())}"


def _in_ledger(config: "Config", message_id: str) -> dict[str, Any] | None:
    from gateway.errors import LedgerFault
    from gateway.store import LedgerReader, SendFilter
    from gateway.store.export import record

    wanted = SendFilter(message_ids=(message_id, message_id.strip("<>")))
    deadline = time.monotonic() + _LEDGER_SECONDS
    while True:
        try:
            with LedgerReader(config.ledger.url) as reader:
                sends = reader.last_sends(1, wanted)
        except LedgerFault as fault:
            raise click.ClickException(f"it was taken, but the ledger can't be asked: {fault}") from None
        if not sends or sends[0].state.value != "intended" or time.monotonic() > deadline:
            return dict(record(sends[0])) if sends else None
        time.sleep(0.2)


def _seen(config: "Config", message_id: str) -> str:
    """Why it has no link, as soon as what the rules saw is in the ledger; empty where they saw nothing."""
    from gateway.errors import LedgerFault
    from gateway.store import LedgerReader

    deadline = time.monotonic() + _LEDGER_SECONDS
    while time.monotonic() < deadline:
        try:
            with LedgerReader(config.ledger.url) as reader:
                seen = reader.observations(last=50)
        except LedgerFault:
            return ""
        for one in seen:
            if one.message_id.strip("<>") == message_id.strip("<>"):
                return f"{one.reason} ({one.rule})"
        time.sleep(0.2)
    return ""


def _tell(found: dict[str, Any]) -> None:
    click.echo(f"sent      {found['from']} -> {found['to']}, Message-ID {found['message_id']}")
    click.echo(f"answered  {found['reply']}")
    send = found["send"]
    if send is not None:
        click.echo(f"link      {send['token']} ({send['rule']}, footer {send['footer']}), {send['state']}")
        return
    click.echo("link      none")
    reason = found["reason"]
    if reason.startswith("observe"):
        click.echo(
            f"reason    {reason}: all is well. Rules begin by observing and add nothing to any mail:\n"
            "          careerrelay rollout status"
        )
    elif reason:
        click.echo(f"reason    {reason}: docs/reasons.md says what to do")
    elif found["reply"].startswith("250"):
        click.echo(
            "Why not: the log's line about this mail has the reason (careerrelay trace, docs/reasons.md).\n"
            "Often: the sender is not in [rules] senders, or the recipient is a colleague."
        )
