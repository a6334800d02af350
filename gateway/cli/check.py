"""``careerrelay check``: everything that is wrong with config, rules and footers, in one go.

Reads only; makes neither a key nor a ledger. What can be judged is judged even when something else is broken:
a typing mistake in the config does not hide one in a rule.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json
from gateway.config import Config, examine, load_keys, read_rule_folder
from gateway.errors import ConfigError, LedgerFault, Problem

_KEY_FILE = "gateway.key_file"


@dataclass(slots=True)
class Findings:
    """What the check found: problems have to be mended, warnings looked at, facts are for the eye."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@click.command()
@config_option
@json_option
def check(*, config_path: Path, as_json: bool) -> None:
    """Check config, rules and footers.

    Every mistake is told at once: the file (with the line, where it is known), the key, what is wrong, and
    what to write instead. Exit 0 when all is good, 1 when something has to be mended; warnings do not count.
    """
    found = find(config_path)
    if as_json:
        answer = {
            "ok": not found.problems,
            "problems": [asdict(problem) for problem in found.problems],
            "warnings": [asdict(warning) for warning in found.warnings],
            **found.facts,
        }
        print_json(answer)
    else:
        _tell(config_path, found)
    raise SystemExit(1 if found.problems else 0)


def find(path: Path) -> Findings:
    """Checks the config at `path` and all that it refers to."""
    examined = examine(path)
    found = Findings(problems=list(examined.problems), warnings=list(examined.warnings))
    config = examined.config
    if config is None:
        note = "rules and footers were not checked: the config does not say where they are"
        found.warnings.append(Problem(file=str(path), key="", message=note, remedy="mend the config first"))
        return found
    _check_rules(config, found)
    if not examined.problems:
        _check_key(config, found)
        _check_signing_keys(config, found)
    return found


def _check_rules(config: Config, found: Findings) -> None:
    """Rules and footers. `config` may be a draft: without a readable [rules] there is no folder."""
    from gateway.footer.template import load_footers
    from gateway.ruleset.load import load_rules

    section = config.__dict__.get("rules")
    held = {} if section is None else section.__dict__
    if "directory" not in held:
        return
    try:
        files = read_rule_folder(held["directory"])
    except ConfigError as error:
        found.problems += error.problems
        return
    found.warnings += files.warnings
    found.facts["rules"] = str(files.folder)
    footers = None
    try:
        footers = load_footers(files.footers)
    except ConfigError as error:
        found.problems += map(files.located, error.problems)
    _check_forced(config, footers, found)
    _check_shadow(held, found)
    try:
        ruleset = load_rules(
            files.rules,
            modes=held.get("mode", {}),
            config_senders=held.get("senders", ()),
            footers=footers,
            groups=files.groups,
        )
    except ConfigError as error:
        found.problems += map(files.located, error.problems)
        return
    found.warnings += map(files.located, ruleset.warnings)
    found.facts |= {
        "rule_set": ruleset.id,
        "rule_count": len(ruleset.rules),
        "footer_count": len(footers or ()),
    }


def _check_forced(config: Config, footers: Collection[str] | None, found: Findings) -> None:
    """Whether the footer for links that a sender asks for is there."""
    force = config.__dict__.get("force")
    name = "" if force is None else force.__dict__.get("footer", "")
    if name and footers and name not in footers:
        message, remedy = f"there is no footer {name!r}", f"write one of {', '.join(footers)}"
        found.problems.append(Problem(file="config", key="force.footer", message=message, remedy=remedy))


def _check_shadow(rules: Mapping[str, Any], found: Findings) -> None:
    """The candidate set. A mistake in it stops nothing, so it is a warning."""
    from gateway.ruleset.load import load_rules

    if rules.get("shadow") is None:
        return
    try:
        files = read_rule_folder(rules["shadow"])
    except ConfigError as error:
        found.warnings += error.problems
        return
    try:
        load_rules(files.rules, config_senders=rules.get("senders", ()), groups=files.groups)
    except ConfigError as error:
        found.warnings += map(files.located, error.problems)


def _check_key(config: Config, found: Findings) -> None:
    """The key file, and whether the ledger was begun with it."""
    path = config.gateway.key_file
    key_id = ""
    if path.exists():
        try:
            key_id = load_keys(path, create=False).id
        except ConfigError as error:
            found.problems += error.problems
            return
        found.facts["key_id"] = key_id
    elif not os.access(_nearest(path.parent), os.W_OK):
        message, remedy = (
            "it does not exist, and may not be made here",
            "give the gateway's user the right to",
        )
        found.warnings.append(Problem(file=str(path), key=_KEY_FILE, message=message, remedy=remedy))
    _check_ledger(config, key_id, found)


def _check_ledger(config: Config, key_id: str, found: Findings) -> None:
    """Whether the ledger, if there is one already, was begun with this key; an empty `key_id`: none."""
    from gateway.store.migrate import KeyMatch, check_key_id

    ledger = config.ledger.safe_url
    try:
        match = check_key_id(config.ledger.url, key_id)
    except LedgerFault as error:
        # No mistake in a file, and no reason not to start: mail flows by the fault policy meanwhile.
        message, remedy = f"the ledger cannot be read now: {error}", "look after the database"
        found.warnings.append(Problem(file=ledger, key="ledger.url", message=message, remedy=remedy))
        return
    if match is not KeyMatch.OTHER:
        return
    has = f"this key file has the id {key_id}" if key_id else "this key file does not exist"
    found.problems.append(
        Problem(
            file=str(config.gateway.key_file),
            key=_KEY_FILE,
            message=f"the ledger ({ledger}) was begun with another key; {has}",
            remedy="put the first key file back; with another, nobody who was sent a link is known again",
        )
    )


def _check_signing_keys(config: Config, found: Findings) -> None:
    """Whether each DKIM key can sign."""
    from gateway.service.bundle import load_keyring, read_signing_keys

    try:
        load_keyring(config, read_signing_keys(config))
    except ConfigError as error:
        found.problems += error.problems


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _tell(path: Path, found: Findings) -> None:
    """For a person: what is wrong on standard error, the sum on standard output."""
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    for problem in found.problems:
        click.echo(f"error: {problem}", err=True)
    if found.problems:
        count = len(found.problems)
        click.echo(f"{path}: {count} {'problem' if count == 1 else 'problems'}")
        return
    rules, footers = found.facts["rule_count"], found.facts["footer_count"]
    key = found.facts.get("key_id", "made at the first start")
    click.echo(
        f"{path}: good ({rules} rules, {footers} footers, rule set {found.facts['rule_set']}, key {key})"
    )
