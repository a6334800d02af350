"""A config that has errors, as far as it can be read.

All errors are told at once, also those between keys. So when some keys of a section are wrong, the others are
still read, one by one, and the checks between keys see those. To ask for a key that is wrong or missing
raises AttributeError; the check that asked is then passed over, since its answer would be a guess.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.config.model import Config
from gateway.config.problems import NO_SUCH_KEY, misplaced, to_problem
from gateway.config.shape import entry_model, section_model, section_models, stands_alone
from gateway.errors import Problem

Context = Mapping[str, Any]


def read(table: Mapping[str, Any], *, file: str, context: Context) -> tuple[Config, list[Problem]]:
    """Reads a parsed TOML file.

    Returns:
        The config and no problem; or a draft of it, with holes where the problems are.
    """
    try:
        return Config.model_validate(table, context=context), []
    except ValidationError as error:
        details = error.errors()
    places = {detail["loc"] for detail in details}
    # A list whose entries are all wrong is also "too short"; the entries' own errors say more.
    told = {place[:-1] for place in places if isinstance(place[-1], int)} | {
        place[:length]
        for place in places
        for length in range(1, len(place))
        if isinstance(place[length], int)
    }
    problems = [
        to_problem(detail, file=file, model=Config)
        for detail in details
        if not (detail["type"] == "too_short" and detail["loc"] in told)
    ]
    problems = [_alone(problem, table) for problem in problems]
    return _draft(Config, table, context), [_with_section(problem, table) for problem in problems]


def _alone(problem: Problem, table: Mapping[str, Any]) -> Problem:
    """With the key as it stands in the file, for a section that is one of possibly many."""
    name, bracket, rest = problem.key.partition("[0]")
    if bracket and isinstance(table.get(name), Mapping):
        return replace(problem, key=name + rest)
    return problem


def _with_section(problem: Problem, table: Mapping[str, Any]) -> Problem:
    """For an unknown key that another section has: which."""
    if problem.message != NO_SUCH_KEY:
        return problem
    own = problem.key.partition(".")[0].partition("[")[0]
    sections = [(name, model) for name, model in section_models(Config) if name != own]
    section = misplaced(problem.key, sections)
    if section is None:
        return problem
    field = Config.model_fields[section]
    repeated = entry_model(field) is not None and not stands_alone(field)
    remedy = f"it belongs into [[{section}]]" if repeated else f"it belongs into [{section}]"
    if problem.key in table:  # a key above the first [section]
        remedy += ": write it below that line"
    return Problem(file=problem.file, key=problem.key, message=problem.message, remedy=remedy)


_Model = TypeVar("_Model", bound=BaseModel)


def _draft(model: type[_Model], table: object, context: Context) -> _Model:
    """An instance of `model` with those keys of `table` that are right; the others are missing in it."""
    given = table if isinstance(table, Mapping) else None
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if given is None or (name not in given and field.is_required()):
            continue
        value = given[name] if name in given else field.get_default(call_default_factory=True)
        single, repeated = section_model(field), entry_model(field)
        if single is not None and not isinstance(value, BaseModel):
            values[name] = _draft(single, value, context)
        elif repeated is not None and stands_alone(field) and isinstance(value, Mapping):
            values[name] = (_draft(repeated, value, context),)
        elif repeated is not None and isinstance(value, list):
            values[name] = tuple(_draft(repeated, entry, context) for entry in value)
        else:
            annotation: Any = Annotated[field.annotation, field]
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            with contextlib.suppress(ValidationError):
                values[name] = adapter.validate_python(value, context=context)
    draft = model.model_construct(**values)
    for name in model.model_fields.keys() - values.keys():
        draft.__dict__.pop(name, None)
    return draft
