"""So many requests a minute from one network: a bucket each, in bounded memory. The caller has the clock."""

from collections import OrderedDict


class RateLimit:
    """Token buckets. Each holds a minute's worth; one that is forgotten was the longest unused.

    `per_minute` may be changed at any time; 0 lets everything through.
    """

    def __init__(self, per_minute: int, *, entries: int = 20_000) -> None:
        self.per_minute = per_minute
        self._entries = entries
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admits(self, network: str, now: float) -> bool:
        """Whether one more request may come from there `now` (seconds, monotonic); if so, it is counted."""
        capacity = float(self.per_minute)
        if not capacity:
            return True
        level, since = self._buckets.pop(network, (capacity, now))
        level = min(capacity, level + (now - since) * capacity / 60)
        allowed = level >= 1
        self._buckets[network] = (level - 1 if allowed else level, now)
        if len(self._buckets) > self._entries:
            self._buckets.popitem(last=False)
        return allowed
