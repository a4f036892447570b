"""Entries that a run was handed and that stay where they are: hidden until it ends, since SQS hands out what it shows.

A run that lasts longer than they are hidden would be handed the same ones over and over, and come to nothing behind
them. They are hidden anew in steps, so that a run that is killed hides nothing for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bridge.processing.clock import Clock
from ops.failed.queues import hide

LONGEST = 600
"""Seconds for which at most a run that is killed hides what it left; the fewer, the more often each is hidden anew."""


class Hidden:
    """By message id. `step`: seconds for which one is hidden anew."""

    def __init__(self, *, sqs: Any, url: str, clock: Clock, step: int = LONGEST) -> None:
        self._sqs, self._url, self._clock, self._step = sqs, url, clock, step
        self._receipts: dict[str, str] = {}
        self._until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._receipts)

    def add(self, message_id: str, receipt: str, *, until: float) -> None:
        """What was received, hidden until then by the monotonic clock."""
        self._receipts[message_id], self._until[message_id] = receipt, until

    def renew(self, *, within: float) -> None:
        """Hide anew what would be seen within so many seconds. What cannot be hidden is received again, no more."""
        now = self._clock.monotonic()
        due = [message_id for message_id, until in self._until.items() if until <= now + within]
        hide(self._sqs, self._url, [self._receipts[message_id] for message_id in due], seconds=self._step)
        self._until |= dict.fromkeys(due, now + self._step)

    def forget(self, message_ids: Iterable[str]) -> None:
        """They are gone."""
        for message_id in message_ids:
            self._receipts.pop(message_id, None)
            self._until.pop(message_id, None)

    def let_go(self, message_ids: Iterable[str] | None = None) -> None:
        """Let these, or all, be seen again at once."""
        chosen = [*(self._receipts if message_ids is None else message_ids)]
        hide(self._sqs, self._url, [self._receipts[message_id] for message_id in chosen], seconds=0)
        self.forget(chosen)
