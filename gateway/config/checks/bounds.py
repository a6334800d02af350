"""What has to fit between bounds: connections and workers, times that contain each other, octets."""

from gateway.config.checks.found import Check, Found, hops
from gateway.config.model import Config

# Postfix waits this long for our reply to the dot (smtp_data_done_timeout), as RFC 5321 §4.5.3.2.6 asks.
_SENDER_PATIENCE = 600


def _a_connection_for_each_worker(config: Config) -> Found:
    # The parent splits the connections; a worker without one could not pass a single mail on.
    workers = config.gateway.worker_count
    for key, hop in hops(config):
        if hop.connections < workers:
            yield (
                f"{key}.connections",
                f"{workers} workers share {hop.connections} connections",
                f"write {workers} or more",
            )


def _room_for_each_worker(config: Config) -> Found:
    workers = config.gateway.worker_count
    if config.limits.connections < workers:
        yield "limits.connections", f"{workers} workers share them", f"write {workers} or more"


def _phases_fit(config: Config) -> Found:
    times = config.timeouts
    for name in ("connect_seconds", "pool_wait_seconds"):
        value = getattr(times, name)
        if value > times.envelope_seconds:
            yield (
                f"timeouts.{name}",
                f"it is part of what MAIL may take, {times.envelope_seconds:g} (envelope_seconds)",
                f"write at most {times.envelope_seconds:g}",
            )
    if times.dot_seconds >= _SENDER_PATIENCE:
        yield (
            "timeouts.dot_seconds",
            f"senders wait {_SENDER_PATIENCE} s, then send again while the mail is on its way: duplicates",
            "write 570",
        )
    if times.copies_seconds > times.dot_seconds:
        yield (
            "timeouts.copies_seconds",
            f"it is longer than dot_seconds ({times.dot_seconds:g})",
            "write less than that",
        )


def _lease_outlives_a_mail(config: Config) -> Found:
    # A lease that ends before the mail does hands a live mail to another node: every copy twice.
    times = config.timeouts
    longest = times.envelope_seconds + times.data_seconds + times.block_seconds + times.dot_seconds
    longest = max(longest, times.copies_seconds + times.dot_seconds)
    if config.ledger.lease_seconds <= longest:
        yield (
            "ledger.lease_seconds",
            f"a mail may take {longest:g} s (envelope, data, block and dot in [timeouts])",
            f"write more than {longest:g}",
        )


def _ledger_wait_is_short(config: Config) -> Found:
    if config.ledger.wait_seconds > config.timeouts.copies_seconds:
        yield "ledger.wait_seconds", "it is longer than copies_seconds in [timeouts]", "write 2"


def _memory_holds_the_window(config: Config) -> Found:
    if config.limits.memory_bytes < config.limits.window_bytes:
        yield (
            "limits.memory_bytes",
            f"it is less than window_bytes ({config.limits.window_bytes}), which is held in memory already",
            f"write {config.limits.window_bytes} or more",
        )


def _line_holds_a_path(config: Config) -> Found:
    # "MAIL FROM:<>" with CRLF, and room for parameters such as ORCPT, which repeats the path (RFC 3461 §4.2).
    needed = 2 * config.limits.path_bytes + 64
    if config.limits.command_line_bytes < needed:
        yield (
            "limits.command_line_bytes",
            f"a path of path_bytes ({config.limits.path_bytes}) does not fit into it with its parameters",
            f"write {needed} or more",
        )


BOUND_CHECKS: tuple[Check, ...] = (
    _a_connection_for_each_worker,
    _room_for_each_worker,
    _phases_fit,
    _lease_outlives_a_mail,
    _ledger_wait_is_short,
    _memory_holds_the_window,
    _line_holds_a_path,
)
