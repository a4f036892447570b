"""Being polite to Connect: a token bucket whose rate follows what the account allows (AIMD)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_WHOLE_AFTER = 30.0
"""How fast the rate grows while calls succeed: from nothing to the whole of it in so many seconds."""
_SLOWEST = 1 / 28
"""The share of the whole rate below which it does not fall."""
_ONE_SIGNAL = 1.0
"""Calls that were under way together are throttled together: within this many seconds it counts as one 429."""


class Pacer:
    """One environment's share of the account's rate, safe among threads.

    It starts at `rate` / `environments` calls per second, raises additively with each accepted call up to `rate`, and
    halves when Connect throttles.
    """

    def __init__(
        self,
        *,
        rate: float,
        environments: int,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._lock = threading.Lock()
        self._most, self._least = rate, rate * _SLOWEST
        self._rate = max(rate / environments, self._least)
        self._tokens = self._capacity
        self._filled_at = monotonic()
        self._halved_at = float("-inf")

    @property
    def rate(self) -> float:
        """Calls per second, now."""
        return self._rate

    @property
    def _capacity(self) -> float:
        return max(1.0, self._rate)

    def take(self, *, until: float) -> bool:
        """Wait for a call's turn; False, and nothing taken, where that would be after `until` (monotonic)."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
            self._filled_at = now
            wait = max(0.0, (1.0 - self._tokens) / self._rate)
            if now + wait >= until:
                return False
            self._tokens -= 1.0
        if wait:
            self._sleep(wait)
        return True

    def accepted(self) -> None:
        """Connect took a call."""
        with self._lock:
            self._rate = min(self._most, self._rate + self._most / _WHOLE_AFTER / self._rate)

    def throttled(self) -> None:
        """Connect answered 429."""
        with self._lock:
            now = self._monotonic()
            if now - self._halved_at >= _ONE_SIGNAL:
                self._rate = max(self._least, self._rate / 2)
                self._tokens = min(self._tokens, 0.0)
                self._halved_at = now
