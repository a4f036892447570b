"""Messages of the failed and undelivered queues: why each is there, whose it is, where it goes back to. No AWS here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bridge.errors import MalformedNotificationError
from bridge.processing.message import QueueMessage
from bridge.processing.notification import SnsNotification, json_or_none, parse_time
from bridge.replies import chat_events
from bridge.texts import sms_event
from bridge.texts.sms_event import InboundSms
from ops.replay.samples import event_in

MOVED_BY_SQS = "MovedBySqs"
"""The error code of a message that SQS itself moved to failed: the function never gave a reason."""
NOT_HANDED_OVER = "NotHandedOver"
"""The error code of a notification that SNS could not deliver to its function."""
NOT_TAKEN = "NotTaken"
"""The error code of an event with which the function failed each time."""
SYSTEM_ATTRIBUTES = [
    "MessageGroupId", "SentTimestamp", "ApproximateReceiveCount", "DeadLetterQueueSourceArn", "SequenceNumber",
]  # fmt: skip
BRIDGE_ATTRIBUTES = ["text_key", "stage", "error", "reason", "failed_at", "attempts", "entry_id"]
"""The message attributes that the bridge sets when it sends a message to failed."""
_OF_REPLIES = ("reply", "reply-intake")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterMessage:
    """A received message of either queue.

    Parameters:
        attributes: its message attributes.
        ids: every id that a user may select it by.
        error: an error code of the bridge, or one of the three above.
        failed_at: for undelivered, when it was published.
        sent_at: when it was published; if that is unknown, when it arrived.
        arrived_at: when this queue got it.
        numbers: the phone numbers in it, as far as they can be read.
        contacts: the chats that it belongs to, for replies.
    """

    message_id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    ids: Collection[str]
    error: str
    failed_at: datetime
    sent_at: datetime
    arrived_at: datetime
    numbers: Collection[str] = field(repr=False)
    contacts: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedMessage(DeadLetterMessage):
    """A message of failed.

    Parameters:
        group_id: its message group in failed.
        source: the stack output with the URL of the queue that it came from.
        source_group_id: its message group there.
        receives: how often it was received on that queue.
    """

    text_key: str
    group_id: str = field(repr=False)
    source: str
    source_group_id: str = field(repr=False)
    receives: int

    @property
    def source_ids(self) -> Collection[str]:
        """Message ids that it may have had on its source queue."""
        return {self.message_id, self.attributes.get("entry_id", "")}

    @property
    def moved_by_sqs(self) -> bool:
        """Whether SQS itself moved it here: then the ledger has no failure for it."""
        return not self.attributes

    @property
    def failure_id(self) -> str:
        """The id under which the ledger recorded this failure."""
        return self.attributes.get("entry_id") or self.text_key

    @classmethod
    def from_message(cls, message: Mapping[str, Any], *, replies: str | None = None) -> FailedMessage:
        """Parse a message as ReceiveMessage returns it; `replies` is the URL of the replies queue, if there is one."""
        system, attributes = message["Attributes"], _attributes(message, BRIDGE_ATTRIBUTES)
        is_reply = _is_reply(attributes, system, replies)
        queue_message = _queue_message(message, is_reply=is_reply)
        parsed, content = queue_message.parsed, queue_message.parsed.content
        arrived_at = _arrived_at(message)
        text_key = attributes.get("text_key") or parsed.key
        source_group_id = content.group_id if content else system["MessageGroupId"]
        return cls(
            message_id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            body=message["Body"],
            attributes=attributes,
            ids={text_key, message["MessageId"], *([parsed.sns_message_id] if parsed.sns_message_id else [])},
            error=attributes.get("error") or MOVED_BY_SQS,
            failed_at=parse_time(attributes.get("failed_at")) or arrived_at,
            sent_at=parsed.sent_at or arrived_at,
            arrived_at=arrived_at,
            numbers=_numbers(content) if isinstance(content, InboundSms) else (),
            contacts={source_group_id} if is_reply else (),
            text_key=text_key,
            group_id=system["MessageGroupId"],
            source="RepliesQueueUrl" if is_reply else "ConversationsQueueUrl",
            source_group_id=source_group_id,
            receives=queue_message.receive_count,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeliveredMessage(DeadLetterMessage):
    """A message of undelivered: a notification of SNS, or Lambda's record of a failed asynchronous invocation.

    Parameters:
        event: the event for the function; None if the message holds no event of SNS.
        function: the stack output with the name of the function that never processed it.
    """

    event: Mapping[str, Any] | None = field(repr=False)
    function: str

    @classmethod
    def from_message(cls, message: Mapping[str, Any], *, outputs: Mapping[str, str]) -> UndeliveredMessage:
        """Parse a message as ReceiveMessage returns it; `outputs` are the stack's."""
        content = json_or_none(message["Body"])
        event = event_in(content)
        records = event.get("Records")
        notifications = [_notification(record) for record in records] if isinstance(records, list) and records else []
        readable = [notification for notification in notifications if notification]
        of_replies = _is_for_reply_intake(readable, content, outputs)
        texts = [] if of_replies else [sms_event.parse(one) for one in readable]
        replies = [chat_events.parse(one) for one in readable] if of_replies else []
        keys = {parsed.key for parsed in texts} | {parsed.key for parsed in replies if not parsed.error}
        arrived_at = _arrived_at(message)
        sent_at = min((one.sent_at for one in readable if one.sent_at), default=arrived_at)
        return cls(
            message_id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            body=message["Body"],
            attributes=_attributes(message),
            ids={message["MessageId"], *keys, *(notification.message_id for notification in readable)},
            error=NOT_TAKEN if isinstance(content, dict) and "requestPayload" in content else NOT_HANDED_OVER,
            failed_at=sent_at,
            sent_at=sent_at,
            arrived_at=arrived_at,
            numbers={number for parsed in texts if parsed.content for number in _numbers(parsed.content)},
            contacts={parsed.content.initial_contact_id for parsed in replies if parsed.content},
            event=event if readable and len(readable) == len(notifications) else None,
            function="ReplyIntakeFunctionName" if of_replies else "IntakeFunctionName",
        )


