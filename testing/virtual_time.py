"""Time that advances only when all threads sleep."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from bridge.processing.clock import Clock

T = TypeVar("T")


class VirtualTime:
    """Runs threads one at a time. `time`, in seconds, advances only when all of them sleep."""

    def __init__(self, time: float = 0.0) -> None:
        self.time = time
        self._due: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = itertools.count()
        self._yielded = threading.Semaphore(0)
        self._errors: list[BaseException] = []

    def now(self) -> float:
        return self.time

    def as_clock(self) -> Clock:
        return Clock(now=self.now, monotonic=self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        semaphore = threading.Semaphore(0)
        self._wake(semaphore, self.time + max(0.0, seconds))
        self._yielded.release()
        semaphore.acquire()

    def spawn(self, work: Callable[[], object]) -> None:
        start = threading.Semaphore(0)

        def live() -> None:
            start.acquire()
            try:
                work()
            except BaseException as exc:
                self._errors.append(exc)
            finally:
                self._yielded.release()

        threading.Thread(target=live, daemon=True).start()
        self._wake(start, self.time)

    def all_of(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Run functions concurrently. Returns their results when the last one is done."""
        results: dict[int, T] = {}
        done = threading.Semaphore(0)

        def one(number: int, work: Callable[[], T]) -> None:
            results[number] = work()
            if len(results) == len(works):
                self._wake(done, self.time)

        for number, work in enumerate(works):
            self.spawn(partial(one, number, work))
        self._yielded.release()
        done.acquire()
        return [results[number] for number in range(len(works))]

    def run(self, *, until: Callable[[], bool]) -> None:
        """Raises what a thread raised. Threads that still sleep at the end never wake."""
        while not until():
            self.time, _, semaphore = heapq.heappop(self._due)
            semaphore.release()
            self._yielded.acquire()
            if self._errors:
                raise self._errors[0]

    def _wake(self, semaphore: threading.Semaphore, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), semaphore))
