"""How long a message that could not be delivered stays invisible before the next attempt."""

from __future__ import annotations

import math
import random

JITTER = 0.2
"""A delay varies by ± this share of itself, so that the conversations of one outage do not return together."""
LONGEST_DELAY = 43_200 - 900
"""Seconds. SQS allows a visibility timeout of 12 hours counted from the receive, and a function may run 15 minutes."""
_ATTEMPTS_PER_STEP = 4
"""Receives without an attempt after which the delay doubles."""


def jitter() -> float:
    """A random number in [-1, 1]."""
    return random.uniform(-1, 1)  # noqa: S311 (jitter is no secret)


def retry_delay(*, retries: int, first: float, longest: float, jitter: float) -> int:
    """Exponential backoff, in seconds.

    Parameters:
        retries: how often the message has returned to its queue before.
        first: seconds before the first retry; the delay doubles with each further one.
        longest: the most, in seconds.
        jitter: in [-1, 1].
    """
    doubled = first * 2 ** min(retries, 32)
    return with_jitter(min(doubled, longest), jitter)


def steps_untried(receive_count: int) -> int:
    """How often the delay of a message that was received and not tried has doubled.

    It doubles at all because each receive counts towards maxReceiveCount.
    """
    return (receive_count - 1) // _ATTEMPTS_PER_STEP


def max_receives(*, retry_first: float, retry_longest: float, blocked_retry: float, give_up_after: float) -> int:
    """How often SQS can deliver a message, at most, before it is given up by its age. Parameters in seconds.

    Each attempt hides the message for at least its delay with the least jitter; the attempts themselves take no time.
    """

    def receives(first_delays: list[float], then: float) -> int:
        elapsed, count = 0.0, 1
        for delay in first_delays:
            if elapsed >= give_up_after:
                return count
            elapsed += with_jitter(delay, -1)
            count += 1
        left = max(0.0, give_up_after - elapsed)
        return count + math.ceil(left / max(1, with_jitter(then, -1)))

    doublings = max(0, math.ceil(math.log2(max(1.0, retry_longest / retry_first))))
    transient = receives([retry_first * 2**n for n in range(doublings)], retry_longest)
    return max(transient, receives([], blocked_retry))


def with_jitter(seconds: float, jitter: float) -> int:
    """A delay in whole seconds, of one second to LONGEST_DELAY; `jitter` in [-1, 1]."""
    return min(LONGEST_DELAY, max(1, round(seconds * (1 + JITTER * jitter))))
