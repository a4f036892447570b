"""Queue messages: the records of an SQS FIFO batch as Lambda's event source mapping delivers them, each parsed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from bridge.errors import MalformedNotificationError
from bridge.processing.notification import SnsNotification
from bridge.processing.state import MessageMetadata


class Content(Protocol):
    """The parsed content of a message. `in_ledger`: whether the ledger has an item for it."""

    @property
    def in_ledger(self) -> bool: ...


C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[C]):
    """A parsed SNS notification. Exactly one of `content`, `error` and `ignored` is set.

    Parameters:
        key: the ledger's key of it, and its deduplication id: printable ASCII, at most 128 characters.
        error: why it cannot be parsed.
        ignored: reason for which there is nothing to deliver.
        sent_at: None if the time cannot be parsed.
        business_number: the number that was texted; None if it cannot be parsed.
    """

    key: str
    content: C | None = field(default=None, repr=False)
    error: MalformedNotificationError | None = None
    ignored: str | None = None
    sent_at: datetime | None = None
    sns_message_id: str | None = None
    business_number: str | None = field(default=None, repr=False)

    def metadata(
        self, *, conversation: str | None = None, queued_at: int | None = None, sequence: str | None = None
    ) -> MessageMetadata:
        """The metadata for the ledger; `queued_at` in milliseconds since the epoch."""
        return MessageMetadata(
            conversation=conversation,
            business_number=self.business_number,
            sns_message_id=self.sns_message_id,
            sent_at=self.sent_at.isoformat(timespec="milliseconds") if self.sent_at else None,
            queued_at=queued_at,
            sequence=sequence,
        )

    def required(self) -> C:
        """The content. Raises MalformedNotificationError if there is none."""
        if self.content is None:
            raise self.error or MalformedNotificationError(self.ignored or "there is nothing to deliver")
        return self.content


Parse = Callable[[SnsNotification], Parsed[C]]
"""Parses one notification. Raises nothing: an error becomes Parsed.error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage(Generic[C]):
    """One message of a FIFO queue. `queued_at` in seconds since the epoch; `body` is the SNS record as JSON."""

    message_id: str
    receipt_handle: str = field(repr=False)
    group_id: str = field(repr=False)
    sequence: str
    queued_at: float
    receive_count: int
    body: str = field(repr=False)
    parsed: Parsed[C]

    @classmethod
    def from_record(cls, record: Mapping[str, Any], parse: Parse[C]) -> QueueMessage[C]:
        """A record of Lambda's SQS event. A body that is no SNS record makes `parsed.error`."""
        attributes, body = record["attributes"], record["body"]
        try:
            parsed = parse(SnsNotification.from_json(body))
        except MalformedNotificationError as exc:
            # The key of a notification whose id is that of the queue message.
            unread = SnsNotification(message_id=record["messageId"], message="", sent_at=None, record={"Sns": {}})
            parsed = Parsed(key=parse(unread).key, error=exc)
        return cls(
            message_id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            group_id=attributes["MessageGroupId"],
            sequence=attributes["SequenceNumber"],
            queued_at=int(attributes["SentTimestamp"]) / 1000,
            receive_count=int(attributes["ApproximateReceiveCount"]),
            body=body,
            parsed=parsed,
        )

    @property
    def key(self) -> str:
        """The key of its item in the ledger."""
        return self.parsed.key

    @property
    def sent_at(self) -> datetime | None:
        return self.parsed.sent_at

    @property
    def metadata(self) -> MessageMetadata:
        return self.parsed.metadata(
            conversation=self.group_id, queued_at=int(self.queued_at * 1000), sequence=self.sequence
        )

    @property
    def order(self) -> float:
        """The sort key within a group of one batch: seconds since the epoch."""
        return self.sent_at.timestamp() if self.sent_at else self.queued_at


def message_groups(event: Mapping[str, Any], parse: Parse[C]) -> tuple[list[list[QueueMessage[C]]], int]:
    """The message groups of a batch, each in order, and the number of messages that arrived out of order.

    SNS guarantees no order, so messages received for the first time are sorted by their send time. Messages received
    before stay ahead of them: some of their parts may have been shown.
    """
    by_group: dict[str, list[QueueMessage[C]]] = {}
    for record in event["Records"]:
        message = QueueMessage.from_record(record, parse)
        by_group.setdefault(message.group_id, []).append(message)
    out_of_order = sum(_out_of_order(messages) for messages in by_group.values())
    return [
        sorted(messages, key=lambda message: (-message.receive_count, message.order)) for messages in by_group.values()
    ], out_of_order


def _out_of_order(messages: Sequence[QueueMessage[C]]) -> int:
    latest, count = float("-inf"), 0
    for message in messages:
        count += message.order < latest and message.receive_count == 1
        latest = max(latest, message.order)
    return count
