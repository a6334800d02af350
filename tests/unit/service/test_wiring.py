from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, load_keys, read_rule_files
from gateway.service.bundle import Bundle
from gateway.service.reload import without_restart
from gateway.service.wiring import RouteTable, hop_settings, share

ROUTES = [
    {"name": "lmtp", "hosts": ["127.0.0.1:1"], "listeners": ["second"]},
    {"name": "brand", "hosts": ["127.0.0.1:2"], "sender_domains": ["brand.example"]},
]
LISTEN = [{"name": "first", "port": 2525, "networks": ["127.0.0.0/8"]}, {"name": "second", "port": 2526}]


def bundle(folder: Path, **changes: Any) -> Bundle:  # noqa: ANN401 - sections of a config
    """The embedded defaults with two listeners and two routes, and these sections changed."""
    settings = {"listen": LISTEN, "route": ROUTES, "next_hop": {"hosts": ["127.0.0.1:9"]}, **changes}
    config = embedded_config(folder, settings)
    keys = load_keys(folder / "key", create=True)
    return Bundle(config=config, keys=keys, files=read_rule_files(config), passwords={"default": "secret"})


@pytest.mark.parametrize(("total", "of"), [(20, 1), (20, 3), (1_000, 8), (7, 7), (5, 2)])
def test_shares_make_the_whole(total: int, of: int) -> None:
    """Rule 9: what holds over all workers is split without a rest, as evenly as can be."""
    shares = [share(total, of=of, index=index) for index in range(of)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


def test_nobody_goes_without() -> None:
    """Fewer than workers: one each, since a worker with none could send nothing (`check` warns of it)."""
    assert [share(2, of=4, index=index) for index in range(4)] == [1, 1, 1, 1]


def test_what_a_pool_is_told(tmp_path: Path) -> None:
    """Each worker has its share of the connections; no login without a user; times are the config's."""
    content = bundle(
        tmp_path,
        next_hop={
            "hosts": ["[2001:db8::1]:26", "mx.example.net:25"],
            "connections": 7,
            "helo": "out.example.net",
        },
        timeouts={"dot_seconds": 11, "copies_seconds": 10},
    )
    made = [
        hop_settings(content, "default", content.config.next_hop, workers=2, index=index) for index in (0, 1)
    ]
    assert [one.connections for one in made] == [4, 3]
    assert [(host.name, host.port) for host in made[0].hosts] == [("2001:db8::1", 26), ("mx.example.net", 25)]
    assert (made[0].helo, made[0].login, made[0].timeouts.dot) == ("out.example.net", None, 11)


async def test_routes(tmp_path: Path) -> None:
    """The first route that fits; EHLO asks all that mail of this listener may go to; the default is last."""
    table = RouteTable(bundle(tmp_path), workers=1, index=0, alarm=print)
    assert [hop.name for hop in table.hops("first")] == ["brand", "default"]
    assert [hop.name for hop in table.hops("second")] == ["lmtp", "brand", "default"]
    assert table.hop_for("second", "a@brand.example").name == "lmtp"
    assert table.hop_for("first", "a@brand.example").name == "brand"
    assert table.hop_for("first", "").name == "default"
    assert len(table.pools) == 3


async def test_notices_go_where_the_mail_went(tmp_path: Path) -> None:
    """Rule 16: by the route of the mail, or by the one that is set."""
    table = RouteTable(bundle(tmp_path), workers=1, index=0, alarm=print)
    brand = table.hop_for("first", "a@brand.example")
    assert table.notice_hop(brand) is brand
    table.reconfigure(bundle(tmp_path, notifications={"route": "default"}))
    assert table.notice_hop(brand).name == "default"


async def test_a_reload_changes_pools_in_place(tmp_path: Path) -> None:
    """A pool whose settings changed is the same pool; one that no route uses is given back, to be closed."""
    table = RouteTable(bundle(tmp_path), workers=1, index=0, alarm=print)
    before = {pool.name: pool for pool in table.pools}
    unused = table.reconfigure(bundle(tmp_path, route=ROUTES[:1], next_hop={"hosts": ["127.0.0.1:10"]}))
    assert unused == [before["brand"]]
    after = {pool.name: pool for pool in table.pools}
    assert after == {"lmtp": before["lmtp"], "default": before["default"]}
    assert [host.port for host in after["default"].settings.hosts] == [10]
    assert [hop.name for hop in table.hops("first")] == ["default"]


def test_who_is_let_in(tmp_path: Path) -> None:
    """Promise 7: by the networks of that listener; nobody where there are none."""
    first, second = bundle(tmp_path).config.listen
    assert first.admits("127.0.0.9")
    assert not first.admits("192.0.2.1")
    assert not first.admits("")
    assert not second.admits("127.0.0.1")


def test_what_waits_for_a_restart(tmp_path: Path) -> None:
    """Places, processes, ledger and key stay as they are and are named; all else is taken."""
    old = bundle(tmp_path)
    new = bundle(
        tmp_path,
        listen=[{**LISTEN[0], "port": 2599}, LISTEN[1]],
        gateway={"workers": 4, "node": "n2", "key_file": "other.key", "mode": "observe"},
        ledger={"url": "sqlite:///other.db"},
        limits={"recipients": 3},
    )
    taken, named = without_restart(old, new)
    assert named == ["listen", "gateway.workers", "gateway.node", "gateway.key_file", "ledger"]
    assert taken.config.listen == old.config.listen
    assert taken.config.ledger == old.config.ledger
    assert taken.config.gateway == old.config.gateway.model_copy(update={"mode": "observe"})
    assert taken.config.limits.recipients == 3
    assert taken.keys == old.keys


def test_networks_need_no_restart(tmp_path: Path) -> None:
    """Who may use a listener changes under way."""
    old = bundle(tmp_path)
    new = bundle(tmp_path, listen=[LISTEN[0], {**LISTEN[1], "networks": ["192.0.2.0/24"]}])
    taken, named = without_restart(old, new)
    assert named == []
    assert taken.config.listen[1].admits("192.0.2.7")
