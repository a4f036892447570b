"""One run: publish a load, inject the faults, wait until the queues are empty, evaluate."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.simulator.client import Simulator
from testing.faults.accounting import REPLIES, Accounting, ChatVerdict, Verdict, check_chats
from testing.faults.agents import Agents
from testing.faults.injection import FaultInjector, FaultSchedule
from testing.faults.lambda_runtime import Function
from testing.faults.load import Text
from testing.faults.plan import Plan
from testing.faults.record import Record
from testing.faults.services import in_background
from testing.faults.sns import Topic

Progress = Callable[[str], None]
_QUIET = 5
"""Consecutive checks without work before the run counts as drained; agents poll less often."""


@dataclass(slots=True, kw_only=True)
class Result:
    """`replies` and `chats` are None with integration-event delivery."""

    name: str
    verdict: Verdict
    accounting: Accounting
    replies: tuple[Verdict, Accounting] | None
    chats: ChatVerdict | None
    record: Record
    seconds: float
    drained: bool
    drained_after: dict[str, float]
    refused: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running bridge: its functions behind their topics, the services they use, and what is recorded of them.

    `waiting`: number of messages on its queues. `failed`: identities in its failed queue. With start-chat delivery,
    `streaming` is the topic of replies and `generations` are those of its chats.
    """

    name: str
    simulator: Simulator
    functions: Sequence[Function]
    topic: Topic
    record: Record
    good: Path
    broken: Path
    streaming: Topic | None = None
    waiting: Callable[[], int] = lambda: 0
    failed: Callable[[], list[str]] = list
    stores: Mapping[str, FaultInjector] = field(default_factory=dict)
    generations: Callable[[], Mapping[str, int]] = dict


class Run:
    """Plays a load and the faults of a plan against a deployment. `agents`: None if they do not reply through it."""

    def __init__(
        self, plan: Plan, texts: Sequence[Text], deployment: Deployment, say: Progress, *, agents: Agents | None
    ) -> None:
        self._plan, self._texts, self._deployment, self._say, self._agents = plan, texts, deployment, say, agents
        self._schedule = FaultSchedule(
            plan,
            simulator=deployment.simulator,
            functions=deployment.functions,
            stores=deployment.stores,
            good=deployment.good,
            broken=deployment.broken,
            record=deployment.record,
        )
        self._doing = ""

    async def go(self) -> Result:
        plan, schedule = self._plan, self._schedule
        began = time.time()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(in_background(self._progress(began)))
            if self._agents:
                await stack.enter_async_context(in_background(self._agents.work()))
            await schedule.begin()
            if plan.faults:
                await stack.enter_async_context(in_background(schedule.kills()))
                phases = await stack.enter_async_context(in_background(schedule.phases()))
            await self._publish()
            if plan.faults:
                await phases
            self._doing = "draining"
            drained = await self._drained()
        seconds = time.time() - began
        for topic in self._topics:
            topic.close()
        return await asyncio.to_thread(self._result, seconds=seconds, drained=drained)

    async def _publish(self) -> None:
        began = time.monotonic()
        for number, text in enumerate(self._texts):
            ahead = began + number / self._plan.rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._deployment.topic.publish(text)
            if number % 100 == 0:
                await asyncio.sleep(0)

    async def _drained(self) -> bool:
        until, quiet = time.monotonic() + self._plan.drain, 0
        while time.monotonic() < until:
            quiet = quiet + 1 if await self._is_quiet() else 0
            if quiet == _QUIET:
                return True
            await asyncio.sleep(0.2)
        return False

    async def _is_quiet(self) -> bool:
        if self._waiting or any(function.busy for function in self._deployment.functions):
            return False
        if self._agents is None:
            return True
        status = await asyncio.to_thread(self._deployment.simulator.status)
        return self._agents.idle and status["unpublished"] == 0

    @property
    def _topics(self) -> list[Topic]:
        return [topic for topic in (self._deployment.topic, self._deployment.streaming) if topic]

    @property
    def _waiting(self) -> int:
        return sum(topic.under_way for topic in self._topics) + self._deployment.waiting()

    def _result(self, *, seconds: float, drained: bool) -> Result:
        deployment = self._deployment
        journal, status, failed = deployment.simulator.journal(), deployment.simulator.status(), deployment.failed()
        chats = deployment.simulator.chats() if self._agents else []
        ended = {chat["contact"]: chat["ended_at"] for chat in chats if chat["ended_at"] is not None}
        accounting = Accounting(self._texts, deployment.record, journal, failed, ended=ended)
        after = {
            name: max(0.0, shown - at)
            for name, at in self._schedule.ended.items()
            if (shown := accounting.last_shown(before=at)) is not None
        }
        return Result(
            name=deployment.name,
            verdict=accounting.verdict(),
            accounting=accounting,
            replies=self._replies(journal, failed) if self._agents else None,
            chats=check_chats(chats, deployment.generations()) if self._agents else None,
            record=deployment.record,
            seconds=seconds,
            drained=drained,
            drained_after=after,
            refused=status["refused"],
        )

    def _replies(self, journal: list[dict[str, Any]], failed: list[str]) -> tuple[Verdict, Accounting]:
        replies = self._agents.replies if self._agents else []
        accounting = Accounting(replies, self._deployment.record, journal, failed, direction=REPLIES)
        return accounting.verdict(), accounting

    async def _progress(self, began: float) -> None:
        while True:
            await asyncio.sleep(10)
            status = await asyncio.to_thread(self._deployment.simulator.status)
            self._say(
                f"{time.time() - began:4.0f} s  published {len(self._deployment.record.published):6,}  "
                f"shown {status['accepted']:6,}  waiting {self._waiting:6,}  {self._doing or self._schedule.now}"
            )
