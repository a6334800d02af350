"""What has to fit between routes: names, listeners, and that none leads back to the gateway itself."""

from gateway.config.checks.found import WILDCARDS, Check, Found, hops, one_of
from gateway.config.model import Config
from gateway.config.traffic import DEFAULT_ROUTE

_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def _route_names_once(config: Config) -> Found:
    for index, route in enumerate(config.route):
        if route.name == DEFAULT_ROUTE:
            yield f"route[{index}].name", f'"{DEFAULT_ROUTE}" stands for [next_hop]', "choose another name"
        if any(route.name == earlier.name for earlier in config.route[:index]):
            yield f"route[{index}].name", f'another route is called "{route.name}" too', "choose another name"


def _listeners_of_routes_exist(config: Config) -> Found:
    labels = [listen.label for listen in config.listen]
    for index, route in enumerate(config.route):
        for position, name in enumerate(route.listeners):
            if name not in labels:
                yield (
                    f"route[{index}].listeners[{position}]",
                    f'there is no listener "{name}"',
                    one_of(labels),
                )


def _route_of_notifications_exists(config: Config) -> Found:
    name = config.notifications.route
    names = [DEFAULT_ROUTE, *(route.name for route in config.route)]
    if name is not None and name not in names:
        yield "notifications.route", f'there is no route "{name}"', one_of(names)


def _next_hop_is_not_ourselves(config: Config) -> Found:
    for key, hop in hops(config):
        for index, host in enumerate(hop.hosts):
            for listen in config.listen:
                here = listen.address in WILDCARDS and host.host in _THIS_MACHINE
                if host.port == listen.port and (host.host == listen.address or here):
                    yield (
                        f"{key}.hosts[{index}]",
                        f"{host} is the gateway's own listener {listen.label}: a loop",
                        "write the address of the system that takes mail after the gateway",
                    )


def _route_never_reached(config: Config) -> Found:
    seen: set[str] = set()
    for index, route in enumerate(config.route):
        condition = repr((sorted(route.listeners), sorted(route.sender_domains)))
        if condition in seen:
            yield (
                f"route[{index}]",
                "an earlier route has the same conditions, so this one takes no mail",
                "take one out",
            )
        seen.add(condition)


ROUTE_CHECKS: tuple[Check, ...] = (
    _route_names_once,
    _listeners_of_routes_exist,
    _route_of_notifications_exists,
    _next_hop_is_not_ourselves,
)
ROUTE_WARNINGS: tuple[Check, ...] = (_route_never_reached,)
