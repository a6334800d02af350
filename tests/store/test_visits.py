"""Look-ups of many tokens at once, and clicks: labels that are only known in hindsight."""

from sqlalchemy import select

from gateway.store.credit_schema import clicks
from gateway.store.database import Database
from gateway.store.links import Click, LinkDesk, Wanted
from tests.store.crediting import KEYS, programme


def labels(url: str) -> list[str]:
    """Of all clicks, in order."""
    with Database(url).reader().connect() as connection:
        return list(connection.execute(select(clicks.c.label).order_by(clicks.c.id)).scalars())


def test_crowds_in_hindsight(url: str) -> None:
    """What looked human from a crowded place since then was none; other places, times and labels stay."""
    here, there = b"h" * 8, b"t" * 8
    with LinkDesk(url) as desk:
        desk.log_clicks(
            [
                Click(token=b"a" * 16, at=1_000, label="human", place=here),
                Click(token=b"b" * 16, at=2_000, label="human", place=here),
                Click(token=b"c" * 16, at=2_001, label="head", place=here),
                Click(token=b"d" * 16, at=2_002, label="human", place=there),
            ]
        )
        desk.log_clicks([Click(token=b"e" * 16, at=3_000, label="crowd", place=here)], {here: 1_500})
        desk.log_clicks([], {there: 5_000})
        desk.log_clicks([])
    assert labels(url) == ["human", "crowd", "head", "human", "crowd"]


def test_many_look_ups_at_once(url: str) -> None:
    """Those that there are, each with what is known of it; as `find` says one by one."""
    with LinkDesk(url) as desk:
        wanted = [Wanted(address=f"c{number}@example.com", campaign="x") for number in range(5)]
        given = desk.issue(wanted, programme=programme(), keys=KEYS, mail_key=b"m" * 32, refuse=lambda _: "")
        tokens = [one.token for one in given if one.token is not None]
        assert len(tokens) == 5
        found = desk.find_all([*tokens, b"\0" * 16])
        assert found == {token: desk.find(token) for token in tokens}
        assert desk.find_all([b"\xff" * 16]) == {}
