import pytest

from gateway.ledger.months import month_bounds, month_of, parse_moment

DECEMBER = parse_moment("2026-12-01T00:00:00+09:00")


def test_months_are_japanese() -> None:
    """The first of December in Japan is the last of November in Greenwich."""
    assert month_of(DECEMBER) == "2026-12"
    assert month_of(DECEMBER - 1) == "2026-11"
    assert month_bounds("2026-12") == (DECEMBER, parse_moment("2027-01-01"))
    assert month_bounds("2027-01") == (parse_moment("2027-01-01"), parse_moment("2027-02-01"))


def test_moments_are_microseconds_since_1970() -> None:
    """As the database's clock counts them: 2026-11-30T15:00:00Z is 1,796,050,800 seconds after."""
    assert DECEMBER == 1_796_050_800_000_000


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026", "26-12", "2026-1", "x", "9999-12", "２０２６-12"]
)
def test_what_is_no_month(text: str) -> None:
    """Told, not guessed."""
    with pytest.raises(ValueError, match="is no month"):
        month_bounds(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T00:00:00+09:00",
        "2026-11-30T15:00:00Z",
        "2026-12-01",
        "2026-12-01 00:00",
        "2026/12/1",
        "2026/12/1 0:00",
        "2026/12/01 00:00:00",
        " 2026-12-01T00:00:00.000000 ",
    ],
)
def test_spellings_of_one_moment(text: str) -> None:
    """ISO 8601, and what Excel writes in Japan; without a zone it is Japanese time."""
    assert parse_moment(text) == DECEMBER


def test_date_as_an_end_is_its_last_moment() -> None:
    """`--at 2026-11-30` includes that day."""
    assert parse_moment("2026-11-30", end=True) == DECEMBER - 1
    assert parse_moment("2026-11-30T10:00", end=True) == parse_moment("2026-11-30T10:00")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "1969-12-31", "9999-01-01", "12/1/2026"])
def test_what_is_no_moment(text: str) -> None:
    """Told, not guessed."""
    with pytest.raises(ValueError, match=r"no time|out of range"):
        parse_moment(text)


def test_zone_may_be_needed() -> None:
    """In JSON a time without a zone is refused."""
    with pytest.raises(ValueError, match="names no time zone"):
        parse_moment("2026-12-01T00:00:00", zone=None)
