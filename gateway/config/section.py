"""The base of all sections of the config file."""

from pydantic import BaseModel, ConfigDict


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
