"""The candidate set of rules (`[rules] shadow`): judged beside the active one, obeyed by nobody.

Nothing that is wrong with it touches mail or the active set: a folder with a mistake is told of, and the last
good one goes on, or none.
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.config import RuleFiles, read_rule_folder
from gateway.errors import ConfigError, Problem
from gateway.service.bundle import Bundle, load_shadow


def with_shadow(bundle: Bundle, last: Bundle | None = None) -> tuple[Bundle, tuple[Problem, ...]]:
    """The bundle with the candidate set that its config names, as it is now; and what is wrong with that.

    `last` is the bundle until now, whose candidate set stays where the new one has a mistake.
    """
    folder = bundle.config.rules.shadow
    if folder is None:
        return replace(bundle, shadow=None), ()
    kept = None
    if last is not None and last.config.rules.shadow == folder:
        kept = last.shadow
    try:
        files = read_rule_folder(folder)
        if kept is None or _content(files) != _content(kept):
            load_shadow(files, bundle.config)
            kept = files
    except ConfigError as error:
        return replace(bundle, shadow=kept), error.problems
    return replace(bundle, shadow=kept), ()


def _content(files: RuleFiles) -> tuple[Mapping[str, bytes], Mapping[str, tuple[str, ...]]]:
    return files.rules, files.groups
