"""A model of an SQS FIFO queue in high-throughput mode, with a clock that the caller passes.

Sources: the SQS developer guide on FIFO delivery logic, exactly-once processing and dead-letter queues; the SQS API
reference; re:Post's "Why doesn't my SQS FIFO queue return all messages" and "ReceiptHandleIsInvalid". Left out, since
nothing here needs it: retention, delays, and the limit of 20,000 messages that SQS searches. Thread-safe.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

DEDUPLICATION_SECONDS = 300.0


class ReceiptError(Exception):
    """The receipt handle is unknown, of an earlier receive, or expired.

    On FIFO queues it expires with the visibility timeout.
    """


@dataclass(slots=True, kw_only=True)
class Message:
    """One message as it was when it was received. Times in seconds of the queue's clock.

    `receives` counts across queues: a dead letter keeps its count (ApproximateReceiveCount in the API reference).
    `receipt`: of the receive that returned this object.
    """

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
    moved_from: str | None = None
    """Source queue of a dead letter."""
    trace: str | None = None
    """AWSTraceHeader of the sender."""


@dataclass(slots=True, kw_only=True)
class Fifo:
    """`visibility`: visibility timeout in seconds. After `max_receives` receives a message moves to `dead_letters`."""

    now: Callable[[], float]
    visibility: float
    name: str = "queue"
    max_receives: int | None = None
    deduplication_seconds: float = DEDUPLICATION_SECONDS
    dead_letters: Fifo | None = None
    _messages: dict[str, list[Message]] = field(default_factory=dict)
    _accepted: dict[tuple[str, str], tuple[float, Message]] = field(default_factory=dict)
    _by_receipt: dict[str, Message] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        if (self.max_receives is None) != (self.dead_letters is None):
            raise ValueError("max_receives and dead_letters belong together")

    def send(
        self,
        body: str,
        *,
        group: str,
        deduplication_id: str,
        attributes: Mapping[str, Any] | None = None,
        trace: str | None = None,
    ) -> Message:
        """A duplicate within the deduplication interval is dropped, and the first message returned.

        The interval starts with the first message. Deleting that message does not end it.
        """
        with self._lock:
            number = next(self._numbers)
            return self._put(
                Message(
                    message_id=f"{self.name}-{number}",
                    sequence=number,
                    body=body,
                    group=group,
                    deduplication_id=deduplication_id,
                    attributes=attributes or {},
                    sent_at=self.now(),
                    trace=trace,
                )
            )

    def receive(self, most: int = 10, *, visibility: float | None = None) -> list[Message]:
        """Up to `most` messages: all it can of the group with the oldest one, in order, then of the next group.

        Of each group, only messages before the first one in flight.
        """
        with self._lock:
            now = self.now()
            hidden_until = now + (self.visibility if visibility is None else visibility)
            batch: list[Message] = []
            self._dead_letter_first_messages(now)
            for group in sorted(self._messages, key=lambda group: self._messages[group][0].sequence):
                waiting = self._messages[group]
                for message in list(waiting):
                    if message.visible_at > now:
                        break
                    if len(batch) == most:
                        return batch
                    if self.max_receives is not None and message.receives >= self.max_receives:
                        self._dead_letter(message)
                        continue
                    if message.receipt:
                        self._by_receipt.pop(message.receipt, None)
                    message.receives += 1
                    message.receipt = f"{self.name}/{message.message_id}/{message.receives}"
                    message.visible_at = hidden_until
                    self._by_receipt[message.receipt] = message
                    batch.append(replace(message))
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
        """All messages by sequence number, those in flight too."""
        with self._lock:
            everything = (replace(message) for group in self._messages.values() for message in group)
            return sorted(everything, key=lambda message: message.sequence)

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._messages.values()))

    def _put(self, message: Message) -> Message:
        accepted = self._accepted.get((message.group, message.deduplication_id))
        if accepted and message.sent_at - accepted[0] < self.deduplication_seconds:
            return replace(accepted[1])
        self._accepted[message.group, message.deduplication_id] = message.sent_at, message
        self._messages.setdefault(message.group, []).append(message)
        return replace(message)

    def _held(self, receipt: str) -> Message:
        message = self._by_receipt.get(receipt)
        if message is None or message.visible_at <= self.now():
            raise ReceiptError(receipt)
        return message

    def _remove(self, message: Message) -> None:
        waiting = self._messages[message.group]
        waiting.remove(message)
        if not waiting:
            del self._messages[message.group]
        if message.receipt:
            self._by_receipt.pop(message.receipt, None)

    def _dead_letter_first_messages(self, now: float) -> None:
        """To be called before the groups are ordered: a group whose first message moves is as old as its next one."""
        limit = self.max_receives
        while limit is not None:
            firsts = [waiting[0] for waiting in self._messages.values()]
            spent = [message for message in firsts if message.visible_at <= now and message.receives >= limit]
            if not spent:
                return
            self._dead_letter(min(spent, key=lambda message: message.sequence))

    def _dead_letter(self, message: Message) -> None:
        """A message that SQS moves has no reason. It keeps its id, which becomes its deduplication id."""
        self._remove(message)
        if self.dead_letters is not None:
            self.dead_letters._accept(message, self.name)

    def _accept(self, message: Message, source: str) -> None:
        with self._lock:
            self._put(
                replace(
                    message,
                    sequence=next(self._numbers),
                    deduplication_id=message.message_id,
                    sent_at=self.now(),
                    visible_at=0.0,
                    receipt=None,
                    moved_from=source,
                )
            )
