"""The catalogue: everything that is counted, where its number stands, and what it is called outside.

A fixed list, since it is a table in shared memory (`gateway.service.eyes.table`), and since label values that
strangers choose would grow without bound (nothing here is a host, an address or a rule's name: those are in
the log and the ledger). docs/metrics.md has the same list; a test holds both, and every name that the program
counts, together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.edge.limits import Limit
from gateway.reason import Reason
from gateway.smtp.fold import Fate
from gateway.web.visitors import Label

#: Upper bounds of the histograms, in seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

#: What happens beside mails, by the name that the program counts it under.
EVENTS: Mapping[str, str] = {
    "peer-refused": "a peer that no listener admits",
    "proxy-refused": "no valid PROXY header",
    "tenant-refused": "a mail without the tenant's secret header",
    "tls-failed": "a TLS handshake with a sender failed",
    "login": "a login",
    "login-failed": "a wrong password",
    "login-refused": "a login that was not looked at (lock-out), or not allowed here",
    "link-refused": "a copy that the next hop took only without its link",
    "signing-fault": "a copy went without its link since it could not be signed",
    "marker-left": "a marker that had to stay in a mail",
    "marker-taken-out": "a mail whose markers were taken out",
    "marker-past-window": "a placeholder behind the part of a mail that is read",
    "shadow-judged": "a mail that the candidate rules judged too",
    "shadow-differs": "a mail of which the candidate rules say something else",
    "shadow-refused": "candidate rules with a mistake",
    "reloaded": "a worker took another config or rule set",
    "reload-refused": "a reload with a mistake; the last good set stays",
    "alerts-mailed": "an alert by mail",
    "observations-dropped": "what the rules saw was not kept, under load",
    "public-link:limited": "a request to the public link above its bound",
    "click:dropped": "a visit to the public link that was not kept, under load",
    "api:unsigned": "a request to the API that was not signed as it should be",
    "push:delivered": "a message to a partner was taken",
    "push:failed": "a message to a partner that is tried again",
    "push:dead": "a message to a partner that is given up",
    "other": "counted under a name that is not in this list",
}

#: Promise (docs/design.md) -> what it cost when something failed: names of cells.
PROMISES: Mapping[str, tuple[str, ...]] = {
    "1": (
        f"reason:{Reason.LEDGER_FAULT}",
        f"reason:{Reason.INTERNAL_FAULT}",
        f"reason:{Reason.CHECK_FAILED}",
        f"reason:{Reason.DISK}",
        f"reason:{Reason.UNLINKED}",
        "signing-fault",
        "link-refused",
    ),
    "2": ("outcome:unknown:linked", "outcome:unknown:plain"),
    "3": (f"reason:{Reason.CHECK_FAILED}", "marker-left"),
    "5": ("outcome:unknown:linked",),
    "7": ("peer-refused", "tenant-refused", "proxy-refused", "login-refused"),
    "9": ("reload-refused", "shadow-refused"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric.

    Attributes:
        name: as Prometheus calls it, with its unit; `kind` as its text format says.
        label: of its samples; empty for one that has a single sample.
        samples: label value -> name of the cell.
        help: one line.
        apart: whether each process has a sample of its own.
    """

    name: str
    kind: str
    help: str
    samples: Mapping[str, str]
    label: str = ""
    apart: bool = False


def _one(name: str, cell: str, text: str, *, kind: str = "counter", apart: bool = False) -> Family:
    return Family(name=f"careerrelay_{name}", kind=kind, help=text, samples={"": cell}, apart=apart)


def _gauge(name: str, text: str) -> Family:
    return _one(name, name, text, kind="gauge", apart=True)


