"""Section on DKIM: what becomes of mail that is signed, and the keys that we sign with (SMTP.md rule 29)."""

from typing import Literal

from pydantic import Field

from gateway.config import fields as f
from gateway.config.section import Section


class DkimKey(Section):
    """[[dkim.key]]: one key to sign with."""

    domain: f.Domain = Field(
        description="The domain that signs (`d=`): that of the From field, or one above it."
    )
    selector: f.Domain = Field(
        description="Under which name the public key is published: `selector._domainkey.domain`."
    )
    key_file: f.FilePath = Field(
        description="The private key (PEM, RSA or Ed25519), readable by the gateway's user only."
    )
    algorithm: Literal["rsa-sha256", "ed25519-sha256"] | None = Field(
        default=None, description="What the key is expected to be. Default: what it is."
    )


class Dkim(Section):
    """[dkim]: mail that is signed already, and signing the mail that we edit."""

    policy: Literal["auto", "skip", "resign", "break"] = Field(
        default="auto",
        description="Mail that is signed already: `auto` edits it if we hold a key for it or the route has "
        "`signs_after`; `resign` only if we hold a key; `skip` never; `break` always.",
    )
    key: tuple[DkimKey, ...] = Field(default=(), description="The keys that edited mail is signed with.")
