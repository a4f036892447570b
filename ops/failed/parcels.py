"""Entries of undelivered, read: SNS's message, or Lambda's envelope around the event. No AWS here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bridge.errors import MalformedNotificationError
from bridge.processing.notification import SnsNotification
from bridge.replies import chat_events
from bridge.texts import sms_event
from ops.samples import event_in

NOT_HANDED_OVER = "NotHandedOver"
"""What stands for an error where SNS could not hand a notification to its function."""
NOT_TAKEN = "NotTaken"
"""What stands for an error where the function failed each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One entry. `event` is what the function is to be given, None where nothing of the kind is in it.

    `function` is the name of the output with that function's name; `sent_at` is when the first text in it was
    published.
    """

    message_id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    said: Mapping[str, str] = field(repr=False)
    kind: str
    event: Mapping[str, Any] | None = field(repr=False)
    function: str
    ids: Collection[str]
    numbers: Collection[str] = field(repr=False)
    contacts: Collection[str]
    sent_at: datetime
    came_at: datetime
    """To undelivered."""

    @classmethod
    def from_message(cls, message: Mapping[str, Any], *, outputs: Mapping[str, str]) -> Parcel:
        """From ReceiveMessage's answer."""
        try:
            content = json.loads(message["Body"])
        except (ValueError, RecursionError):
            content = None
        is_envelope = isinstance(content, dict) and "requestPayload" in content
        event = event_in(content)
        records = event.get("Records")
        notifications = [_read(record) for record in records] if isinstance(records, list) and records else []
        readable = [notification for notification in notifications if notification]
        replies = _is_of_chats(readable, content, outputs)
        came_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
        return cls(
            message_id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            body=message["Body"],
            said={
                name: attribute["StringValue"]
                for name, attribute in message.get("MessageAttributes", {}).items()
                if "StringValue" in attribute
            },
            kind=NOT_TAKEN if is_envelope else NOT_HANDED_OVER,
            event=event if readable and len(readable) == len(notifications) else None,
            function="ReplyIntakeFunctionName" if replies else "IntakeFunctionName",
            ids={message["MessageId"], *(an_id for one in readable for an_id in _ids(one, replies=replies))},
            numbers=set() if replies else {number for one in readable for number in _numbers(one)},
            contacts={contact for one in readable if (contact := _contact(one))} if replies else set(),
            sent_at=min((one.sent_at for one in readable if one.sent_at), default=came_at),
            came_at=came_at,
        )


def _read(record: object) -> SnsNotification | None:
    try:
        return SnsNotification.from_record(record)
    except MalformedNotificationError:
        return None


def _is_of_chats(notifications: list[SnsNotification], content: object, outputs: Mapping[str, str]) -> bool:
    """By the topic that it was published to, or the function that failed."""
    topic, function = outputs.get("StreamingTopicArn"), outputs.get("ReplyIntakeFunctionName")
    if topic and any(one.record["Sns"].get("TopicArn") == topic for one in notifications):
        return True
    context = content.get("requestContext") if isinstance(content, dict) else None
    arn = context.get("functionArn") if isinstance(context, dict) else None
    return bool(function) and isinstance(arn, str) and f":{function}:" in f"{arn}:"


def _ids(notification: SnsNotification, *, replies: bool) -> Collection[str]:
    if not replies:
        return {notification.message_id, sms_event.parse(notification).key}
    parsed = chat_events.parse(notification)
    return {notification.message_id, *([parsed.key] if not parsed.error else [])}


def _contact(notification: SnsNotification) -> str | None:
    event = chat_events.parse(notification).content
    return event.initial_contact_id if event else None


def _numbers(notification: SnsNotification) -> Collection[str]:
    sms = sms_event.parse(notification).content
    return (sms.origination_number, sms.destination_number) if sms else ()
