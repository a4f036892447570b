"""A rate limiter: a token bucket with additive increase and multiplicative decrease, as the service allows."""

from __future__ import annotations

import threading

from bridge.processing.clock import Clock

_SECONDS_TO_FULL_RATE = 30.0
"""How long the rate takes to grow from zero to the configured rate while calls succeed."""
_LOWEST_SHARE = 1 / 28
"""The share of the configured rate below which it does not fall."""
_ONE_SIGNAL = 1.0
"""Seconds within which several 429s count as one: calls in flight together are throttled together."""


class RateLimiter:
    """One environment's share of an API's rate. Safe among threads.

    It starts at `rate` / `environments`, grows with each call that succeeds up to `rate`, and halves on a 429.

    Parameters:
        rate: calls per second, the most of one environment.
        environments: how many run at once.
    """

    def __init__(self, *, rate: float, environments: int, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._highest, self._lowest = rate, rate * _LOWEST_SHARE
        self._rate = max(rate / environments, self._lowest)
        self._tokens = self._capacity
        self._filled_at = self._clock.monotonic()
        self._halved_at = float("-inf")

    @property
    def rate(self) -> float:
        """Calls per second, now."""
        return self._rate

    @property
    def _capacity(self) -> float:
        return max(1.0, self._rate)

    def acquire(self, *, deadline: float) -> bool:
        """Wait for a token and take it. False at once if there is none before `deadline` (monotonic clock)."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
            self._filled_at = now
            wait = max(0.0, (1.0 - self._tokens) / self._rate)
            if now + wait >= deadline:
                return False
            self._tokens -= 1.0
        if wait:
            self._clock.sleep(wait)
        return True

    def succeeded(self) -> None:
        """The service accepted a call."""
        with self._lock:
            self._rate = min(self._highest, self._rate + self._highest / _SECONDS_TO_FULL_RATE / self._rate)

    def throttled(self) -> None:
        """The service answered 429."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._halved_at >= _ONE_SIGNAL:
                self._rate = max(self._lowest, self._rate / 2)
                self._tokens = min(self._tokens, 0.0)
                self._halved_at = now
