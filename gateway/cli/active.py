"""What the commands for rule sets and roll-outs share: a set built by the config, the ledger, the clock."""

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.config import Config, RuleFiles
from gateway.errors import ConfigError, LedgerFault

if TYPE_CHECKING:
    from gateway.ruleset.ruleset import Ruleset
    from gateway.store import LedgerReader

T = TypeVar("T")


def build(
    config: Config, files: RuleFiles, *, examples: bool, modes: Mapping[str, str] | None = None
) -> "Ruleset":
    """The set of these files, as a worker with this config would build it.

    Raises:
        ConfigError: with every mistake in rules and footers, and the files that they are in.
    """
    from gateway.footer.template import load_footers
    from gateway.ruleset.load import load_rules
    from gateway.service.bundle import link_form

    problems = []
    footers = {}
    try:
        footers = dict(load_footers(files.footers))
    except ConfigError as error:
        problems += [files.located(problem) for problem in error.problems]
    link = link_form(config)
    try:
        ruleset = load_rules(
            files.rules,
            modes=config.rules.mode if modes is None else modes,
            config_senders=config.rules.senders,
            footers=footers or None,
            groups=files.groups,
            names=link.names,
            examples=examples,
        )
    except ConfigError as error:
        problems += [files.located(problem) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return ruleset


def active_files(reader: "LedgerReader") -> RuleFiles | None:
    """The files of the active set; None before the first."""
    active = reader.controls().active
    return snapshot_files(reader, active.id) if active is not None else None


def snapshot_files(reader: "LedgerReader", ruleset: str) -> RuleFiles:
    """The files of a set that the ledger has.

    Raises:
        LedgerFault: it doesn't, or they can't be read.
    """
    from gateway.service.snapshot import unpack

    content = reader.ruleset(ruleset)
    if content is None:
        raise LedgerFault(
            f"there is no rule set {ruleset} in the ledger: `careerrelay rules history` lists them"
        )
    try:
        return unpack(ruleset, content).files
    except ValueError as error:
        raise LedgerFault(str(error)) from error


def running_files(config: Config, reader: "LedgerReader") -> RuleFiles:
    """The files of the active set, or those of the config where none was recorded yet."""
    from gateway.config import read_rule_files

    return active_files(reader) or read_rule_files(config)


def with_store(config: Config, work: "Any") -> Any:  # noqa: ANN401 - whatever the work gives
    """Do `work`, a function of an open ledger, and give its result."""
    import asyncio

    from gateway.store import LedgerStore

    async def run() -> object:
        store: LedgerStore = LedgerStore(config.ledger.url, node=config.gateway.node, wait_seconds=10.0)
        async with store:
            done: Coroutine[Any, Any, object] = work(store)
            return await done

    return asyncio.run(run())
