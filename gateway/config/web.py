"""Section on HTTP: where the gateway answers, and what bounds there are."""

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator, Field

from gateway.config import fields as f
from gateway.config.fault import Fault
from gateway.config.network import HostPort, parse_host_port
from gateway.config.section import Section


def _web_address(value: object) -> HostPort:
    if isinstance(value, HostPort):
        return value
    if not isinstance(value, str):
        raise Fault(f"text is wanted, not {value!r}", 'write it in quotes, as "127.0.0.1:8025"')
    found = parse_host_port(value)
    try:
        ipaddress.ip_address(found.host)
    except ValueError:
        raise Fault(f"{value!r} holds no IP address", 'write it as "127.0.0.1:8025"') from None
    return found


WebAddress = Annotated[HostPort, BeforeValidator(_web_address)]


class Web(Section):
    """[web]: the gateway's own web server. Without `listen` there is none."""

    listen: WebAddress | None = Field(
        default=None,
        description="Address and port of everything: public link, partner API, and what is added.",
    )
    public_listen: WebAddress | None = Field(
        default=None,
        description="A second address that has only the public link (`/r/`, `/o/`), for the proxy that faces "
        "the internet.",
    )
    proxies: tuple[f.PeerNetwork, ...] = Field(
        default=("127.0.0.0/8", "::1"),  # type: ignore[arg-type]  # read like values (validate_default)
        description="Who may say in `X-Forwarded-For` for whom a request is: the proxies in front.",
    )
    requests_per_minute: f.CountOrOff = Field(
        default=120, description="Requests to the public link from one address; 0 is off. More get 429."
    )
    connections: f.Count = Field(
        default=200, description="Connections at once, of each listener; more get 503."
    )
    body_bytes: f.Bytes = Field(default=1_048_576, description="The size of a request to the API.")
    batch: f.Count = Field(default=1_000, description="Registrations, or links, in one request.")
