"""A flood in virtual time: far more texts than Connect accepts, through the bridge's own delivery and rate limiters."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from testing.clock import NOON
from testing.forward_functions import ForwardFunctions, settings
from testing.models.connect import QUOTAS, Connect
from testing.virtual_time import VirtualTime

QUOTA, BURST = QUOTAS["send_chat_integration_event"]
CROWDS = {"everyone once": 10**9, "1,000 customers, ten texts each": 1000, "20 who never stop": 20}
"""Number of customers by name of the run; each text has a random one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """`times` the quota for so many `seconds`, from so many `customers`; meanwhile one more conversation begins.

    Of that conversation: `begins`, seconds after the start; `texts`, their number; `every`, seconds between them.
    """

    seed: int
    times: float = 20.0
    seconds: float = 30.0
    customers: int = 10**9
    workers: int = 4
    begins: float = 15.0
    texts: int = 5
    every: float = 30.0

    @property
    def size(self) -> int:
        return round(self.times * QUOTA * self.seconds)


@dataclass(slots=True, kw_only=True)
class Drained:
    """`share` of the quota that was used while texts were waiting; `refused`: number of 429s.

    `waits`: for each text of the ordinary conversation, seconds until it was shown, and seconds that the texts ahead of
    it take at the full quota.
    """

    texts: int
    seconds: float
    share: float
    refused: int
    failed: int
    waits: list[tuple[float, float]]
    shown: list[float] = field(repr=False)
    rates: list[tuple[float, list[float]]] = field(repr=False)


def play(flood: Flood) -> Drained:
    """Run a flood until all its texts are shown or failed."""
    return _Run(flood).play()


class _Run:
    def __init__(self, flood: Flood) -> None:
        self._flood, self._rng = flood, random.Random(flood.seed)
        self._time = time = VirtualTime(NOON.timestamp())
        self._began = time.time
        self._connect = Connect(time, self._rng)
        self._functions = ForwardFunctions(
            time=time, rng=self._rng, connect=self._connect, config=settings(), workers=flood.workers
        )
        self._ahead: dict[str, int] = {}
        self._rates: list[tuple[float, list[float]]] = []

    def play(self) -> Drained:
        for work in (self._crowd, self._ordinary, self._watch):
            self._time.spawn(work)
        total, connect, functions = self._flood.size + self._flood.texts, self._connect, self._functions
        self._time.run(until=lambda: len(connect.shown) + functions.failed == total and len(functions.queue) == 0)
        shown = sorted(at - self._began for at in connect.shown.values())
        return Drained(
            texts=total,
            seconds=shown[-1],
            share=(len(shown) - BURST) / shown[-1] / QUOTA,
            refused=connect.refused,
            failed=functions.failed,
            waits=[
                (connect.shown[content] - functions.texts[content].sent, ahead / QUOTA)
                for content, ahead in self._ahead.items()
            ],
            shown=shown,
            rates=self._rates,
        )

    def _crowd(self) -> None:
        for number in range(self._flood.size):
            self._functions.send(f"flood {number}", f"customer {self._rng.randrange(self._flood.customers)}")
            self._time.sleep(self._began + (number + 1) / (self._flood.times * QUOTA) - self._time.time)

    def _ordinary(self) -> None:
        self._time.sleep(self._flood.begins)
        for number in range(self._flood.texts):
            content = f"ordinary {number}"
            self._ahead[content] = len(self._functions.queue)
            self._functions.send(content, "ordinary")
            self._time.sleep(self._flood.every)

    def _watch(self) -> None:
        while True:
            rates = [limiter.rate for limiter in self._functions.limiters]
            self._rates.append((self._time.time - self._began, rates))
            self._time.sleep(1)
