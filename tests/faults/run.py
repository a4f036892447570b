"""One run of a load through a bridge: published, made to fail by the seed, drained, and looked at in the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.double.client import Double
from tests.faults.accounting import Accounts, Verdict
from tests.faults.plan import Plan
from tests.faults.record import Record
from tests.faults.runtime import Function
from tests.faults.services import in_background
from tests.faults.sns import Topic
from tests.faults.texts import Text, load
from tests.faults.timeline import Timeline
from tests.faults.trouble import Trouble

Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Result:
    name: str
    verdict: Verdict
    accounts: Accounts
    record: Record
    seconds: float
    drained: bool
    drained_after: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A bridge that is up: its functions behind their topic, what they stand on, and what is seen of them.

    `waiting`: how many messages are on its queues; `failed`: the SNS message ids of what is in its failed queue.
    """

    name: str
    double: Double
    functions: Sequence[Function]
    topic: Topic
    record: Record
    good: Path
    broken: Path
    waiting: Callable[[], int] = lambda: 0
    failed: Callable[[], list[str]] = list
    stores: Mapping[str, Trouble] = field(default_factory=dict)


async def play(plan: Plan, stage: Stage, say: Say) -> Result:
    """The load of the plan on that stage, with all its trouble."""
    return await _Run(plan, stage, say).go()


class _Run:
    def __init__(self, plan: Plan, stage: Stage, say: Say) -> None:
        self._plan, self._stage, self._say = plan, stage, say
        self._timeline = Timeline(
            plan,
            double=stage.double,
            functions=stage.functions,
            stores=stage.stores,
            good=stage.good,
            broken=stage.broken,
            record=stage.record,
        )
        self._doing = ""

    async def go(self) -> Result:
        plan, stage, timeline = self._plan, self._stage, self._timeline
        texts = load(seed=plan.seed, texts=plan.texts, conversations=plan.conversations, window=plan.window)
        began = time.time()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(in_background(self._progress(began)))
            if plan.faults:
                await timeline.background()
                await stack.enter_async_context(in_background(timeline.kills()))
                phases = await stack.enter_async_context(in_background(timeline.phases()))
            await self._publish(texts)
            if plan.faults:
                await phases
            self._doing = "draining"
            drained = await self._drained()
        seconds = time.time() - began
        journal = await asyncio.to_thread(stage.double.journal)
        status = await asyncio.to_thread(stage.double.status)
        stage.topic.close()
        accounts = Accounts(texts, stage.record, journal, stage.failed())
        after = {
            name: max(0.0, shown - at)
            for name, at in timeline.ended.items()
            if (shown := accounts.shown_late(before=at)) is not None
        }
        return Result(
            name=stage.name,
            verdict=accounts.verdict(),
            accounts=accounts,
            record=stage.record,
            seconds=seconds,
            drained=drained,
            drained_after=after,
            calls=status["accepted"],
            refused=status["refused"],
        )

    async def _publish(self, texts: Sequence[Text]) -> None:
        began = time.monotonic()
        for number, text in enumerate(texts):
            ahead = began + number / self._plan.rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._stage.topic.publish(text)
            if number % 100 == 0:
                await asyncio.sleep(0)

    async def _drained(self) -> bool:
        until = time.monotonic() + self._plan.drain
        while time.monotonic() < until:
            if self._waiting == 0 and not any(function.busy for function in self._stage.functions):
                return True
            await asyncio.sleep(0.2)
        return False

    @property
    def _waiting(self) -> int:
        return self._stage.topic.under_way + self._stage.waiting()

    async def _progress(self, began: float) -> None:
        while True:
            await asyncio.sleep(10)
            status = await asyncio.to_thread(self._stage.double.status)
            self._say(
                f"{time.time() - began:4.0f} s  published {len(self._stage.record.published):6,}  "
                f"shown {status['accepted']:6,}  waiting {self._waiting:6,}  {self._doing or self._timeline.now}"
            )
