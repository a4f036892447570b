"""Time that passes when everybody waits: threads that take turns, so that a run is quick and the same each time."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class World:
    """Threads of which one runs at a time; `time` in seconds moves on when the one that runs sleeps."""

    def __init__(self, time: float = 0.0) -> None:
        self.time = time
        self._due: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = itertools.count()
        self._yielded = threading.Semaphore(0)
        self._failed: list[BaseException] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        mine = threading.Semaphore(0)
        self._wake(mine, self.time + max(0.0, seconds))
        self._yielded.release()
        mine.acquire()

    def spawn(self, work: Callable[[], object]) -> None:
        start = threading.Semaphore(0)

        def live() -> None:
            start.acquire()
            try:
                work()
            except BaseException as exc:
                self._failed.append(exc)
            finally:
                self._yielded.release()

        threading.Thread(target=live, daemon=True).start()
        self._wake(start, self.time)

    def all_of(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Their results, once the last of them is done; they run at the same time."""
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
        """Raises what a thread raised. Threads that still sleep in the end never wake."""
        while not until():
            self.time, _, semaphore = heapq.heappop(self._due)
            semaphore.release()
            self._yielded.acquire()
            if self._failed:
                raise self._failed[0]

    def _wake(self, semaphore: threading.Semaphore, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), semaphore))
