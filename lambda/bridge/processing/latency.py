"""How long to wait for an answer: as TCP computes its retransmission timeout (RFC 6298), within two bounds."""

from __future__ import annotations

import threading

_SAMPLES = 10
"""Answers after which the usual latency is known."""
_SMOOTHING, _VARIANCE_SMOOTHING = 1 / 8, 1 / 4
_DEVIATIONS = 4
_SHORTEST = 2.0
"""Seconds. A call that the service only answers slowly may be done twice if it is given up, so the timeout is generous:
it frees a function from a call that hangs, and no more."""


class UsualLatency:
    """The latency of one operation, as one environment sees it. Safe among threads.

    Parameters:
        longest: seconds that a call may take at most.
    """

    def __init__(self, *, longest: float) -> None:
        self._longest, self._lock = longest, threading.Lock()
        self._samples, self._mean, self._deviation, self._backoff = 0, 0.0, 0.0, 1.0

    @property
    def short_timeout(self) -> float | None:
        """Seconds after which an answer is not to be expected; None where `longest` has to be waited."""
        if self._samples < _SAMPLES:
            return None
        expected = (self._mean + _DEVIATIONS * self._deviation) * self._backoff
        short = min(_SHORTEST, self._longest)
        return short if expected <= short and self._backoff * _SHORTEST <= self._longest else None

    def answered(self, seconds: float) -> None:
        """An answer came after so long."""
        with self._lock:
            if self._samples:
                difference = abs(self._mean - seconds)
                self._deviation += _VARIANCE_SMOOTHING * (difference - self._deviation)
                self._mean += _SMOOTHING * (seconds - self._mean)
            else:
                self._mean, self._deviation = seconds, seconds / 2
            self._samples += 1
            self._backoff = max(1.0, self._backoff / 2)

    def timed_out(self) -> None:
        """No answer came in time: it may only be late, and the next call waits longer."""
        with self._lock:
            self._backoff = min(self._backoff * 2, 64.0)
