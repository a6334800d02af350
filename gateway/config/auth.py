"""Section on logins: who the users are, and what guessing costs."""

from pydantic import Field

from gateway.config import fields as f
from gateway.config.section import Section


class Auth(Section):
    """[auth]: logins at listeners that have `auth`."""

    users_file: f.FilePath | None = Field(
        default=None,
        description="The users, written by `careerrelay user`, for the gateway's user only. "
        "Read again when it changes.",
    )
    attempts: f.Count = Field(
        default=10,
        description="Wrong passwords from one address, or for one name, after which no more are looked at.",
    )
    lockout_seconds: f.Seconds = Field(default=900, description="For how long.")
