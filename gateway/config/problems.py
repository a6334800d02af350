"""From what pydantic found to what a person can mend: key path, message, remedy.

pydantic's own texts speak of Python types; a config file has none. Each kind of error that our models can
raise has a wording here; a kind without one falls back to pydantic's text, never to silence.
"""

import difflib
from collections.abc import Iterable, Sequence

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gateway.config.fault import Fault
from gateway.config.shape import entry_model, section_model
from gateway.errors import Problem

Place = Sequence[int | str]

NO_SUCH_KEY = "there is no such key"


def key_path(place: Place) -> str:
    """``listen[0].port`` for the place ("listen", 0, "port"). Keys that need quotes in TOML get them."""
    path = ""
    for step in place:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            plain = step and all(letter.isalnum() or letter in "_-" for letter in step) and step.isascii()
            name = step if plain else '"' + step.replace('"', '\\"') + '"'
            path += f".{name}" if path else name
    return path


def to_problem(error: ErrorDetails, *, file: str, model: type[BaseModel], prefix: Place = ()) -> Problem:
    """One pydantic error, found while reading `model` at `prefix` in `file`."""
    place = tuple(step for step in error["loc"] if not _is_branch(step))
    message, remedy = _words(error, place, model)
    return Problem(file=file, key=key_path((*prefix, *place)), message=message, remedy=remedy)


def _is_branch(step: int | str) -> bool:
    """Whether pydantic named a validator here (``function-before[...]``), and no key of ours."""
    return isinstance(step, str) and "[" in step and step.endswith("]")


def _words(error: ErrorDetails, place: Place, model: type[BaseModel]) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, Fault):
        return cause.message, cause.remedy
    if kind == "extra_forbidden":
        return _unknown_key(str(place[-1]), _model_at(model, place[:-1]))
    table: dict[str, tuple[str, str]] = {
        "missing": ("this key is missing, and has no default", _meaning(model, place)),
        "string_type": ("text is wanted", 'write it in quotes, as "text"'),
        "int_type": ("a whole number is wanted", "write it without quotes"),
        "int_from_float": ("a whole number is wanted", "write it without a fraction"),
        "float_type": ("a number is wanted", "write it without quotes and unit; the key says the unit"),
        "bool_type": ("yes or no is wanted", "write true or false, without quotes"),
        "tuple_type": _list_wanted(model, place),
        "mapping_type": ("a section is wanted, not a value", "write it as a [section] with keys below it"),
        "model_type": ("a section is wanted, not a value", "write it as a [section] with keys below it"),
        "dict_type": ("a section is wanted, not a value", "write it as a [section] with keys below it"),
        "model_attributes_type": (
            "a section is wanted, not a value",
            "write it as a [section] with keys below it",
        ),
        "greater_than": (f"it must be greater than {_number(context.get('gt'))}", "write a greater number"),
        "greater_than_equal": (f"it must be at least {_number(context.get('ge'))}", "write a greater number"),
        "less_than_equal": (f"it must be at most {_number(context.get('le'))}", "write a smaller number"),
        "finite_number": ("it must be a finite number", "write a plain number"),
        "literal_error": (
            f"{_shown(error['input'])} is none of the words that it can be",
            f"write one of {str(context.get('expected', '')).replace(chr(39), chr(34))}",
        ),
        "too_short": ("the list is empty", _meaning(model, place)),
        "too_long": (f"the list has more than {context.get('max_length')} entries", "write fewer"),
    }
    return table.get(kind, (error["msg"], ""))


def _number(bound: object) -> str:
    """A bound as one would write it: 1 and not 1.0."""
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _shown(value: object) -> str:
    """A wrong value, short enough for a line."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown_key(name: str, model: type[BaseModel] | None) -> tuple[str, str]:
    if model is None:
        return NO_SUCH_KEY, "take it out"
    known = list(model.model_fields)
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.7)
    if near:
        return NO_SUCH_KEY, f'did you mean "{near[0]}"?'
    return NO_SUCH_KEY, f"take it out, or write one of: {', '.join(known)}"


def _meaning(model: type[BaseModel], place: Place) -> str:
    """How to write the key at `place`, and what it is for: the remedy when it is missing."""
    parent = _model_at(model, place[:-1])
    name = str(place[-1]) if place else ""
    field = parent.model_fields.get(name) if parent is not None else None
    if field is None:
        return "add it"
    section = section_model(field) or entry_model(field)
    if section is None:
        return f"add it: {field.description}"
    path = ".".join(str(step) for step in place)
    header = f"[[{path}]]" if entry_model(field) else f"[{path}]"
    needed = [key for key, inner in section.model_fields.items() if inner.is_required()]
    keys = f" with {', '.join(needed)}" if needed else ""
    return f"add a section {header}{keys}: {field.description}"


def _list_wanted(model: type[BaseModel], place: Place) -> tuple[str, str]:
    """For a value that should have been a list: brackets, of the kind that fits."""
    parent = _model_at(model, place[:-1])
    field = parent.model_fields.get(str(place[-1])) if parent is not None else None
    if field is not None and entry_model(field):
        return (
            "this section can stand several times",
            f"write [[{'.'.join(map(str, place))}]], with two brackets",
        )
    return "a list is wanted", 'write it in brackets, as ["one", "two"]'


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    """The model that the section at `place` inside `model` is read with; None where there is none."""
    current: type[BaseModel] | None = model
    for step in place:
        if current is None:
            return None
        if isinstance(step, int):
            continue
        field = current.model_fields.get(step)
        current = None if field is None else section_model(field) or entry_model(field)
    return current


def misplaced(problem_key: str, models: Iterable[tuple[str, type[BaseModel]]]) -> str | None:
    """The section that has a key of this name, when it stands in the wrong one."""
    name = problem_key.rpartition(".")[2]
    return next((section for section, model in models if name in model.model_fields), None)