def _attributes(message: Mapping[str, Any], names: Collection[str] | None = None) -> dict[str, str]:
    return {
        name: attribute["StringValue"]
        for name, attribute in message.get("MessageAttributes", {}).items()
        if (names is None or name in names) and "StringValue" in attribute
    }


def _arrived_at(message: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _numbers(sms: InboundSms) -> Collection[str]:
    return (sms.origination_number, sms.destination_number)


def _is_reply(attributes: Mapping[str, str], system: Mapping[str, str], replies: str | None) -> bool:
    """Decided by the function that gave it up; if SQS moved it, by its source queue."""
    if "stage" in attributes:
        return attributes["stage"] in _OF_REPLIES
    source = system.get("DeadLetterQueueSourceArn", "").rpartition(":")[2]
    return replies is not None and source == replies.rpartition("/")[2]


def _queue_message(message: Mapping[str, Any], *, is_reply: bool) -> QueueMessage[Any]:
    """The message as the worker function of its direction parses it."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"SequenceNumber": "0", "ApproximateReceiveCount": "0", **message["Attributes"]},
    }
    return QueueMessage.from_record(record, chat_events.parse if is_reply else sms_event.parse)


def _notification(record: object) -> SnsNotification | None:
    try:
        return SnsNotification.from_record(record)
    except MalformedNotificationError:
        return None


def _is_for_reply_intake(notifications: Sequence[SnsNotification], content: object, outputs: Mapping[str, str]) -> bool:
    """Decided by the topic that it was published to, or by the function that failed."""
    topic, function = outputs.get("StreamingTopicArn"), outputs.get("ReplyIntakeFunctionName")
    if topic and any(one.record["Sns"].get("TopicArn") == topic for one in notifications):
        return True
    context = content.get("requestContext") if isinstance(content, dict) else None
    arn = context.get("functionArn") if isinstance(context, dict) else None
    return bool(function) and isinstance(arn, str) and f":{function}:" in f"{arn}:"
