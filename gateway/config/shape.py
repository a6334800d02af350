"""What the models look like: which keys are sections, and which of them can stand several times."""

from collections.abc import Mapping
from typing import get_args

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo


def section_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a key that is a [section]; None for any other key."""
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def entry_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model of one entry of a [[section]], which can stand several times; None for any other key."""
    first = next(iter(get_args(field.annotation)), None)
    return first if isinstance(first, type) and issubclass(first, BaseModel) else None


def section_models(model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """The sections directly below `model`: name, and the model of it or of one entry of it."""
    found = ((name, section_model(field) or entry_model(field)) for name, field in model.model_fields.items())
    return [(name, section) for name, section in found if section is not None]


def one_or_many(value: object) -> object:
    """A section that stands alone, as the list of one that it means."""
    return (value,) if isinstance(value, Mapping) else value


def stands_alone(field: FieldInfo) -> bool:
    """Whether a [[section]] may be written as a plain [section], and commonly is."""
    return any(isinstance(one, BeforeValidator) and one.func is one_or_many for one in field.metadata)
