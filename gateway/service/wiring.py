"""From config to parts: pools for the next hops, and routes. What a reload changes is changed in place."""

from collections.abc import Callable, Sequence

from gateway.config import DEFAULT_ROUTE, NextHop
from gateway.relay.pool import Pool
from gateway.relay.settings import Host, Login, NextHopSettings, Timeouts
from gateway.service.bundle import Bundle
from gateway.smtp.reply import Reply
from gateway.transaction import ports


def share(total: int, *, of: int, index: int) -> int:
    """This worker's part of a number that all workers of the node share; at least one."""
    return max(1, total // of + (1 if index < total % of else 0))


def hop_settings(bundle: Bundle, name: str, hop: NextHop, *, workers: int, index: int) -> NextHopSettings:
    """What a pool is told. `index` is the worker's number of `workers`."""
    config, times = bundle.config, bundle.config.timeouts
    password = bundle.passwords.get(name)
    return NextHopSettings(
        name=name,
        hosts=tuple(Host(name=host.host, port=host.port) for host in hop.hosts),
        helo=config.helo(hop),
        # `verified` differs in what the config has to name, not in what is done
        tls="required" if hop.tls == "verified" else hop.tls,
        implicit=hop.tls_mode == "implicit",
        ca_file=hop.ca_file,
        fingerprints=frozenset(hop.fingerprints),
        certificate_file=hop.certificate_file,
        certificate_key_file=hop.certificate_key_file,
        login=Login(user=hop.user, password=password) if hop.user and password is not None else None,
        forward_client=hop.forward_client,
        connections=share(hop.connections, of=workers, index=index),
        idle=hop.idle_seconds,
        max_age=hop.max_age_seconds,
        max_mails=hop.max_mails,
        gateway_refusals=frozenset(config.gateway.gateway_refusals),
        timeouts=Timeouts(
            connect=times.connect_seconds,
            wait=times.pool_wait_seconds,
            envelope=times.envelope_seconds,
            data=times.data_seconds,
            block=times.block_seconds,
            dot=times.dot_seconds,
        ),
    )


class RouteTable:
    """Implements `gateway.edge.door.Routes` over one pool a next hop."""

    def __init__(self, bundle: Bundle, *, workers: int, index: int, alarm: Callable[[str], None]) -> None:
        self._workers, self._index, self._alarm = workers, index, alarm
        self._config = bundle.config
        self._pools: dict[str, Pool] = {}
        self.reconfigure(bundle)

    def reconfigure(self, bundle: Bundle) -> list[Pool]:
        """Take another config; gives the pools that are not used any more, for the caller to close."""
        hops = bundle.config.next_hops
        for name, hop in hops.items():
            settings = hop_settings(bundle, name, hop, workers=self._workers, index=self._index)
            pool = self._pools.get(name)
            if pool is None:
                self._pools[name] = Pool(settings, alarm=self._refused)
            elif pool.settings != settings:
                pool.reconfigure(settings)
        self._config = bundle.config
        return [self._pools.pop(name) for name in [name for name in self._pools if name not in hops]]

    @property
    def pools(self) -> Sequence[Pool]:
        """All pools in use."""
        return tuple(self._pools.values())

    def hops(self, listener: str) -> Sequence[ports.NextHop]:
        """All next hops that mail from this listener may go to."""
        names = [
            route.name for route in self._config.route if not route.listeners or listener in route.listeners
        ]
        return [self._pools[name] for name in (*names, DEFAULT_ROUTE)]

    def hop_for(self, listener: str, sender: str) -> ports.NextHop:
        """The next hop for one mail."""
        return self._pools[self._config.route_for(listener, sender)]

    def notice_hop(self, hop: ports.NextHop) -> ports.NextHop:
        """The next hop for failure notices of a mail that went by `hop`."""
        return self._pools.get(self._config.notifications.route or hop.name, self._pools[DEFAULT_ROUTE])

    def own_hop(self) -> ports.NextHop:
        """The next hop for mail of our own that answers no other mail."""
        return self._pools[self._config.notifications.route or DEFAULT_ROUTE]

    def _refused(self, route: str, host: str, reply: Reply) -> None:
        self._alarm(f"next hop {route} ({host}) refuses the gateway itself: {reply}")
