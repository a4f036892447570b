"""The SNS notification: one record of an event with which SNS invokes a function, kept unchanged."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bridge.errors import MalformedNotificationError

_NOTICE = "Successfully validated SNS topic for "
_LARGEST_BODY = 1_000_000
"""Bytes. SQS accepts 1,048,576, which include the attributes of a dead letter."""
_REFUSED = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""Characters that SQS rejects (SendMessage in its API reference) and that JSON does not have to escape."""
_VALID_KEY = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsNotification:
    """One SNS record. `message` is the published string; `record` the whole record, unchanged."""

    message_id: str
    message: str = field(repr=False)
    sent_at: datetime | None
    record: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_record(cls, record: object) -> SnsNotification:
        """Raises MalformedNotificationError if the record is not from SNS."""
        sns = record.get("Sns") if isinstance(record, dict) else None
        if not isinstance(sns, dict):
            raise MalformedNotificationError("the record is not from SNS: it has no 'Sns' object")
        message_id, message = sns.get("MessageId"), sns.get("Message")
        if not (isinstance(message_id, str) and message_id):
            raise MalformedNotificationError("the SNS record has no MessageId")
        if not isinstance(message, str):
            raise MalformedNotificationError("the SNS record has no Message")
        return cls(
            message_id=message_id,
            message=message,
            sent_at=parse_time(sns.get("Timestamp")),
            record=record if isinstance(record, dict) else {},
        )

    @classmethod
    def from_json(cls, body: str) -> SnsNotification:
        """From the body of a queue message. Raises MalformedNotificationError."""
        try:
            record = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise MalformedNotificationError("the queue message is not JSON") from exc
        return cls.from_record(record)

    def to_json(self) -> str:
        """The record as the body of a queue message. ASCII, so that SQS accepts every character.

        ASCII can take six bytes for a character. If the body is then too long for SQS (1 MiB), only characters that SQS
        rejects are escaped. Every notification then fits: SNS accepts 256 KiB.
        """
        body = json.dumps(self.record)
        if len(body) > _LARGEST_BODY:
            shorter = json.dumps(self.record, ensure_ascii=False)
            body = _REFUSED.sub(lambda found: f"\\u{ord(found[0]):04x}", shorter)
        return body

    @property
    def is_notice(self) -> bool:
        """Whether it is the test message of an AWS service that was connected to the topic."""
        return self.message.lstrip().startswith(_NOTICE)


def records_of(event: Mapping[str, Any]) -> list[object]:
    """The records of an SNS event. Raises MalformedNotificationError where it has none."""
    records = event.get("Records")
    if not isinstance(records, list) or not records:
        raise MalformedNotificationError("the event is not from SNS: it has no Records")
    return records


def is_valid_key(key: str) -> bool:
    """Whether SQS accepts it as a deduplication id: printable ASCII, 1 to 128 characters."""
    return _VALID_KEY.fullmatch(key) is not None


def valid_key(key: str) -> str:
    """`key` itself where SQS accepts it as a deduplication id, else a hash of it."""
    if is_valid_key(key):
        return key
    return "sha256-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def json_or_none(text: str) -> Any:
    """The value of a JSON text; None where it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_time(value: object) -> datetime | None:
    """From ISO 8601, UTC where no offset is given; None where it cannot be read."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time and (time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
