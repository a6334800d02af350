"""When a rule has to stop by itself (RULES.md, "Safety"). Pure arithmetic; times are microseconds, UTC.

Counted over the last hour and over all processes: links and changed mails by rule, and mails in all. Each
process counts in buckets of a minute. What it has counted itself it knows to the mail; of the others it knows
what they wrote down, which is seconds old.

A brake that was let go begins again at nothing: buckets end where one was, and older ones don't count.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

HOUR = 3_600_000_000
MINUTE = 60_000_000
#: Below so many mails in the hour a share says nothing.
MAILS_FOR_SHARE = 200
#: The name under which all mails are counted, and the brake of the whole gateway.
ALL = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`[rules.brake]`: 0 is off."""

    per_hour: int = 0
    share: float = 0.0
    #: Whether there is anything to count for.
    any: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "any", bool(self.per_hour or self.share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one process, or several together, counted for a rule from `since` on, for at most a minute.

    `mails` were changed by the rule, `links` went out with them. Under `ALL`: mails of any kind.
    """

    since: int
    rule: str
    mails: int
    links: int


@dataclass(slots=True)
class _Bucket:
    since: int
    mails: int = 0
    rules: dict[str, list[int]] = field(default_factory=dict)
    #: Since the others were told: mails in all, and whether a rule changed any.
    new: int = 0
    changed: bool = False

    @property
    def written(self) -> bool:
        return not self.new and not self.changed

    def rows(self) -> Iterable[Row]:
        yield Row(since=self.since, rule=ALL, mails=self.mails, links=0)
        for rule, (mails, links) in self.rules.items():
            yield Row(since=self.since, rule=rule, mails=mails, links=links)


@dataclass(slots=True)
class _Sum:
    """Of a rule in the hour: `mails` in all, `changed` by it, `links` of it."""

    mails: int = 0
    changed: int = 0
    links: int = 0


class Tally:
    """The counts of one process, and what it knows of the others."""

    def __init__(self, now: int) -> None:
        self.limits = Limits()
        self._buckets: list[_Bucket] = [_Bucket(now)]
        self._others: tuple[Row, ...] = ()
        self._resumed: Mapping[str, int] = {}
        self._braked: frozenset[str] = frozenset()
        self._base: dict[str, _Sum] = {}
        # Since the sums were made.
        self._new_mails = 0
        self._new: dict[str, list[int]] = {}

    # --- a mail -------------------------------------------------------------------------------------------

    def mail(self) -> None:
        """There was a mail, of whatever kind."""
        self._new_mails += 1

    def take(self, rule: str, links: int) -> tuple[str, str] | None:
        """Count a mail that the rule is about to change.

        None if it may. Else it is not counted, and the answer is what crosses its bound, the rule or `ALL`,
        and why.
        """
        if not self.limits.any:
            return None
        for name in (rule, ALL):
            why = self._crossing(name, links)
            if why:
                return name, why
        counts = self._new.setdefault(rule, [0, 0])
        counts[0] += 1
        counts[1] += links
        return None

    def give_back(self, rule: str, links: int, *, mail: bool) -> None:
        """So many of the links were not given after all; with `mail` the mail went untouched."""
        counts = self._new.setdefault(rule, [0, 0])
        counts[0] -= mail
        counts[1] -= links

    def _crossing(self, name: str, links: int) -> str:
        found = self._sum(name)
        found.links += links
        found.changed += 1
        what = f"rule {name}" if name else "all rules together"
        if self.limits.per_hour and found.links > self.limits.per_hour:
            return f"{what}: more than {self.limits.per_hour} links in an hour (max_per_hour)"
        mails = found.mails
        if self.limits.share and mails > MAILS_FOR_SHARE and found.changed > self.limits.share * mails:
            share = f"{found.changed} of {mails} mails in an hour"
            return f"{what}: {share}, more than a share of {self.limits.share:g} (max_share)"
        return ""

    def _sum(self, name: str) -> _Sum:
        base = self._base.get(name)
        if base is None:
            base = self._base[name] = self._add_up(name)
        rules = (name,) if name else tuple(rule for rule in self._new if rule not in self._braked)
        new = [self._new[rule] for rule in rules if rule in self._new]
        return _Sum(
            mails=base.mails + self._new_mails,
            changed=base.changed + sum(mails for mails, _ in new),
            links=base.links + sum(links for _, links in new),
        )

    def _add_up(self, name: str) -> _Sum:
        """Over buckets and others. A rule that has been stopped is no part of all rules together any more."""
        total = _Sum()
        for row in (*self._others, *(row for bucket in self._buckets for row in bucket.rows())):
            if row.rule == ALL:
                total.mails += row.mails if row.since >= self._resumed_at(name) else 0
            elif row.since >= self._resumed_at(row.rule) and (
                row.rule == name or (name == ALL and row.rule not in self._braked)
            ):
                total.changed += row.mails
                total.links += row.links
        return total

    def _resumed_at(self, name: str) -> int:
        return max(self._resumed.get(name, 0), self._resumed.get(ALL, 0))

    # --- once a second ------------------------------------------------------------------------------------

    def roll(
        self, now: int, others: Iterable[Row], *, resumed: Mapping[str, int], braked: Iterable[str]
    ) -> None:
        """Put what is new into its bucket, and take what others have counted, brakes and resumes."""
        self._merge()
        newest = max(resumed.values(), default=0)
        begun = self._buckets[-1].since
        if now - begun >= MINUTE or newest > begun:
            self._buckets.append(_Bucket(max(now, newest)))
        self._buckets = [bucket for bucket in self._buckets if bucket.since > now - HOUR] or [_Bucket(now)]
        self._others = tuple(row for row in others if row.since > now - HOUR)
        self._resumed, self._braked = dict(resumed), frozenset(braked)
        self._base = {}

    def _merge(self) -> None:
        bucket = self._buckets[-1]
        bucket.new += self._new_mails
        bucket.changed = bucket.changed or bool(self._new)
        bucket.mails += self._new_mails
        for rule, (mails, links) in self._new.items():
            counts = bucket.rules.setdefault(rule, [0, 0])
            counts[0] += mails
            counts[1] += links
        self._new_mails, self._new = 0, {}

    def unwritten(self) -> list[Row]:
        """What the others haven't been told yet, bucket by bucket, each as a whole."""
        return [row for bucket in self._buckets if not bucket.written for row in bucket.rows()]

    def news(self) -> tuple[int, bool]:
        """How many mails the others haven't been told of, and whether a rule changed any of late."""
        return sum(bucket.new for bucket in self._buckets), any(bucket.changed for bucket in self._buckets)

    def written(self) -> None:
        """They have been told."""
        for bucket in self._buckets:
            bucket.new, bucket.changed = 0, False
