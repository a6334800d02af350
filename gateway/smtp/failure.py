"""Transient or permanent: the one place where that is decided, with the words for the peer.

SMTP.md rules 4 and 5. Every reply that the gateway gives in its own name stands here. The texts tell a sender
what to do and tell a stranger nothing of what is behind; causes go to the log. What is not known to be
permanent is transient.
"""

from collections.abc import Collection

from gateway.smtp.reply import Reply

INTERNAL = Reply.of(451, "4.3.0", "Temporary fault here, try again later")
NO_NEXT_HOP = Reply.of(451, "4.4.1", "Next hop can't be reached now, try again later")
NEXT_HOP_LOST = Reply.of(451, "4.4.2", "Connection to next hop lost, try again later")
NEXT_HOP_SLOW = Reply.of(451, "4.4.2", "Next hop did not answer in time, try again later")
NEXT_HOP_NONSENSE = Reply.of(451, "4.5.0", "Next hop gave no valid answer, try again later")
NEXT_HOP_REFUSES_US = Reply.of(451, "4.3.5", "Next hop does not take mail from here now, try again later")
NEXT_HOP_LACKS = Reply.of(451, "4.3.3", "No next hop at hand can carry this mail, try again later")
POOL_BUSY = Reply.of(451, "4.3.2", "All connections in use, try again later")
UNKNOWN_OUTCOME = Reply.of(451, "4.4.2", "Outcome at next hop unknown, try again later")
SENT_ELSEWHERE = Reply.of(451, "4.3.0", "This mail is being sent by another process, try again later")
OUT_OF_TIME = Reply.of(451, "4.3.0", "Not all copies could be sent in time, try again later")
LEDGER_DEFER = Reply.of(451, "4.3.0", "Ledger not at hand, try again later")

ACCESS_DENIED = Reply.of(554, "5.7.1", "Access denied")
TOO_MANY_CONNECTIONS = Reply.of(421, "4.7.0", "Too many connections, try again later")
SHUTTING_DOWN = Reply.of(421, "4.3.2", "Service shutting down, try again later")
NOT_READY = Reply.of(421, "4.3.2", "Next hop can't be reached now, try again later")
IDLE = Reply.of(421, "4.4.2", "Idle for too long, closing")
SESSION_OVER = Reply.of(421, "4.4.2", "Session has lasted long enough, connect again")
UPLOAD_SLOW = Reply.of(421, "4.4.2", "Upload takes too long, closing")
TOO_MANY_COMMANDS = Reply.of(421, "4.7.0", "Too many commands without a mail, closing")
SENDER_TOO_FAST = Reply.of(450, "4.7.1", "Too many mails from this sender, try again later")
TOO_MANY_ERRORS = Reply.of(421, "4.7.0", "Too many errors, closing")

