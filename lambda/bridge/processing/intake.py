"""Intake of either direction: from an SNS topic to the FIFO queue that keeps the order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from bridge.errors import BridgeError, LedgerError, MalformedNotificationError
from bridge.processing.clock import Clock
from bridge.processing.message import Content, Parse, Parsed
from bridge.processing.notification import SnsNotification, records_of
from bridge.processing.state import MessageMetadata

_LAST = datetime.max.replace(tzinfo=UTC)


class Queueable(Content, Protocol):
    """Content with its message group and deduplication id."""

    @property
    def group_id(self) -> str: ...
    @property
    def deduplication_id(self) -> str: ...


C = TypeVar("C", bound=Queueable)


class Queue(Protocol):
    def send(self, body: str, *, group_id: str, deduplication_id: str) -> None:
        """Raises QueueError."""


class DeadLetterQueue(Protocol):
    def send(self, body: str, error: BridgeError, *, group_id: str, deduplication_id: str, key: str) -> None:
        """Raises QueueError."""


class Ledger(Protocol):
    """Every method raises LedgerError."""

    def record_receipt(self, key: str, metadata: MessageMetadata, *, at: float) -> None: ...
    def record_failure(self, key: str, metadata: MessageMetadata, error: BridgeError) -> None: ...
    def record_ignored(self, key: str, metadata: MessageMetadata, reason: str) -> None: ...


class Reporter(Protocol):
    """Logs and metrics of intake."""

    def received(self, notifications: int) -> None: ...
    def queued(self, key: str) -> None: ...
    def ignored(self, key: str) -> None: ...
    def not_taken(self, key: str, error: BridgeError) -> None: ...
    def receipt_missed(self, key: str, error: BridgeError) -> None: ...
    def malformed(self, key: str, error: BridgeError) -> None: ...


class NotificationIntake(Generic[C]):
    """Queues each notification unchanged.

    Parameters:
        parse: reads a notification, once.
        receipts: the ledger for best-effort writes, with one short attempt.
        ledger_has_ignored: whether the ledger gets an item for a notification with nothing to deliver.
    """

    def __init__(
        self,
        *,
        parse: Parse[C],
        queue: Queue,
        dead_letters: DeadLetterQueue,
        ledger: Ledger,
        receipts: Ledger,
        reporter: Reporter,
        ledger_has_ignored: bool,
        clock: Clock | None = None,
    ) -> None:
        self._parse, self._queue, self._dead_letters = parse, queue, dead_letters
        self._ledger, self._receipts, self._reporter = ledger, receipts, reporter
        self._ledger_has_ignored, self._clock = ledger_has_ignored, clock or Clock()

    def handle(self, event: Mapping[str, Any]) -> None:
        """Process one event of SNS, in the order in which its messages were sent.

        All records are processed before the first error is raised. Raises LedgerError or QueueError: Lambda then
        retries the event. Raises MalformedNotificationError for an event that is not from SNS: Lambda then puts the
        whole event on undelivered.
        """
        records = records_of(event)
        self._reporter.received(len(records))
        parsed, errors = list[tuple[SnsNotification, Parsed[C]]](), list[BridgeError]()
        for record in records:
            try:
                notification = SnsNotification.from_record(record)
            except MalformedNotificationError as exc:
                errors.append(exc)
            else:
                parsed.append((notification, self._parse(notification)))
        for notification, message in sorted(parsed, key=lambda one: one[1].sent_at or _LAST):
            try:
                self._take(notification, message)
            except BridgeError as exc:
                self._reporter.not_taken(message.key, exc)
                errors.append(exc)
        if errors:
            raise errors[0]

    def _take(self, notification: SnsNotification, message: Parsed[C]) -> None:
        """Queue the message, ignore it, or put it into the dead-letter queue with its reason."""
        if message.error:
            self._fail(notification, message, message.error)
        elif message.ignored:
            if self._ledger_has_ignored:
                self._ledger.record_ignored(message.key, message.metadata(), message.ignored)
            self._reporter.ignored(message.key)
        else:
            content, at = message.required(), self._clock.now()
            self._queue.send(
                notification.to_json(), group_id=content.group_id, deduplication_id=content.deduplication_id
            )
            if content.in_ledger:
                self._record_receipt(message, conversation=content.group_id, at=at)
            self._reporter.queued(message.key)

    def _record_receipt(self, message: Parsed[C], *, conversation: str, at: float) -> None:
        """Best effort: the message is on its queue, and the worker records it as well."""
        metadata = message.metadata(conversation=conversation)
        try:
            self._receipts.record_receipt(message.key, metadata, at=at)
        except LedgerError as exc:
            self._reporter.receipt_missed(message.key, exc)

    def _fail(self, notification: SnsNotification, message: Parsed[C], error: BridgeError) -> None:
        self._dead_letters.send(
            notification.to_json(),
            error,
            group_id=message.key,  # its conversation is unknown
            deduplication_id=message.key,
            key=message.key,
        )
        self._ledger.record_failure(message.key, message.metadata(), error)
        self._reporter.malformed(message.key, error)
