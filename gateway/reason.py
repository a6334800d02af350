"""Reason codes: why a mail was changed or left as it came.

One vocabulary for log, ledger, metrics and `explain`. The texts are stable: scripts and dashboards rely on
them.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why the gateway did to a mail what it did."""

    # the footer went in
    INJECTED = "injected"
    FORCED = "forced"

    # the rules decided
    NO_MATCH = "no-match"
    OBSERVE = "observe"
    PARTIAL = "partial"
    BRAKE = "brake"
    MODE_OFF = "off"
    NO_CANDIDATE = "no-candidate"
    VETO = "veto"
    OUT_OF_SCOPE = "out-of-scope"
    SENSITIVE = "sensitive"
    OWN_ALTERNATIVE = "own-alternative"
    SUPPRESSED = "suppressed"
    FREQUENCY = "frequency"
    RECIPIENTS = "recipients"
    SENDER_EXCLUDED = "sender-excluded"
    MARKED_OFF = "marked-off"

    # what kind of mail it is
    NULL_SENDER = "null-sender"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto-reply"
    READ_RECEIPT = "read-receipt"
    CALENDAR = "calendar"
    TNEF = "tnef"
    SMIME = "smime"
    PGP = "pgp"
    DKIM = "dkim"
    HAS_LINK = "has-link"
    OWN_HEADER = "own-header"
    LOOP = "loop"

    # the bytes do not allow it
    DEFECT = "defect"
    DISAGREE = "structure-disagrees"
    NO_TEXT = "no-text"
    CHARSET = "unknown-charset"
    UNDECODABLE = "undecodable"
    HTML_DEFECT = "html-defect"
    CHECK_FAILED = "check-failed"

    # limits
    WINDOW = "window"
    SIZE = "size"
    DISK = "disk"

    # something of ours, or the next hop, failed
    LEDGER_FAULT = "ledger-fault"
    SIGNING_FAULT = "signing-fault"
    INTERNAL_FAULT = "internal-fault"
    UNLINKED = "unlinked"
