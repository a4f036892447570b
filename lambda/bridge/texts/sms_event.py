"""The inbound SMS that a notification of AWS End User Messaging (EUM) carries.

Source: "Two-way SMS messaging" in the AWS End User Messaging SMS user guide. Only the two numbers are required: any
other field may be missing or null, and unknown ones may appear.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.errors import MalformedNotificationError
from bridge.processing.message import Parsed
from bridge.processing.notification import SnsNotification, is_valid_key, json_or_none, valid_key

NOTICE = "AWS said that it connected the topic"
_LONGEST_ID = 255  # Connect's limit for SourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundSms:
    """One text. `body` is empty if none was sent; the numbers are as EUM writes them, usually E.164."""

    text_key: str
    origination_number: str = field(repr=False)
    destination_number: str = field(repr=False)
    body: str = field(repr=False)
    inbound_message_id: str | None
    keyword: str | None = field(repr=False)
    previous_message_id: str | None

    @property
    def conversation_id(self) -> str:
        """The message group id: 64 hexadecimal digits for this customer and this business number."""
        return conversation_id(self.origination_number, self.destination_number)

    @property
    def in_ledger(self) -> bool:
        return True

    @property
    def group_id(self) -> str:
        return self.conversation_id

    @property
    def deduplication_id(self) -> str:
        return self.text_key


def conversation_id(customer_number: str, business_number: str) -> str:
    """The message group id of one customer and one business number, which is also an index key of the ledger."""
    return hashlib.sha256(json.dumps([customer_number, business_number]).encode()).hexdigest()


def parse(notification: SnsNotification) -> Parsed[InboundSms]:
    """Parse the inbound SMS of a notification."""
    payload = json_or_none(notification.message)
    key = payload.get("inboundMessageId") if isinstance(payload, dict) else None
    text_key = valid_key(key if isinstance(key, str) and key.strip() else notification.message_id)
    sms, error, ignored = None, None, NOTICE if notification.is_notice else None
    if not ignored:
        try:
            sms = _inbound_sms(payload, text_key)
        except MalformedNotificationError as exc:
            error = exc
    return Parsed(
        key=text_key,
        content=sms,
        error=error,
        ignored=ignored,
        sent_at=notification.sent_at,
        sns_message_id=valid_key(notification.message_id),
        business_number=sms.destination_number if sms and is_valid_key(sms.destination_number) else None,
    )


def _inbound_sms(payload: object, text_key: str) -> InboundSms:
    if payload is None:
        raise MalformedNotificationError("the message is not JSON, so it is not an inbound SMS")
    if not isinstance(payload, dict):
        raise MalformedNotificationError("the message is JSON but not an object, so it is not an inbound SMS")
    body = payload.get("messageBody")
    if body is not None and not isinstance(body, str):
        raise MalformedNotificationError(f"messageBody is {_type_name(body)}; it would have to be text")
    return InboundSms(
        text_key=text_key,
        origination_number=_number(payload, "originationNumber"),
        destination_number=_number(payload, "destinationNumber"),
        body=body or "",
        inbound_message_id=_optional(payload, "inboundMessageId"),
        keyword=_optional(payload, "messageKeyword"),
        previous_message_id=_optional(payload, "previousPublishedMessageId"),
    )


def _number(payload: Mapping[str, object], name: str) -> str:
    value = payload.get(name)
    if value is None or value == "":
        raise MalformedNotificationError(f"{name} is missing")
    if not isinstance(value, str):
        raise MalformedNotificationError(f"{name} is {_type_name(value)}; it would have to be text")
    value = value.strip()
    if not value or len(value) > _LONGEST_ID:
        raise MalformedNotificationError(
            f"{name} has {len(value)} characters; it would have to have 1 to {_LONGEST_ID}"
        )
    return value


def _optional(payload: Mapping[str, object], name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _type_name(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
