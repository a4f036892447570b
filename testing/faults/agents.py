"""Simulated agents: they read what is shown, then do what the load plans for that text."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Collection, Sequence
from typing import Any

from sandbox.simulator.client import Simulator
from testing.faults.accounting import TEXTS
from testing.faults.load import AgentAction, Reply, Text, reply_body

_PAUSE = 0.1
_SLOWEST = 1.5
"""Seconds an agent takes at most to read a text."""


class Agents:
    """`opted_out`: customers whose phones take no replies."""

    def __init__(self, simulator: Simulator, texts: Sequence[Text], *, seed: int, opted_out: Collection[str]) -> None:
        self._simulator, self._opted_out = simulator, opted_out
        self._random = random.Random(f"{seed} replies")
        self._unread = {text.number: text for text in texts}
        self._seen = 0
        self._due: list[tuple[float, int, str, Text]] = []
        self.replies: list[Reply] = []
        self.idle = True
        """Nothing new was shown, and no action is due."""

    async def work(self) -> None:
        while True:
            await asyncio.to_thread(self._read_and_act)
            await asyncio.sleep(_PAUSE)

    def _read_and_act(self) -> None:
        shown = self._simulator.journal(after=self._seen)
        for entry in shown:
            self._read(entry)
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, contact, text = heapq.heappop(self._due)
            for act in text.then:
                self._act(act, contact, text)
        self.idle = not (shown or self._due)

    def _read(self, entry: dict[str, Any]) -> None:
        self._seen = entry["n"]
        number = TEXTS.number_of(entry)
        text = None if number is None else self._unread.pop(number, None)
        if text and text.then:
            at = time.monotonic() + self._random.uniform(0, _SLOWEST)
            heapq.heappush(self._due, (at, text.number, entry["contact"], text))

    def _act(self, act: AgentAction, contact: str, text: Text) -> None:
        try:
            if act == "transfer":
                self._simulator.transfer(contact)
            elif act == "end":
                self._simulator.end(contact)
            else:
                self._reply(act, contact, text)
        except ValueError:
            pass  # the chat has ended

    def _reply(self, act: AgentAction, contact: str, text: Text) -> None:
        number = len(self.replies)
        body = reply_body(number, self._random, long=act == "long reply")
        written = self._simulator.reply(contact, body)
        self.replies.append(
            Reply(
                number=number,
                identity=written["id"],
                contact=contact,
                body=body,
                kind="opted out" if text.customer in self._opted_out else "reply",
            )
        )
