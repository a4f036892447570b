"""A model of an SQS FIFO queue in high-throughput mode: small, exact, and turned by a clock of the caller's.

Source: the SQS developer guide on FIFO delivery logic, deduplication (scope: message group) and dead-letter queues.
Safe among threads.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DEDUPLICATION_SECONDS = 300.0


class ReceiptError(Exception):
    """The receipt handle is unknown, of an earlier receive, or its visibility time-out is over."""


@dataclass(slots=True, kw_only=True)
class Message:
    """Times in seconds of the queue's clock. `receipt` is that of the last receive."""

    message_id: str
    sequence: int
    body: str
    group: str
    deduplication_id: str
    attributes: Mapping[str, Any]
    sent_at: float
    visible_at: float = 0.0
    receives: int = 0
    receipt: str | None = None
    first_received_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Fifo:
    """`visibility` in seconds. With `max_receives`, a message received more often goes to `dead_letters` instead."""

    now: Callable[[], float]
    visibility: float
    name: str = "queue"
    max_receives: int | None = None
    dead_letters: Fifo | None = None
    _messages: dict[str, list[Message]] = field(default_factory=dict)
    _accepted: dict[tuple[str, str], tuple[float, Message]] = field(default_factory=dict)
    _by_receipt: dict[str, Message] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def send(
        self, body: str, *, group: str, deduplication_id: str, attributes: Mapping[str, Any] | None = None
    ) -> Message:
        """An id that its group saw within five minutes: the message is taken and dropped, the first one returned."""
        with self._lock:
            now = self.now()
            accepted = self._accepted.get((group, deduplication_id))
            if accepted and now - accepted[0] < DEDUPLICATION_SECONDS:
                return accepted[1]
            number = next(self._numbers)
            message = Message(
                message_id=f"{self.name}-{number}",
                sequence=number,
                body=body,
                group=group,
                deduplication_id=deduplication_id,
                attributes=attributes or {},
                sent_at=now,
            )
            self._accepted[group, deduplication_id] = now, message
            self._messages.setdefault(group, []).append(message)
            return message

    def receive(self, most: int = 10, *, visibility: float | None = None) -> list[Message]:
        """The oldest visible messages, several of a group in their order; none of a group that has a hidden one."""
        with self._lock:
            now = self.now()
            hidden_until = now + (self.visibility if visibility is None else visibility)
            batch: list[Message] = []
            for group in sorted(self._messages, key=lambda group: self._messages[group][0].sequence):
                waiting = self._messages[group]
                if any(message.visible_at > now for message in waiting):
                    continue
                for message in list(waiting):
                    if len(batch) == most:
                        return batch
                    message.receives += 1
                    if self.max_receives is not None and message.receives > self.max_receives:
                        self._bury(message)
                        continue
                    if message.receipt:
                        self._by_receipt.pop(message.receipt, None)
                    message.receipt = f"{message.message_id}/{message.receives}"
                    message.visible_at = hidden_until
                    message.first_received_at = message.first_received_at or now
                    self._by_receipt[message.receipt] = message
                    batch.append(message)
            return batch

    def delete(self, receipt: str) -> None:
        """Raises ReceiptError."""
        with self._lock:
            self._remove(self._held(receipt))

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Raises ReceiptError."""
        with self._lock:
            self._held(receipt).visible_at = self.now() + seconds

    def messages(self) -> Sequence[Message]:
        """All of them, hidden ones too, by sequence."""
        with self._lock:
            return sorted((m for group in self._messages.values() for m in group), key=lambda m: m.sequence)

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._messages.values()))

    def _held(self, receipt: str) -> Message:
        message = self._by_receipt.get(receipt)
        if message is None or message.receipt != receipt or message.visible_at <= self.now():
            raise ReceiptError(receipt)
        return message

    def _remove(self, message: Message) -> None:
        waiting = self._messages[message.group]
        waiting.remove(message)
        if not waiting:
            del self._messages[message.group]
        if message.receipt:
            self._by_receipt.pop(message.receipt, None)

    def _bury(self, message: Message) -> None:
        """What SQS itself moves carries no reason, and its message id as the new deduplication id."""
        self._remove(message)
        if self.dead_letters is not None:
            self.dead_letters.send(
                message.body,
                group=message.group,
                deduplication_id=message.message_id,
                attributes=message.attributes,
            )
