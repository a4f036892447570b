"""Entries of the failed queue, read: why each is there, whose text it is, and where it is put back. No AWS here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bridge.processing.message import QueueMessage
from bridge.processing.notification import parse_time
from bridge.replies import chat_events
from bridge.texts import sms_event
from bridge.texts.sms_event import InboundSms

MOVED_BY_SQS = "MovedBySqs"
"""What stands for an error where SQS itself moved an entry: the function never said why."""
SYSTEM_ATTRIBUTES = [
    "MessageGroupId", "SentTimestamp", "ApproximateReceiveCount", "DeadLetterQueueSourceArn", "SequenceNumber",
]  # fmt: skip
ATTRIBUTES = ["text_key", "stage", "error", "reason", "failed_at", "attempts", "entry_id"]
"""What the bridge says of an entry that it puts there itself."""
_OF_REPLIES = ("reply", "reply-intake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One entry. `home` is the name of the output with the queue's URL that it came from, `lane` its group there.

    `entry_id` is that of the entry that was given up, where the bridge itself put this here. Numbers are None where
    they cannot be read, or stand elsewhere.
    """

    message_id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    group: str = field(repr=False)
    lane: str = field(repr=False)
    home: str
    said: Mapping[str, str] = field(repr=False)
    """The bridge's attributes."""
    text_key: str
    sns_message_id: str | None
    error: str
    failed_at: datetime
    sent_at: datetime
    """When it was published; where that cannot be read, when it came to failed."""
    came_at: datetime
    """To failed."""
    receives: int
    customer: str | None = field(repr=False)
    ours: str | None = field(repr=False)

    @property
    def contact(self) -> str | None:
        """The chat of a reply."""
        return self.lane if self.home == "RepliesQueueUrl" else None

    @property
    def ids(self) -> Collection[str]:
        """What people call it by."""
        return {self.text_key, self.message_id, *([self.sns_message_id] if self.sns_message_id else [])}

    @property
    def came_from(self) -> Collection[str]:
        """Entries of its home of which this is what became."""
        return {self.message_id, self.said.get("entry_id", "")}

    @property
    def moved_by_sqs(self) -> bool:
        """Whether the bridge said nothing of it: the ledger knows of no failure."""
        return not self.said

    @property
    def failure(self) -> str:
        """What the ledger knows this very failure by, where it does."""
        return self.said.get("entry_id") or self.text_key

    @classmethod
    def from_message(cls, message: Mapping[str, Any], *, replies: str | None = None) -> Letter:
        """From ReceiveMessage's answer; `replies` is the URL of the replies queue, where there is one."""
        attributes = message["Attributes"]
        said = {
            name: attribute["StringValue"]
            for name, attribute in message.get("MessageAttributes", {}).items()
            if name in ATTRIBUTES and "StringValue" in attribute
        }
        is_reply = _is_reply(said, attributes, replies)
        parsed_as = _message(message, is_reply=is_reply)
        parsed, content = parsed_as.parsed, parsed_as.parsed.content
        came_at = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
        return cls(
            message_id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            body=message["Body"],
            group=attributes["MessageGroupId"],
            lane=content.group_id if content else attributes["MessageGroupId"],
            home="RepliesQueueUrl" if is_reply else "ConversationsQueueUrl",
            said=said,
            text_key=said.get("text_key") or parsed.key,
            sns_message_id=parsed.sns_message_id,
            error=said.get("error") or MOVED_BY_SQS,
            failed_at=parse_time(said.get("failed_at")) or came_at,
            sent_at=parsed.sent_at or came_at,
            came_at=came_at,
            receives=parsed_as.receive_count,
            customer=content.origination_number if isinstance(content, InboundSms) else None,
            ours=content.destination_number if isinstance(content, InboundSms) else None,
        )


def _is_reply(said: Mapping[str, str], attributes: Mapping[str, str], replies: str | None) -> bool:
    """By the stage that gave it up; where SQS moved it, by the queue that it was on."""
    if "stage" in said:
        return said["stage"] in _OF_REPLIES
    source = attributes.get("DeadLetterQueueSourceArn", "").rpartition(":")[2]
    return replies is not None and source == replies.rpartition("/")[2]


def _message(message: Mapping[str, Any], *, is_reply: bool) -> QueueMessage[Any]:
    """As the function that it came from would parse it."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"SequenceNumber": "0", "ApproximateReceiveCount": "0", **message["Attributes"]},
    }
    return QueueMessage.from_record(record, chat_events.parse if is_reply else sms_event.parse)
