"""A service's quota, and several environments that call it as fast as their rate limiters allow."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.processing.clock import Clock
from bridge.processing.rate_limiter import RateLimiter

_ANSWER = 0.08
"""Seconds until an answer is there."""


@dataclass(slots=True, kw_only=True)
class Service:
    """A token bucket for all callers, and 429s that have nothing to do with the rate of calls.

    Parameters:
        quota: calls per second; None for no quota.
        unrelated: the share of calls that is throttled whatever the rate.
    """

    quota: float | None = None
    burst: float = 0.0
    unrelated: float = 0.0
    seed: int = 1
    _tokens: float = field(init=False)
    _filled_at: float = 0.0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._random = self.burst, random.Random(self.seed)

    def accepts(self, at: float) -> bool:
        if self.quota is not None:
            self._tokens = min(self.burst, self._tokens + (at - self._filled_at) * self.quota)
            self._filled_at = at
            if self._tokens < 1:
                return False
        if self._random.random() < self.unrelated:
            return False
        self._tokens -= self.quota is not None
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """`accepted` and `throttled` calls, in all and by the minute in which they were made."""

    seconds: float
    accepted: int
    throttled: int
    accepted_by_minute: Mapping[int, int]

    @property
    def calls_per_second(self) -> float:
        return (self.accepted + self.throttled) / self.seconds

    @property
    def accepted_per_second(self) -> float:
        return self.accepted / self.seconds

    @property
    def throttled_share(self) -> float:
        return self.throttled / (self.accepted + self.throttled)


class _Environment:
    """A rate limiter whose waiting is a plan: `wait` is what it last slept."""

    def __init__(self, *, rate: float, environments: int, time: list[float]) -> None:
        self.wait = 0.0
        clock = Clock(now=lambda: time[0], monotonic=lambda: time[0], sleep=self._sleep)
        self.limiter = RateLimiter(rate=rate, environments=environments, clock=clock)

    def _sleep(self, seconds: float) -> None:
        self.wait = seconds

    def next_call(self) -> float:
        """Seconds until the next call."""
        self.wait = 0.0
        self.limiter.acquire(deadline=float("inf"))
        return self.wait


def saturate(
    service: Service,
    *,
    rate: float,
    environments: int = 4,
    active: int = 4,
    seconds: float = 150,
    changes: Mapping[float, float] | None = None,
) -> Usage:
    """Call the service from `active` environments, which always have something to send.

    Parameters:
        rate, environments: the configuration of each rate limiter.
        changes: new quotas of the service, by the second at which they begin.
    """
    time = [0.0]
    running = [_Environment(rate=rate, environments=environments, time=time) for _ in range(active)]
    order = itertools.count()
    spread = random.Random(service.seed)
    events: list[tuple[float, int, int, bool | None]] = [
        (one.next_call() + spread.random() / 10, next(order), number, None) for number, one in enumerate(running)
    ]
    heapq.heapify(events)
    left = sorted((changes or {}).items())
    accepted_by_minute: dict[int, int] = {}
    accepted = throttled = 0
    while events[0][0] <= seconds:
        time[0], _, number, answer = heapq.heappop(events)
        while left and time[0] >= left[0][0]:
            service.quota = left.pop(0)[1]
        environment = running[number]
        if answer is None:
            ok = service.accepts(time[0])
            accepted, throttled = accepted + ok, throttled + (not ok)
            minute = int(time[0] // 60)
            accepted_by_minute[minute] = accepted_by_minute.get(minute, 0) + ok
            heapq.heappush(events, (time[0] + _ANSWER, next(order), number, ok))
            heapq.heappush(events, (time[0] + max(1e-3, environment.next_call()), next(order), number, None))
        elif answer:
            environment.limiter.succeeded()
        else:
            environment.limiter.throttled()
    return Usage(seconds=seconds, accepted=accepted, throttled=throttled, accepted_by_minute=accepted_by_minute)
