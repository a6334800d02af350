"""The base of all sections of the config file."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Frozen, no unknown keys; defaults are checked like values, so that their paths resolve too."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        # Sections are built as parts of the whole; by themselves only when somebody asks for one.
        defer_build=True,
    )


def optional_section(description: str, **bounds: Any) -> Any:  # noqa: ANN401 - as `Field` has it
    """A key that is a section and may be missing: then it is as if it stood there with nothing in it.

    An instance as the default would be read by itself, and what reads it made for it alone: for all
    sections together that takes longer than what a short command does.
    """
    return Field(default_factory=dict, description=description, **bounds)
