"""How long a text that failed stays hidden before it is tried again."""

from __future__ import annotations

import math

JITTER = 0.2
"""A wait is spread over ± this share of itself, so that conversations stopped by one outage do not come back as one."""

LONGEST_WAIT = 43_200 - 900
"""Seconds. SQS hides a message for 12 hours at most, counted from its receive, which a function's 15 minutes follow."""


def retry_wait(*, retries: int, first: float, longest: float, spread: float) -> int:
    """Seconds to hide a text that has been given back `retries` times before; `spread` is in [-1, 1]."""
    doubled = first * 2 ** min(retries, 32)
    return _spread(min(doubled, longest), spread)


def blocked_wait(*, pace: float, spread: float) -> int:
    """Seconds to hide a text that somebody's configuration keeps out; `spread` is in [-1, 1]."""
    return _spread(pace, spread)


def receives_possible(*, retry_first: float, retry_longest: float, blocked_retry: float, give_up_after: float) -> int:
    """The most often SQS can hand out a text before forward gives it up by age, whatever kind of trouble it has.

    Every try of a text hides it for at least the shortest jittered wait, so only the waits count.
    """

    def tries(wait_of: list[float], then: float) -> int:
        elapsed, count = 0.0, 1
        for wait in wait_of:
            if elapsed >= give_up_after:
                return count
            elapsed += _spread(wait, -1)
            count += 1
        left = max(0.0, give_up_after - elapsed)
        return count + math.ceil(left / max(1, _spread(then, -1)))

    doublings = max(0, math.ceil(math.log2(max(1.0, retry_longest / retry_first))))
    transient = tries([retry_first * 2**n for n in range(doublings)], retry_longest)
    return max(transient, tries([], blocked_retry))


def _spread(seconds: float, spread: float) -> int:
    return min(LONGEST_WAIT, max(1, round(seconds * (1 + JITTER * spread))))
