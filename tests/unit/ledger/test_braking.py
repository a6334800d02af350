"""The arithmetic of the brake: links and shares in an hour, over all processes."""

import pytest

from gateway.ledger.braking import ALL, HOUR, MINUTE, Limits, Row, Tally

NOW = 10 * HOUR


def tally(*, per_hour: int = 0, share: float = 0.0) -> Tally:
    """With these limits, begun now."""
    made = Tally(NOW)
    made.limits = Limits(per_hour=per_hour, share=share)
    return made


def roll(counts: Tally, now: int, *others: Row, resumed: dict[str, int] | None = None) -> None:
    """A second has passed."""
    counts.roll(now, others, resumed=resumed or {}, braked=())


def test_no_limit_counts_nothing() -> None:
    """0 is off."""
    counts = tally()
    assert [counts.take("a", 100) for _ in range(100)] == [None] * 100


def test_so_many_links_and_not_one_more() -> None:
    """The mail that would cross the bound is the first that is refused."""
    counts = tally(per_hour=3)
    assert [counts.take("a", 1) is None for _ in range(5)] == [True, True, True, False, False]


def test_a_mail_of_several_counts_each_link() -> None:
    """Two links and two more are past three; one more is not."""
    counts = tally(per_hour=3)
    assert counts.take("a", 2) is None
    crossed = counts.take("a", 2)
    assert crossed is not None
    assert crossed[0] == "a"
    assert "max_per_hour" in crossed[1]
    assert counts.take("a", 1) is None


def test_all_rules_together_have_the_same_bound() -> None:
    """Each below its own, both past it: the gateway's."""
    counts = tally(per_hour=3)
    assert counts.take("a", 2) is None
    crossed = counts.take("b", 2)
    assert crossed is not None
    assert crossed[0] == ALL


def test_a_stopped_rule_is_no_part_of_all() -> None:
    """The rule that ran wild has its own brake; the others needn't stop for it."""
    counts = tally(per_hour=3)
    assert counts.take("a", 3) is None
    counts.roll(NOW + 1, (), resumed={}, braked=("a",))
    assert counts.take("b", 3) is None


@pytest.mark.parametrize("rolled", [False, True])
def test_what_was_not_given_does_not_count(*, rolled: bool) -> None:
    """A retry, or a person who wants no more; whether or not a second passed meanwhile."""
    counts = tally(per_hour=3)
    assert counts.take("a", 3) is None
    if rolled:
        roll(counts, NOW + 1)
    counts.give_back("a", 2, mail=False)
    assert counts.take("a", 2) is None
    assert counts.take("a", 1) is not None


def test_share_needs_two_hundred_mails() -> None:
    """Of 200 mails all may be changed; of 201 no more than the share."""
    counts = tally(share=0.05)
    for _ in range(200):
        counts.mail()
        assert counts.take("a", 1) is None
    counts.mail()
    crossed = counts.take("a", 1)
    assert crossed is not None
    assert "201 of 201 mails" in crossed[1]


def test_share_of_all_mails() -> None:
    """Of 400 mails 20 are a share of 0.05; the 21st is more."""
    counts = tally(share=0.05)
    for _ in range(400):
        counts.mail()
    assert [counts.take("a", 1) is None for _ in range(21)] == [True] * 20 + [False]


def test_others_count_too() -> None:
    """What another process gave counts as one's own."""
    counts = tally(per_hour=3)
    roll(
        counts,
        NOW + 1,
        Row(since=NOW, rule="a", mails=2, links=2),
        Row(since=NOW, rule=ALL, mails=9, links=0),
    )
    assert counts.take("a", 1) is None
    assert counts.take("a", 1) is not None


def test_an_hour_is_an_hour() -> None:
    """What is older is over, one's own and the others'."""
    counts = tally(per_hour=3)
    assert counts.take("a", 3) is None
    roll(counts, NOW + HOUR - 1)
    assert counts.take("a", 1) is not None
    roll(counts, NOW + HOUR + 1, Row(since=NOW, rule="a", mails=3, links=3))
    assert counts.take("a", 3) is None


def test_resume_begins_at_nothing() -> None:
    """Whoever let the brake go has seen what was before it."""
    counts = tally(per_hour=3)
    assert counts.take("a", 3) is None
    assert counts.take("b", 1) is not None
    roll(counts, NOW + 1, Row(since=NOW, rule="a", mails=3, links=3), resumed={"a": NOW + 1})
    assert counts.take("a", 3) is None
    assert counts.take("a", 1) is not None


def test_what_is_told_is_a_whole_minute() -> None:
    """Written again as it grows, so that a write that was lost is made up for."""
    counts = tally(per_hour=9)
    for _ in range(3):
        counts.mail()
    counts.take("a", 2)
    roll(counts, NOW + 1)
    assert counts.unwritten() == [
        Row(since=NOW, rule=ALL, mails=3, links=0),
        Row(since=NOW, rule="a", mails=1, links=2),
    ]
    counts.written()
    assert counts.unwritten() == []
    roll(counts, NOW + 2)
    assert counts.unwritten() == []
    counts.mail()
    roll(counts, NOW + MINUTE)
    assert [row.mails for row in counts.unwritten()] == [4, 1]
