"""Fault injection, reproducible by the seed of the plan: background faults, outages, a bad deploy, kills."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sandbox.simulator.client import Simulator
from testing.faults.lambda_runtime import Function
from testing.faults.plan import Plan
from testing.faults.record import Record


@dataclass(frozen=True, slots=True)
class _Phase:
    name: str
    begins: float
    lasts: float
    on: Callable[[], Any]
    off: Callable[[], Any]


class FaultSchedule:
    """Injects the faults of a plan. `good` and `broken`: folders of archives. `now` names what is active."""

    def __init__(
        self,
        plan: Plan,
        *,
        simulator: Simulator,
        functions: Sequence[Function],
        stores: Mapping[str, FaultInjector],
        good: Path,
        broken: Path,
        record: Record,
    ) -> None:
        self._plan, self._simulator, self._functions, self._stores = plan, simulator, functions, stores
        self._good, self._broken, self._record = good, broken, record
        self._seeds = random.Random(f"{plan.seed} connect")
        self.now = "background faults" if plan.faults else "no faults"
        self.ended: dict[str, float] = {}
        """By name of a phase, when it ended."""

    async def begin(self) -> None:
        """Inject what holds from the first text on."""
        if self._plan.faults:
            await self.background()
        elif self._plan.throttled_share or self._plan.failing_share:
            await self._connect(
                ("throttle", {"share": self._plan.throttled_share}), ("error", {"share": self._plan.failing_share})
            )

    async def background(self) -> None:
        await self._connect(
            ("throttle", {"share": 0.02}),
            ("error", {"share": 0.01}),
            ("reset-before", {"share": 0.01}),
            ("reset-after", {"share": self._plan.lost}),
            ("hang", {"share": 0.002, "seconds": 30}),
        )

    async def phases(self) -> None:
        plan = self._plan
        length = plan.texts / plan.rate
        phases = [
            _Phase("Connect is out", 0.12 * length, plan.outage, self._connect_out, self.background),
            _Phase("Connect refuses", 0.5 * length, plan.refusal, self._connect_refuses, self.background),
            _Phase("a bad deploy", 0.85 * length, plan.bad_deploy, self._bad_deploy, self._roll_back),
        ]
        if "DynamoDB" in self._stores:
            phases += [self._store_out("DynamoDB", 0.04 * length, plan.ledger_outage)]
            phases += [self._store_out("SQS", 0.45 * length, plan.queue_outage)]
        began = time.monotonic()
        moments = [(p.begins, p, True) for p in phases] + [(p.begins + p.lasts, p, False) for p in phases]
        standing: list[str] = []
        for at, phase, begins in sorted(moments, key=lambda moment: moment[0]):
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            await (phase.on if begins else phase.off)()
            if begins:
                standing.append(phase.name)
            else:
                standing.remove(phase.name)
                self.ended[phase.name] = time.time()
            self.now = ", ".join(standing) or "background faults"

    async def kills(self) -> None:
        """Kill a random process at random times."""
        rng = random.Random(f"{self._plan.seed} kills")
        environments = [environment for function in self._functions for environment in function.environments]
        while True:
            await asyncio.sleep(rng.expovariate(1 / self._plan.kill_every))
            number = rng.random()
            running = [environment for environment in environments if environment.running]
            if running:
                victim = running[int(number * len(running))]
                victim.kill()
                self._record.kills += 1

    def _store_out(self, name: str, begins: float, lasts: float) -> _Phase:
        async def switch(out: bool) -> None:
            self._stores[name].outage = out

        return _Phase(f"{name} is out", begins, lasts, lambda: switch(True), lambda: switch(False))

    async def _connect_out(self) -> None:
        await self._connect(("error", {"share": 0.5}), ("reset-before", {}))

    async def _connect_refuses(self) -> None:
        """Deny by IAM. Calls within a chat are authorised by its token, so these are not denied."""
        operations = ("StartChatContact", "SendTextMessage") if self._plan.starts_chats else (None,)
        await self._connect(*(("refuse", {"operation": operation}) for operation in operations))

    async def _connect(self, *faults: tuple[str, dict[str, Any]]) -> None:
        def switch() -> None:
            self._simulator.clear_faults()
            for kind, how in faults:
                seed = {"seed": self._seeds.getrandbits(32)} if "share" in how else {}
                self._simulator.fault(kind, **how | seed)

        await asyncio.to_thread(switch)

    async def _bad_deploy(self) -> None:
        for function in self._functions:
            function.deploy(self._broken)

    async def _roll_back(self) -> None:
        for function in self._functions:
            function.deploy(self._good)


def broken_archive(folder: Path, modules: Sequence[str]) -> Path:
    """Write an archive whose modules fail to import. Returns its folder."""
    for module in modules:
        path = folder / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import a_module_that_was_not_packaged\n", encoding="utf-8")
    return folder


Fault = Literal["error", "reset before", "reset after"]
"""An error response; a reset without effect; a reset after the call took effect, so that its response is lost."""
_KINDS: tuple[Fault, ...] = ("error", "reset before", "reset after")


class FaultInjector:
    """Decides which calls to a service fail. `share`: 0 to 1. During an `outage` all fail without effect."""

    def __init__(self, seed: str, share: float) -> None:
        self._random = random.Random(seed)
        self._share = share
        self.outage = False

    def draw(self) -> Fault | None:
        """Fault of the next call, if any."""
        number, kind = self._random.random(), self._random.choice(_KINDS)
        if self.outage:
            return "error" if kind == "error" else "reset before"
        return kind if number < self._share else None