SYNTAX = Reply.of(500, "5.5.2", "Command not understood")
BARE_COMMAND = Reply.of(500, "5.5.2", "Commands end with <CR><LF>, closing")
LINE_TOO_LONG = Reply.of(500, "5.5.2", "Line too long")
NOT_IMPLEMENTED = Reply.of(502, "5.5.1", "Command not implemented")
NO_ARGUMENT = Reply.of(501, "5.5.4", "No argument allowed here")
NEED_HOSTNAME = Reply.of(501, "5.5.4", "Syntax: EHLO hostname")
NEED_TLS = Reply.of(530, "5.7.0", "Must issue a STARTTLS command first")
NEED_AUTH = Reply.of(530, "5.7.0", "Authentication required")
AUTH_NEEDS_TLS = Reply.of(538, "5.7.11", "Encryption required for this")
AUTH_MECHANISM = Reply.of(504, "5.5.4", "Mechanism not known")
AUTH_MALFORMED = Reply.of(501, "5.5.2", "Credentials can't be decoded")
AUTH_CANCELLED = Reply.of(501, "5.7.0", "Authentication cancelled")
AUTH_FAILED = Reply.of(535, "5.7.8", "Authentication failed")
AUTH_BUSY = Reply.of(454, "4.7.0", "Too many logins at once, try again later")
AUTH_LOCKED = Reply.of(421, "4.7.0", "Too many failed logins, try again later")
AUTH_ALREADY = Reply.of(503, "5.5.1", "Authenticated already")
AUTH_NOT_NOW = Reply.of(503, "5.5.1", "Not during a mail")
NOT_FOR_OTHERS = Reply.of(550, "5.7.0", "Not authorized to speak for others")
ATTRIBUTES = Reply.of(501, "5.5.4", "Syntax: attribute=value, known ones only")
NOT_YOUR_SENDER = Reply.of(553, "5.7.1", "Sender address not allowed for this user")
TLS_ALREADY = Reply.of(503, "5.5.1", "TLS is active already")
NEED_HELLO = Reply.of(503, "5.5.1", "Say EHLO first")
NEED_LHLO = Reply.of(500, "5.5.1", "This is LMTP, say LHLO")
NESTED_MAIL = Reply.of(503, "5.5.1", "Nested MAIL command")
NEED_MAIL = Reply.of(503, "5.5.1", "Need MAIL first")
NEED_RCPT = Reply.of(503, "5.5.1", "Need RCPT first")
BDAT_SYNTAX = Reply.of(501, "5.5.4", "Syntax: BDAT octets [LAST], closing")
BDAT_UNDER_WAY = Reply.of(503, "5.5.1", "This mail comes by BDAT, up to LAST")
NO_RECIPIENT = Reply.of(554, "5.5.1", "No valid recipients")
TOO_MANY_RECIPIENTS = Reply.of(452, "4.5.3", "Too many recipients")
PARAMETER_UNKNOWN = Reply.of(555, "5.5.4", "Parameter not recognised")
UTF8_NOT_ASKED = Reply.of(553, "5.6.7", "Address with octets above 127 needs SMTPUTF8")
TOO_BIG = Reply.of(552, "5.3.4", "Mail larger than the limit")
BARE_NEWLINE = Reply.of(550, "5.6.11", "Bare CR or LF in content")
NOT_THIS_TENANT = Reply.of(550, "5.7.1", "Not authorized to send through this gateway")
LOOP = Reply.of(554, "5.4.6", "Mail is going in circles")

AUTH_DONE = Reply.of(235, "2.7.0", "Authentication successful")
OK = Reply.of(250, "2.0.0", "OK")
BYE = Reply.of(221, "2.0.0", "Bye")
NOT_VERIFIED = Reply.of(252, "2.0.0", "Can't verify, will try to deliver")
TLS_READY = Reply.of(220, "2.0.0", "Ready to start TLS")
GO_AHEAD = Reply.of(354, "", "End data with <CR><LF>.<CR><LF>")

#: Replies that refuse the gateway itself and not the mail: an expired password must not bounce the company's
#: mail.
REFUSES_GATEWAY = frozenset({"530", "535", "538", "5.7.54", "5.7.64"})


def refuses_gateway(reply: Reply, codes: Collection[str] = REFUSES_GATEWAY) -> bool:
    """Whether a next hop's reply is about us: its code or its enhanced code is in `codes`."""
    return reply.permanent and (str(reply.code) in codes or reply.enhanced in codes)


def for_sender(reply: Reply, codes: Collection[str] = REFUSES_GATEWAY) -> Reply:
    """What the sender is told when the next hop said `reply` (SMTP.md rule 4).

    421 would end the sender's session with us, so it becomes 451 with its text; a refusal of the gateway is
    ours to mend, so it becomes 451 and the caller raises an alarm. A 3xx where none belongs is no answer at
    all.
    """
    if reply.positive:
        return reply
    if reply.intermediate:
        return NEXT_HOP_NONSENSE
    if reply.code == 421:
        # A 4.7.x keeps what it says: rule 15 counts by it.
        enhanced = reply.enhanced if reply.enhanced.startswith("4.") else "4.3.2"
        return reply.with_code(451, enhanced)
    if refuses_gateway(reply, codes):
        return NEXT_HOP_REFUSES_US
    return reply