COUNTERS = (
    _one("mails_total", "mails", "Mails whose content came, whatever became of them."),
    _one("mail_octets_total", "octets", "Octets of their content."),
    Family(
        name="careerrelay_reasons_total",
        kind="counter",
        help="Mails by the reason why they were changed or left as they came (docs/reasons.md).",
        label="reason",
        samples={reason.value: f"reason:{reason.value}" for reason in Reason},
    ),
    Family(
        name="careerrelay_verdicts_total",
        kind="counter",
        help="Mails by what the rules said: matched, not matched, or never asked.",
        label="verdict",
        samples={name: f"verdict:{name}" for name in ("matched", "no-match", "not-asked")},
    ),
    Family(
        name="careerrelay_outcomes_total",
        kind="counter",
        help="Recipients' copies without a link by what became of them at the next hop.",
        label="outcome",
        samples={fate.value: f"outcome:{fate.value}:plain" for fate in Fate},
    ),
    Family(
        name="careerrelay_link_outcomes_total",
        kind="counter",
        help="Recipients' copies with a link by what became of them at the next hop.",
        label="outcome",
        samples={fate.value: f"outcome:{fate.value}:linked" for fate in Fate},
    ),
    Family(
        name="careerrelay_replies_total",
        kind="counter",
        help="Replies to the end of a mail, by their first digit; each: one a recipient (LMTP), or none.",
        label="class",
        samples={name: f"reply:{name}" for name in ("2xx", "4xx", "5xx", "each")},
    ),
    Family(
        name="careerrelay_copies_left_alone_total",
        kind="counter",
        help="Candidates' copies that got no link while others of the mail did.",
        label="reason",
        samples={reason.value: f"left-alone-{reason.value}" for reason in Reason},
    ),
    Family(
        name="careerrelay_limits_total",
        kind="counter",
        help="How often a peer ran into a bound (docs/security.md).",
        label="limit",
        samples={limit.value.removeprefix("limit-"): limit.value for limit in Limit},
    ),
    Family(
        name="careerrelay_visits_total",
        kind="counter",
        help="Visits to the public link by who they seem to be. They never change credit.",
        label="label",
        samples={label.value: f"click:{label.value}" for label in Label},
    ),
    Family(
        name="careerrelay_events_total",
        kind="counter",
        help="What happened beside mails (docs/metrics.md).",
        label="event",
        samples={name: name for name in EVENTS},
    ),
    _one("faults_total", "faults", "Something of ours failed, and mail went on."),
    _one("alarms_total", "alarms", "Something that a person has to mend; the log says what."),
    _one("worker_restarts_total", "restarts", "Processes that died and were started again."),
)

HISTOGRAMS: Mapping[str, tuple[str, str]] = {
    "held": (
        "careerrelay_held_seconds",
        "From the first octet of content to the verdict: reading, deciding, and the upload of the head.",
    ),
    "sent": (
        "careerrelay_sent_seconds",
        "From the verdict to the reply: the next hop, and for mail with a link the ledger and the edit.",
    ),
}

#: Of each worker.
GAUGES = (
    _gauge("sessions", "SMTP sessions that are open."),
    _gauge("mails_in_hand", "Mails whose content is being taken or sent."),
    _gauge("next_hop_in_use", "Places at next hops that are taken."),
    _gauge("next_hop_idle", "Connections to next hops that wait for a mail."),
    _gauge("next_hop_waiting", "Mails that wait for a place at a next hop."),
    _gauge("next_hops_unknown", "Next hops that never answered, or whose hosts all fail now."),
    _gauge("ledger_queue_rows", "Rows that wait to be written to the ledger."),
    _gauge(
        "ledger_state", "0: the ledger is well. 1: it can't be used. 2: its schema is not this version's."
    ),
    _gauge("brakes", "Brakes that are on: rules, and the one for all."),
    _gauge("beat_seconds", "When the process last moved these gauges, in Unix time."),
)

#: Of the parent.
STANDING = (
    _one("start_seconds", "started", "When the gateway was started, in Unix time.", kind="gauge"),
    _one("workers_wanted", "workers-wanted", "Worker processes that there should be.", kind="gauge"),
    _one("workers_ready", "workers-ready", "Worker processes that take mail.", kind="gauge"),
    _one("rules_refused", "rules-refused", "1 while files that were saved are refused.", kind="gauge"),
    _one("draining", "draining", "1 once the gateway is to end.", kind="gauge"),
)

#: Made at each look, in the web process.
CERTIFICATE_LEFT = "careerrelay_certificate_left_seconds"
PROMISE_FAULTS = "careerrelay_promise_faults_total"
BUILD = "careerrelay_build_info"


def _places() -> dict[str, int]:
    names = [cell for family in (*COUNTERS, *GAUGES, *STANDING) for cell in family.samples.values()]
    for name in HISTOGRAMS:
        names += [f"{name}:{at}" for at in range(len(BOUNDS) + 1)] + [f"{name}:sum"]
    return {name: at for at, name in enumerate(dict.fromkeys(names))}


#: Name of a cell -> its place in the table of a process.
PLACES: Mapping[str, int] = _places()
