"""A clock that advances only by sleeping."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.processing.clock import Clock

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FakeClock:
    def __init__(self, now: datetime = NOON) -> None:
        self.time = now.timestamp()
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def as_clock(self) -> Clock:
        return Clock(now=self.now, monotonic=self.now, sleep=self.sleep)
