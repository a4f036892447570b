"""One run of a load through a bridge: published, made to fail by the seed, drained, and looked at in the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.double.client import Double
from testing.faults.accounting import REPLIES, Accounts, ChatVerdict, Verdict, look_at
from testing.faults.agents import Agents
from testing.faults.injection import Timeline, Trouble
from testing.faults.lambda_runtime import Function
from testing.faults.load import Text
from testing.faults.plan import Plan
from testing.faults.record import Record
from testing.faults.services import in_background
from testing.faults.sns import Topic

Say = Callable[[str], None]
_QUIET = 5
"""Looks in a row at which nothing was to be done, before it is believed: agents look less often."""


@dataclass(slots=True, kw_only=True)
class Result:
    """`replies` and `chats` are None where the bridge has neither."""

    name: str
    verdict: Verdict
    accounts: Accounts
    replies: tuple[Verdict, Accounts] | None
    chats: ChatVerdict | None
    record: Record
    seconds: float
    drained: bool
    drained_after: dict[str, float]
    refused: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A bridge that is up: its functions behind their topics, what they stand on, and what is seen of them.

    `waiting`: how many messages are on its queues; `failed`: the identities of what is in its failed queue.
    `streaming` is where replies come from and `generations` what the bridge knows of its chats, if it starts them.
    """

    name: str
    double: Double
    functions: Sequence[Function]
    topic: Topic
    record: Record
    good: Path
    broken: Path
    streaming: Topic | None = None
    waiting: Callable[[], int] = lambda: 0
    failed: Callable[[], list[str]] = list
    stores: Mapping[str, Trouble] = field(default_factory=dict)
    generations: Callable[[], Mapping[str, int]] = dict


class Run:
    """A load on a stage, with all the trouble of a plan; `agents` where they reply through the bridge."""

    def __init__(self, plan: Plan, texts: Sequence[Text], stage: Stage, say: Say, *, agents: Agents | None) -> None:
        self._plan, self._texts, self._stage, self._say, self._agents = plan, texts, stage, say, agents
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
        plan, timeline = self._plan, self._timeline
        began = time.time()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(in_background(self._progress(began)))
            if self._agents:
                await stack.enter_async_context(in_background(self._agents.work()))
            await timeline.begin()
            if plan.faults:
                await stack.enter_async_context(in_background(timeline.kills()))
                phases = await stack.enter_async_context(in_background(timeline.phases()))
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
            self._stage.topic.publish(text)
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
        if self._waiting or any(function.busy for function in self._stage.functions):
            return False
        if self._agents is None:
            return True
        status = await asyncio.to_thread(self._stage.double.status)
        return self._agents.idle and status["unpublished"] == 0

    @property
    def _topics(self) -> list[Topic]:
        return [topic for topic in (self._stage.topic, self._stage.streaming) if topic]

    @property
    def _waiting(self) -> int:
        return sum(topic.under_way for topic in self._topics) + self._stage.waiting()

    def _result(self, *, seconds: float, drained: bool) -> Result:
        stage = self._stage
        journal, status, failed = stage.double.journal(), stage.double.status(), stage.failed()
        chats = stage.double.chats() if self._agents else []
        ended = {chat["contact"]: chat["ended_at"] for chat in chats if chat["ended_at"] is not None}
        accounts = Accounts(self._texts, stage.record, journal, failed, ended=ended)
        after = {
            name: max(0.0, shown - at)
            for name, at in self._timeline.ended.items()
            if (shown := accounts.shown_late(before=at)) is not None
        }
        return Result(
            name=stage.name,
            verdict=accounts.verdict(),
            accounts=accounts,
            replies=self._replies(journal, failed) if self._agents else None,
            chats=look_at(chats, stage.generations()) if self._agents else None,
            record=stage.record,
            seconds=seconds,
            drained=drained,
            drained_after=after,
            refused=status["refused"],
        )

    def _replies(self, journal: list[dict[str, Any]], failed: list[str]) -> tuple[Verdict, Accounts]:
        replies = self._agents.replies if self._agents else []
        accounts = Accounts(replies, self._stage.record, journal, failed, way=REPLIES)
        return accounts.verdict(), accounts

    async def _progress(self, began: float) -> None:
        while True:
            await asyncio.sleep(10)
            status = await asyncio.to_thread(self._stage.double.status)
            self._say(
                f"{time.time() - began:4.0f} s  published {len(self._stage.record.published):6,}  "
                f"shown {status['accepted']:6,}  waiting {self._waiting:6,}  {self._doing or self._timeline.now}"
            )
