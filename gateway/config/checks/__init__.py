"""What has to fit between the keys of a config: tables of checks, each a few lines with its reason.

A check takes the config and gives problems; it may be handed a draft (see `gateway.config.draft`) and then
dies of the AttributeError that a hole raises. Checks look at values only; what depends on files is in
`gateway.config.files`.
"""

from gateway.config.checks.bounds import BOUND_CHECKS
from gateway.config.checks.changes import CHANGE_CHECKS, CHANGE_WARNINGS
from gateway.config.checks.credit import CREDIT_CHECKS, CREDIT_WARNINGS
from gateway.config.checks.found import Check, hops
from gateway.config.checks.listeners import LISTEN_CHECKS, LISTENERS_CHECKS, LISTENERS_WARNINGS
from gateway.config.checks.next_hops import HOP_CHECKS
from gateway.config.checks.routes import ROUTE_CHECKS, ROUTE_WARNINGS
from gateway.config.checks.web import WEB_CHECKS, WEB_WARNINGS
from gateway.config.model import Config
from gateway.errors import Problem

CHECKS: tuple[Check, ...] = (
    *BOUND_CHECKS,
    *LISTENERS_CHECKS,
    *ROUTE_CHECKS,
    *CHANGE_CHECKS,
    *WEB_CHECKS,
    *CREDIT_CHECKS,
)
WARNINGS: tuple[Check, ...] = (
    *LISTENERS_WARNINGS,
    *ROUTE_WARNINGS,
    *CHANGE_WARNINGS,
    *WEB_WARNINGS,
    *CREDIT_WARNINGS,
)


def check(config: Config, *, file: str, whole: bool) -> list[Problem]:
    """Everything in `config` that does not fit together.

    Args:
        config: the config, or a draft of one.
        file: its file's name, for the problems.
        whole: whether `config` is no draft. In a draft the checks that meet a hole are passed over.
    """
    problems: list[Problem] = []
    try:
        places = hops(config)
    except AttributeError:
        if whole:
            raise
        places = [("next_hop", config.next_hop)] if "next_hop" in config.__dict__ else []
    runs = [check(config) for check in CHECKS]
    runs += [check(key, hop) for check in HOP_CHECKS for key, hop in places]
    listeners = config.__dict__.get("listen", ())
    runs += [check(f"listen[{i}]", one) for check in LISTEN_CHECKS for i, one in enumerate(listeners)]
    for run in runs:
        try:
            for found in run:  # one by one: what was found before a hole stays
                problems.append(_problem(file, found))  # noqa: PERF401
        except AttributeError:
            if whole:
                raise
    return problems


def warnings(config: Config, *, file: str) -> list[Problem]:
    """What is allowed but hardly meant."""
    return [_problem(file, found) for warn in WARNINGS for found in warn(config)]


def _problem(file: str, found: tuple[str, str, str]) -> Problem:
    key, message, remedy = found
    return Problem(file=file, key=key, message=message, remedy=remedy)
