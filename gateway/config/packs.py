"""The files of rules and footers: which they are, and their bytes. What is in them is judged elsewhere.

The packs that come with the gateway are `gateway/packs` in an installation and `rules/` beside the package
in a checkout. A folder named in the config takes their place. Its footers are laid over the shipped ones by
name, so that a folder with rules alone has footers to refer to. Address lists for ``group:NAME`` in a rule's
scope are `groups/NAME.txt`, in the form of `gateway.exclude_file`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import gateway
from gateway.config.files import read_patterns
from gateway.config.model import Config
from gateway.config.textfile import read_bytes, utf8_problem, without_mark
from gateway.errors import ConfigError, Problem

_KEY = "rules.directory"
_FOOTERS = "footers"
_GROUPS = "groups"
_FOOTER_SUFFIXES = (".txt", ".html")
# A pack of 1,000 patterns has about 60 KB. The bounds are for what was put there by mistake.
_MAX_FILES = 500
_MAX_RULE_FILE = 1 << 20
_MAX_FOOTER_FILE = 64 << 10
_MAX_ENTRIES = 5_000

# What editors and file managers leave behind: backups, swap and lock files, copies.
_LEFTOVER = re.compile(
    r"~$|\.sw[a-p]$|\.(?:bak|orig|rej|old|tmp|save)$|^\.?#|#$|^~\$"
    r"|コピー|(?:^|[ (_-])copy(?: of\b|[ )\d]*\.)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFiles:
    """The files that make up a rule set, by name and in name order, without byte order marks.

    `folder` is where the rules were found, `groups` the address lists by name without suffix. `paths` says
    where the file of a name is. `warnings` name the files that were passed over.
    """

    folder: Path
    rules: Mapping[str, bytes]
    footers: Mapping[str, bytes]
    groups: Mapping[str, tuple[str, ...]]
    paths: Mapping[str, Path]
    warnings: tuple[Problem, ...]

    def located(self, problem: Problem) -> Problem:
        """A problem that names a file as the rules or footers know it, with the path of that file."""
        return replace(problem, file=str(self.paths.get(problem.file, self.folder / problem.file)))


def shipped_packs() -> Path:
    """The folder with the packs that come with the gateway.

    Raises:
        ConfigError: there is none; the installation is damaged.
    """
    package = Path(gateway.__file__).parent
    for folder in (package / "packs", package.parent / "rules"):
        if folder.is_dir():
            return folder
    message = "the rule packs are missing from this installation"
    raise ConfigError(
        [Problem(file=str(package / "packs"), key=_KEY, message=message, remedy="install it again")]
    )


def read_rule_files(config: Config) -> RuleFiles:
    """The rule and footer files of the folder that the config names, or the shipped ones.

    Raises:
        ConfigError: with every file that cannot be read; or the folder is missing, or has no rule file.
    """
    return read_rule_folder(config.rules.directory)


def read_rule_folder(directory: Path | None) -> RuleFiles:
    """The same for a folder; None stands for the shipped packs."""
    shipped = shipped_packs()
    folder = directory or shipped
    problems: list[Problem] = []
    warnings: list[Problem] = []
    paths: dict[str, Path] = {}

    def gather(place: Path, suffixes: tuple[str, ...], limit: int) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        try:
            for path in _chosen(place, suffixes, warnings):
                found[path.name] = _content(path, limit, problems)
                paths.setdefault(path.name, path)
        except ConfigError as error:
            problems.extend(error.problems)
        return found

    rules = gather(folder, (".toml",), _MAX_RULE_FILE)
    if not rules and not problems:
        message, remedy = (
            "there is no rule file (*.toml) in this folder",
            "put one there, or name another folder",
        )
        problems.append(Problem(file=str(folder), key=_KEY, message=message, remedy=remedy))
    own = (
        gather(folder / _FOOTERS, _FOOTER_SUFFIXES, _MAX_FOOTER_FILE) if (folder / _FOOTERS).exists() else {}
    )
    footers = own
    if folder != shipped and (shipped / _FOOTERS).is_dir():
        # By name without suffix: one's own text beside the shipped HTML would say two different things.
        names = {_stem(name) for name in own}
        base = gather(shipped / _FOOTERS, _FOOTER_SUFFIXES, _MAX_FOOTER_FILE)
        footers = own | {name: content for name, content in base.items() if _stem(name) not in names}
    groups = _groups(folder / _GROUPS, warnings, problems)
    if problems:
        raise ConfigError(problems)
    return RuleFiles(
        folder=folder,
        rules=rules,
        footers=dict(sorted(footers.items())),
        groups=groups,
        paths=paths,
        warnings=tuple(warnings),
    )


def is_leftover(name: str) -> bool:
    """Whether a file of this name was left behind by an editor or a file manager (RULES.md, "Safety")."""
    return _LEFTOVER.search(name) is not None


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _chosen(folder: Path, suffixes: tuple[str, ...], warnings: list[Problem]) -> Iterable[Path]:
    """The files of `folder` to be read, in name order."""
    try:
        entries = sorted(path for _, path in zip(range(_MAX_ENTRIES + 1), folder.iterdir(), strict=False))
    except FileNotFoundError:
        raise _refused(folder, "there is no such folder", "create it, or leave rules.directory out") from None
    except OSError as error:
        raise _refused(folder, f"the folder cannot be read: {error.strerror}", "check its rights") from None
    chosen: list[Path] = []
    for path in entries:
        if is_leftover(path.name):
            if any(suffix in path.name.lower() for suffix in suffixes):
                message = "passed over: it looks like a copy that an editor or a file manager left behind"
                warnings.append(
                    Problem(file=str(path), key="", message=message, remedy="delete or rename it")
                )
        elif not path.name.startswith(".") and path.suffix.lower() in suffixes:
            chosen.append(path)
    if len(entries) > _MAX_ENTRIES or len(chosen) > _MAX_FILES:
        raise _refused(
            folder,
            f"there are more than {_MAX_FILES} files in this folder",
            "is this the folder that was meant?",
        )
    return chosen


def _groups(folder: Path, warnings: list[Problem], problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    try:
        for path in _chosen(folder, (".txt",), warnings) if folder.exists() else ():
            try:
                groups[path.stem] = read_patterns(path, key="")
            except ConfigError as error:
                problems.extend(error.problems)
    except ConfigError as error:
        problems.extend(error.problems)
    return groups


def _content(path: Path, limit: int, problems: list[Problem]) -> bytes:
    try:
        content = read_bytes(path, limit=limit)
    except ConfigError as error:
        problems.extend(error.problems)
        return b""
    fault = utf8_problem(content)
    if fault is not None:
        problems.append(Problem(file=str(path), key="", message=fault[0], remedy=fault[1]))
    return without_mark(content)


def _refused(folder: Path, message: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(file=str(folder), key=_KEY, message=message, remedy=remedy)])
