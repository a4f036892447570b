"""Reading what SNS hands over: the notification, and the inbound SMS that it carries.

Source: "Two-way SMS messaging" in the AWS End User Messaging SMS user guide. Fields go missing, come as null, and
unknown ones appear; only the two numbers are indispensable.
"""

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
_FITS_AS_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_LONGEST_ID = 255  # Connect's limit for SourceId
_LARGEST_ENTRY = 1_000_000
"""Bytes. SQS takes 1,048,576 with the attributes of an entry of failed, whose reason is the longest."""
_REFUSED = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""What SQS takes in no message, as far as JSON does not escape it anyway (SendMessage in its API reference)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One SNS record. `message` is the text that was published, whatever it is; `record` the record as it came."""

    message_id: str
    message: str = field(repr=False)
    sent_at: datetime | None
    record: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_record(cls, record: object) -> Notification:
        """Raises MalformedNotificationError where the record is not one that SNS makes."""
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
            sent_at=read_time(sns.get("Timestamp")),
            record=record if isinstance(record, dict) else {},
        )

    @classmethod
    def from_entry(cls, body: str) -> Notification:
        """From an entry of the conversations queue, which holds a record as JSON."""
        try:
            record = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise MalformedNotificationError("the queue entry is not JSON") from exc
        return cls.from_record(record)

    def to_entry(self) -> str:
        """The record as an entry of a queue: ASCII, so that SQS takes every character there is.

        ASCII can take six bytes for one. Where that is more than SQS takes (1 MiB), only what it refuses is escaped.
        Then whatever can be a text fits: SNS takes 256 KiB, and JSON has no control characters as they are.
        """
        entry = json.dumps(self.record)
        if len(entry) > _LARGEST_ENTRY:
            shorter = json.dumps(self.record, ensure_ascii=False)
            entry = _REFUSED.sub(lambda found: f"\\u{ord(found[0]):04x}", shorter)
        return entry

    @property
    def is_notice(self) -> bool:
        """Whether an AWS service says that it has connected the topic: no SMS, and no failure."""
        return self.message.lstrip().startswith(_NOTICE)

    @property
    def text_key(self) -> str:
        """What the ledger and the queues know this text by: printable ASCII, at most 128 characters."""
        payload = self._payload()
        key = payload.get("inboundMessageId") if isinstance(payload, dict) else None
        if not isinstance(key, str) or not key.strip():
            key = self.message_id
        return fit_key(key)

    def inbound_sms(self) -> InboundSms:
        """Raises MalformedNotificationError, which says what is missing or wrong."""
        payload = self._payload()
        if payload is None:
            raise MalformedNotificationError("the message is not JSON, so it is not an inbound SMS")
        if not isinstance(payload, dict):
            raise MalformedNotificationError("the message is JSON but not an object, so it is not an inbound SMS")
        body = payload.get("messageBody")
        if body is not None and not isinstance(body, str):
            raise MalformedNotificationError(f"messageBody is {_kind(body)}; it would have to be text")
        return InboundSms(
            text_key=self.text_key,
            origination_number=_number(payload, "originationNumber"),
            destination_number=_number(payload, "destinationNumber"),
            body=body or "",
            inbound_message_id=_optional(payload, "inboundMessageId"),
            keyword=_optional(payload, "messageKeyword"),
            previous_message_id=_optional(payload, "previousPublishedMessageId"),
        )

    def _payload(self) -> object:
        try:
            return json.loads(self.message)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundSms:
    """One text. `body` is empty where none was sent; the numbers are as EUM spells them, usually E.164."""

    text_key: str
    origination_number: str = field(repr=False)
    destination_number: str = field(repr=False)
    body: str = field(repr=False)
    inbound_message_id: str | None
    keyword: str | None = field(repr=False)
    previous_message_id: str | None

    @property
    def conversation(self) -> str:
        """The message group: 64 hexadecimal digits for this customer and this number of ours."""
        return conversation(self.origination_number, self.destination_number)

    @property
    def ours(self) -> str | None:
        """Our number as the ledger keeps it; None where a store might refuse what stands there."""
        return self.destination_number if _FITS_AS_KEY.fullmatch(self.destination_number) else None


def conversation(customer: str, ours: str) -> str:
    """What the queues and the ledger know a customer and one of our numbers by."""
    return hashlib.sha256(json.dumps([customer, ours]).encode()).hexdigest()


def fit_key(key: str) -> str:
    """`key` itself where SQS would take it as a deduplication id, else a hash of it."""
    if _FITS_AS_KEY.fullmatch(key):
        return key
    return "sha256-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _number(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if value is None or value == "":
        raise MalformedNotificationError(f"{name} is missing")
    if not isinstance(value, str):
        raise MalformedNotificationError(f"{name} is {_kind(value)}; it would have to be text")
    value = value.strip()
    if not value or len(value) > _LONGEST_ID:
        raise MalformedNotificationError(
            f"{name} has {len(value)} characters; it would have to have 1 to {_LONGEST_ID}"
        )
    return value


def _optional(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _kind(value: object) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


def read_time(value: object) -> datetime | None:
    """From ISO 8601, UTC where it says nothing else; None where it cannot be read."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time and (time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
