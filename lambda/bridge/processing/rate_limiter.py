"""A rate limiter: a token bucket whose rate follows the share of calls that the service throttles.

An accepted call raises the rate, a 429 lowers it, in such proportion that both balance where `_TOLERATED` of all calls
are throttled. A rate above the quota so settles at the quota, with few 429s; one lost call does not halve it.

429s that do not depend on this rate (another application uses up the quota, the service is overloaded) would lower it
for ever. Two things prevent that. First, the rate does not fall below `_FLOOR` of the environment's share of the
configured rate unless a probe has shown that this is too fast. Second, while many calls are throttled, all
environments probe at the same time, by the wall clock: for `_PROBE_SECONDS` of every `_PROBE_INTERVAL` they call more
slowly. If the share of 429s falls as a quota would make it fall, the calls were too fast. If it stays, that share is
subtracted from then on. Wald's sequential probability ratio test decides between the two.

The proportional reaction is that of DCTCP (RFC 8257). docs/decisions/0016 compares it with halving and with the SDK's
adaptive mode (CUBIC, RFC 9438).
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from bridge.errors import OutOfTimeError, ThrottledError
from bridge.processing.clock import Clock

T = TypeVar("T")

_GROWTH = 0.01
"""By which share of itself the rate grows with each accepted call."""
_TOLERATED = 0.03
"""The share of throttled calls at which growth and decrease balance."""
_MANY = 0.15
"""The share of throttled calls from which on a cause is looked for."""
_FLOOR = 0.7
"""Of rate / environments: below this the rate falls only where a probe has shown that it is too fast."""
_LOWEST = 0.01
"""The share of the configured rate below which it never falls."""
_PROBE_INTERVAL = 20.0
_PROBE_SECONDS = 5.0
_PROBE_PACE = 0.4
_SETTLING_SECONDS = 1.0
"""At the beginning of a probe: calls at the former rate are still being answered."""
_CALLS_TO_PROBE = 2.0
"""An environment that makes fewer calls in a probe does not probe: it would learn nothing."""
_UNRELATED_EVIDENCE, _QUOTA_EVIDENCE = 2.5, 3.5
"""Logarithms of the likelihood ratios at which probes have decided. The second mistake costs more."""
_ALMOST_ALL = 0.95
"""The largest share of throttled calls that is reckoned with: no evidence is infinite."""
_FADING = 0.8
"""What the counts of earlier probes still weigh after another interval."""
_MEMORY = 0.02
"""Weight of the newest call in the share of throttled calls."""
_FIRST_CALLS = 20
"""Calls before that share is looked at."""
_KEYS = 1000
"""Conversations whose last refusal is known."""
_ONE_REFUSAL_SECONDS = 60.0
"""A conversation that is throttled again within this time says nothing new about the rate."""
_MANY_REFUSALS = 12
"""Throttled calls in a row that are no chance."""
_ENOUGH_CALLS = 20
"""Calls after which the share of throttled calls can explain a series."""
_BY_CHANCE = 1e-4
"""Below this probability, a series of refusals is no chance."""
_LEAST_SHARE = 0.05
"""The share of throttled calls that is reckoned with at least when that probability is computed."""


class RateLimiter:
    """One environment's share of an API's rate. Safe among threads.

    It starts at `rate` / `environments` and grows with accepted calls up to `rate`.

    Parameters:
        rate: calls per second, the most of one environment.
        environments: how many run at once.
    """

    def __init__(self, *, rate: float, environments: int, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._highest, self._share = rate, rate / environments
        self._rate = self._share
        self._tokens = max(1.0, self._rate)
        self._filled_at = self._clock.monotonic()
        self._calls = 0
        self._throttled = 0.0
        self._unrelated = 0.0
        self._floor = _FLOOR * self._share
        self._many_at = float("-inf")
        self._probe = _Probe()
        self._reserved_until = float("-inf")
        self._accepted_at = float("-inf")
        self._refused_since = self._clock.monotonic()
        self._refused_in_a_row = 0
        self._refused_at: OrderedDict[str, float] = OrderedDict()

    @property
    def rate(self) -> float:
        """Calls per second, now."""
        return self._rate * _PROBE_PACE if self._probing() else self._rate

    def call(self, call: Callable[[], T], *, deadline: float, key: str) -> T:
        """The answer to `call`, made when the rate allows it.

        Raises what `call` raises, and OutOfTimeError where the rate allows no call before `deadline`.

        Parameters:
            deadline: by the monotonic clock, in seconds.
            key: the conversation. One that is throttled again and again lowers the rate once.
        """
        if not self.acquire(deadline=deadline):
            raise OutOfTimeError("the rate of calls left no room for it in this batch", retry_after=self._next_token())
        try:
            answer = call()
        except ThrottledError:
            with self._lock:
                new = self._refuse(key)
            if new:
                self.throttled()
            raise
        with self._lock:
            self._refused_at.pop(key, None)
            self._accepted_at, self._refused_in_a_row = self._clock.monotonic(), 0
        self.succeeded()
        return answer

    def by_chance(self, refusals: int) -> bool:
        """Whether the calls of others are throttled so often that one conversation can be, so many times in a row."""
        with self._lock:
            few = self._calls < _ENOUGH_CALLS
            return few or max(_LEAST_SHARE, self._throttled) ** refusals >= _BY_CHANCE

    @property
    def refusing_for(self) -> float:
        """Seconds since the first of the latest calls, if they were many and all throttled; otherwise 0."""
        with self._lock:
            few = self._refused_in_a_row < _MANY_REFUSALS
            return 0.0 if few else self._clock.monotonic() - self._refused_since

    @property
    def accepted_ago(self) -> float:
        """Seconds since a call was accepted; infinite where none was."""
        return self._clock.monotonic() - self._accepted_at

    def _refuse(self, key: str) -> bool:
        """Count a refusal. Whether it is the first of this conversation for some time."""
        now = self._clock.monotonic()
        self._refused_in_a_row += 1
        if self._refused_in_a_row == 1:
            self._refused_since = now
        counted_at = self._refused_at.pop(key, float("-inf"))
        new = now - counted_at >= _ONE_REFUSAL_SECONDS
        self._refused_at[key] = now if new else counted_at
        if len(self._refused_at) > _KEYS:
            self._refused_at.popitem(last=False)
        return new

    def _next_token(self) -> float:
        """Seconds until a token that no other caller was told to come back for."""
        with self._lock:
            now = self._clock.monotonic()
            self._reserved_until = max(now, self._reserved_until) + 1 / self.rate
            return self._reserved_until - now

    def acquire(self, *, deadline: float) -> bool:
        """Wait until a call may be made; False, and nothing taken, where that is after `deadline` (monotonic)."""
        with self._lock:
            now, rate = self._clock.monotonic(), self.rate
            self._tokens = min(max(1.0, rate), self._tokens + (now - self._filled_at) * rate)
            self._filled_at = now
            wait = max(0.0, (1.0 - self._tokens) / rate)
            if now + wait >= deadline:
                return False
            self._tokens -= 1.0
        if wait:
            self._clock.sleep(wait)
        return True

    def succeeded(self) -> None:
        """The service accepted a call."""
        with self._lock:
            if self._counts(throttled=False):
                self._rate = min(self._highest, self._rate + self._step)

    def throttled(self) -> None:
        """The service answered 429."""
        with self._lock:
            if self._counts(throttled=True):
                tolerated = min(0.7, 1.6 * self._unrelated + _TOLERATED)
                self._rate = max(min(self._floor, self._rate), self._rate - self._step * (1 - tolerated) / tolerated)

    @property
    def _step(self) -> float:
        return _GROWTH * max(self._rate, self._share / 4)

    def _counts(self, *, throttled: bool) -> bool:
        """Whether the call says something about the rate. One of a probe says why others were throttled."""
        if self._probing():
            if self._clock.now() % _PROBE_INTERVAL > _SETTLING_SECONDS:
                self._probe.count(throttled, interval=self._interval())
                self._decide()
            return False
        self._calls += 1
        self._throttled += max(_MEMORY, 1 / self._calls) * (throttled - self._throttled)
        if self._throttled >= _MANY and self._calls >= _FIRST_CALLS:
            self._many_at = self._clock.now()
        if self._throttled < _MANY / 2:
            self._unrelated = 0.0
            if self._rate >= self._share:
                self._floor = _FLOOR * self._share
        return True

    def _interval(self) -> int:
        return int(self._clock.now() // _PROBE_INTERVAL)

    def _probing(self) -> bool:
        now = self._clock.now()
        return (
            now - self._many_at <= 1.5 * _PROBE_INTERVAL
            and now % _PROBE_INTERVAL < _PROBE_SECONDS
            and self._share * _PROBE_PACE * _PROBE_SECONDS >= _CALLS_TO_PROBE
        )

    def _decide(self) -> None:
        if self._throttled < _MANY:
            return
        evidence = self._probe.evidence(self._throttled)
        if -_QUOTA_EVIDENCE < evidence < _UNRELATED_EVIDENCE:
            return
        self._probe = _Probe()
        if evidence > 0:
            self._rate = max(self._rate, self._share)
            self._unrelated = (self._unrelated + self._throttled) / 2 if self._unrelated else self._throttled
            self._floor = _FLOOR * self._share
        else:
            self._unrelated, self._floor = 0.0, max(self._floor / 2, _LOWEST * self._highest)
            # The share is measured anew, at the rate that follows, before another probe is believed.
            self._calls, self._throttled, self._many_at = 0, 0.0, float("-inf")


class _Probe:
    """What was accepted and what throttled while the calls were slower; earlier probes fade."""

    def __init__(self) -> None:
        self._interval, self._accepted, self._throttled = 0, 0.0, 0.0

    def count(self, throttled: bool, *, interval: int) -> None:
        faded = _FADING ** (interval - self._interval)
        self._interval = interval
        self._accepted = self._accepted * faded + (not throttled)
        self._throttled = self._throttled * faded + throttled

    def evidence(self, before: float) -> float:
        """Positive where the 429s do not depend on the rate, negative where slower calls are throttled less.

        Parameters:
            before: the share of calls that was throttled at the full rate.
        """
        before = min(before, _ALMOST_ALL)
        of_a_quota = min(0.6 * before, max(0.04, 1 - (1 - before) / _PROBE_PACE))
        return self._accepted * math.log((1 - before) / (1 - of_a_quota)) + self._throttled * math.log(
            before / of_a_quota
        )
