"""Reading a batch of the conversations queue, as Lambda's event source mapping hands it over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypeVar

from bridge.errors import MalformedNotificationError
from bridge.known import Facts
from bridge.notification import InboundSms, Notification, fit_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message of the queue. `queued_at`: seconds since the epoch; `notification` is None where it is no record."""

    entry_id: str
    receipt_handle: str = field(repr=False)
    group: str = field(repr=False)
    sequence: str
    queued_at: float
    receive_count: int
    body: str = field(repr=False)
    notification: Notification | None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        attributes = record["attributes"]
        try:
            notification = Notification.from_entry(record["body"])
        except MalformedNotificationError:
            notification = None
        return cls(
            entry_id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            group=attributes["MessageGroupId"],
            sequence=attributes["SequenceNumber"],
            queued_at=int(attributes["SentTimestamp"]) / 1000,
            receive_count=int(attributes["ApproximateReceiveCount"]),
            body=record["body"],
            notification=notification,
        )

    def inbound_sms(self) -> InboundSms:
        """Raises MalformedNotificationError."""
        if self.notification is None:
            return Notification.from_entry(self.body).inbound_sms()
        return self.notification.inbound_sms()

    @property
    def text_key(self) -> str:
        return self.notification.text_key if self.notification else fit_key(self.entry_id)

    @property
    def sent_at(self) -> datetime | None:
        """When EUM published the text."""
        return self.notification.sent_at if self.notification else None

    @property
    def ours(self) -> str | None:
        """Which of our numbers was texted, where that can be read."""
        try:
            return self.inbound_sms().ours
        except MalformedNotificationError:
            return None

    @property
    def facts(self) -> Facts:
        return Facts(
            conversation=self.group,
            ours=self.ours,
            sns_message_id=fit_key(self.notification.message_id) if self.notification else None,
            sent_at=self.sent_at.isoformat(timespec="milliseconds") if self.sent_at else None,
            queued_at=int(self.queued_at * 1000),
            sequence=self.sequence,
        )

    @property
    def order(self) -> float:
        """What texts of one batch are sorted by, in seconds since the epoch."""
        return self.sent_at.timestamp() if self.sent_at else self.queued_at


E = TypeVar("E", bound=Entry)


def conversations(event: Mapping[str, Any]) -> tuple[list[list[Entry]], int]:
    """A batch's texts by conversation, each in order, and how many had arrived out of order."""
    return by_conversation(event, Entry)


def by_conversation(event: Mapping[str, Any], kind: type[E]) -> tuple[list[list[E]], int]:
    """A batch's entries by message group, each in order, and how many had arrived out of order.

    SNS promises no order, so what is received together for the first time is sorted by the time at which it was
    published. What has been received before stays ahead: some of its parts may be shown already.
    """
    by_group: dict[str, list[E]] = {}
    for record in event["Records"]:
        entry = kind.from_record(record)
        by_group.setdefault(entry.group, []).append(entry)
    out_of_order = sum(_overtaken(entries) for entries in by_group.values())
    return [
        sorted(entries, key=lambda entry: (-entry.receive_count, entry.order)) for entries in by_group.values()
    ], out_of_order


def _overtaken(entries: Sequence[Entry]) -> int:
    latest, count = float("-inf"), 0
    for entry in entries:
        count += entry.order < latest and entry.receive_count == 1
        latest = max(latest, entry.order)
    return count
