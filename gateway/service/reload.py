"""A reload: what is read again, whether it may stand in for what there is, and where changes are looked for.

Whole or not at all (promise 9): `Reloader` gives a bundle that every worker can go by, or all that is wrong.
Two ways lead here. SIGHUP reads everything, the config too. A change in the folder of rules, or in a list
file, reads those alone: somebody may be in the middle of editing the config.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.config import Config, Excluded, RuleFiles, read_excluded, read_rule_files
from gateway.errors import ConfigError, Problem
from gateway.ruleset.ruleset import Ruleset
from gateway.service.bundle import Built, Bundle, build_policy, read_bundle
from gateway.service.shadow import with_shadow
from gateway.service.watch import read_steadily
from gateway.transaction.policy import Policy

_REMEDY = "put the rules back; if it is meant, say so: `careerrelay rules apply --force`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A bundle to go on with.

    `waiting` are the keys whose change holds only after a restart, `shadow` what is wrong with the candidate
    set, which stays as it was then.
    """

    bundle: Bundle
    waiting: tuple[str, ...] = ()
    shadow: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing changes. `of_rules`: what is wrong is in the files that rule editors write."""

    problems: tuple[Problem, ...]
    of_rules: bool


@dataclass(slots=True, kw_only=True)
class Reloader:
    """Knows what holds now, and what was refused last so that it is not told twice.

    Attributes:
        path: the config file.
        bundle, policy: what holds now.
    """

    path: Path
    bundle: Bundle
    policy: Policy
    _refused: tuple[RuleFiles, Excluded] | None = None

    def everything(self) -> Taken | Refused:
        """Read all again, as SIGHUP asks."""
        read = read_steadily(self._read_all, (self.path, *self._places()))
        if isinstance(read, ConfigError):
            folder = str(self.bundle.files.folder)
            of_rules = all(problem.file.startswith(folder) for problem in read.problems)
            return Refused(problems=read.problems, of_rules=of_rules)
        bundle, wrong = with_shadow(read, self.bundle)
        return self._judge(bundle, wrong)

    def _read_all(self) -> Bundle | ConfigError:
        try:
            return read_bundle(self.path)
        except ConfigError as error:
            return error

    def _places(self) -> Sequence[Path]:
        """Where rule editors write, whether or not that is watched."""
        folder = self.bundle.files.folder
        return (folder, folder / "footers", folder / "groups", *watched(self.bundle))

    def _read_files(self) -> tuple[RuleFiles, Excluded, list[Problem]]:
        config = self.bundle.config
        problems: list[Problem] = []
        files, excluded = self.bundle.files, self.bundle.excluded
        try:
            excluded = read_excluded(config)
        except ConfigError as error:
            problems += error.problems
        if follows_rules(config):
            try:
                files = read_rule_files(config)
            except ConfigError as error:
                problems += error.problems
        return files, excluded, problems

    def files(self) -> Taken | Refused | None:
        """Read rules, footers and lists again; None where they say what they said before."""
        files, excluded, problems = read_steadily(self._read_files, self._places())
        if problems:
            self._refused = None
            return Refused(problems=tuple(problems), of_rules=True)
        bundle, wrong = with_shadow(replace(self.bundle, files=files, excluded=excluded), self.bundle)
        same = (files, excluded) == (self.bundle.files, self.bundle.excluded)
        if same:
            self._refused = None
        elif (files, excluded) == self._refused:
            bundle, same = replace(bundle, files=self.bundle.files, excluded=self.bundle.excluded), True
        if same and bundle.shadow == self.bundle.shadow:
            return Taken(bundle=self.bundle, shadow=wrong) if wrong else None
        return self._judge(bundle, wrong)

    def _judge(self, bundle: Bundle, wrong: tuple[Problem, ...] = ()) -> Taken | Refused:
        try:
            last = Built(bundle=self.bundle, policy=self.policy)
            policy = build_policy(bundle, examples=True, last=last)
        except ConfigError as error:
            self._refused = (bundle.files, bundle.excluded)
            return Refused(problems=error.problems, of_rules=True)
        if bundle.config.rules == self.bundle.config.rules:
            # An admin who writes another [rules] means it.
            problems = losses(self.policy.ruleset, policy.ruleset, bundle.files.folder)
            if problems:
                self._refused = (bundle.files, bundle.excluded)
                return Refused(problems=tuple(problems), of_rules=True)
        taken, waiting = without_restart(self.bundle, bundle)
        self.bundle, self.policy, self._refused = taken, policy, None
        return Taken(bundle=taken, waiting=tuple(waiting), shadow=wrong)


def losses(old: Ruleset, new: Ruleset, folder: Path) -> list[Problem]:
    """What another set would lose that nobody may have meant (RULES.md, "Safety")."""
    before, after = ({rule.id for rule in one.rules} for one in (old, new))
    if _is_active(old) and not _is_active(new):
        message = "no rule would be active any more"
    elif 2 * len(before - after) > len(before):
        message = f"more than half of the rules would be gone: {', '.join(sorted(before - after)[:10])}"
    else:
        return []
    return [Problem(file=str(folder), key="", message=message, remedy=_REMEDY)]


def _is_active(ruleset: Ruleset) -> bool:
    return any(rule.action != "off" for rule in ruleset.rules)


def follows_rules(config: Config) -> bool:
    """Whether a change of the rule files holds by itself."""
    return config.rules.reload == "auto"


def watched(bundle: Bundle) -> Sequence[Path]:
    """The files and folders whose change is a reload.

    Packs inside an installed package are not: they change with the program, which has to be restarted then.
    """
    config = bundle.config
    lists = (config.gateway.exclude_file, config.gateway.exclude_senders_file)
    places = [path for path in lists if path is not None]
    folder = bundle.files.folder
    if follows_rules(config) and (config.rules.directory is not None or folder.name == "rules"):
        places += [folder, folder / "footers", folder / "groups"]
    if config.rules.shadow is not None:
        places += [config.rules.shadow, config.rules.shadow / "groups"]
    return places


def without_restart(old: Bundle, new: Bundle) -> tuple[Bundle, list[str]]:
    """The new bundle as far as a running gateway can take it, and the keys that wait for a restart.

    Sockets, processes, the ledger and the key can't be changed under way; who may use a listener can.
    """
    one, other = old.config, new.config
    kept: dict[str, Any] = {}
    changed: list[str] = []
    if [listen.label for listen in one.listen] != [listen.label for listen in other.listen] or any(
        (a.address, a.port, a.protocol) != (b.address, b.port, b.protocol)
        for a, b in zip(one.listen, other.listen, strict=True)
    ):
        kept["listen"] = one.listen
        changed.append("listen")
    fixed = {name: getattr(one.gateway, name) for name in ("workers", "node", "key_file")}
    for name, value in fixed.items():
        if getattr(other.gateway, name) != value:
            changed.append(f"gateway.{name}")
    fixed_web = {name: getattr(one.web, name) for name in ("listen", "public_listen")}
    changed += [f"web.{name}" for name, value in fixed_web.items() if getattr(other.web, name) != value]
    kept["web"] = other.web.model_copy(update=fixed_web)
    kept["gateway"] = other.gateway.model_copy(update=fixed)
    if one.ledger != other.ledger:
        kept["ledger"] = one.ledger
        changed.append("ledger")
    return replace(new, config=other.model_copy(update=kept), keys=old.keys), changed
