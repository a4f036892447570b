"""Builders of the functions' inputs: configuration, SMS payloads, SNS records, queue messages."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from bridge.config import Chat, Config, Delivery, Limits, Route, StartChatRoute
from bridge.processing.message import QueueMessage
from bridge.texts import sms_event
from bridge.texts.sms_event import InboundSms
from testing.clock import NOON

DELIVERIES: tuple[Delivery, ...] = ("integration-event", "start-chat")
CUSTOMER, OTHER_CUSTOMER = "+14255550182", "+14255550183"
BUSINESS_NUMBER = "+12125550101"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef"

CONFIG = Config(
    chat=Chat(
        disconnect_keywords=("STOP",),
        show_disconnect_keyword=True,
        empty_message="(empty message)",
        late_message="(sent {sent})",
        body_attribute="",
        supported_content_types=("text/plain",),
    ),
    limits=Limits(
        connect_rate=1000,
        start_chat_rate=100,
        connection_rate=100,
        message_rate=100,
        disconnect_rate=100,
        sms_rate=100,
        max_lost_answers=2,
        max_concurrency=2,
        part_length=1024,
        mark_late_after=900,
        give_up_after=21_600,
        call_timeout=5,
        batch_deadline=10,
        retry_first=5,
        retry_longest=300,
        blocked_retry=120,
    ),
    routes={
        BUSINESS_NUMBER: Route(
            arn=ARN, display_name="{customer}", attributes={"queue": "sales"}, streaming_topic_arn=None
        )
    },
)

_ids = itertools.count(1)


def customer_number(number: int) -> str:
    """One of the phone numbers reserved for fiction: 100 in each area code."""
    return f"+1{201 + number // 100}55501{number % 100:02}"


def payload(body: object = "Hello", **changes: object) -> dict[str, Any]:
    """Payload as EUM publishes it. A field changed to None is null; a field changed to ... is left out."""
    fields = {
        "originationNumber": CUSTOMER,
        "destinationNumber": BUSINESS_NUMBER,
        "messageKeyword": "KEYWORD_111122223333",
        "messageBody": body,
        "inboundMessageId": f"text-{next(_ids)}",
        "previousPublishedMessageId": None,
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def record(message: object = None, *, sent_at: datetime | str = NOON, **sns: object) -> dict[str, Any]:
    """An SNS record of a Lambda event. `message`: a payload, or a string that is published unchanged."""
    message = payload() if message is None else message
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:111122223333:inbound:6bd6a5d2",
        "Sns": {
            "Type": "Notification",
            "MessageId": f"sns-{next(_ids)}",
            "TopicArn": "arn:aws:sns:us-east-1:111122223333:inbound",
            "Subject": None,
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": sent_at if isinstance(sent_at, str) else sent_at.isoformat().replace("+00:00", ".000Z"),
            "MessageAttributes": {},
        }
        | sns,
    }


def sqs_record(
    message: object = None,
    *,
    group: str = "group-1",
    sent_at: datetime | str = NOON,
    queued_at: datetime = NOON,
    receive_count: int = 1,
    body: str | None = None,
) -> dict[str, Any]:
    """An SQS record of a Lambda event, from the conversations queue."""
    number = next(_ids)
    return {
        "messageId": f"entry-{number}",
        "receiptHandle": f"handle-{number}",
        "body": body if body is not None else json.dumps(record(message, sent_at=sent_at)),
        "attributes": {
            "ApproximateReceiveCount": str(receive_count),
            "SentTimestamp": str(int(queued_at.timestamp() * 1000)),
            "MessageGroupId": group,
            "MessageDeduplicationId": f"dedup-{number}",
            "SequenceNumber": f"{number:020}",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def text_message(message: object = None, **arguments: Any) -> QueueMessage[InboundSms]:
    """A text of the conversations queue as forward parses it."""
    return QueueMessage.from_record(sqs_record(message, **arguments), sms_event.parse)


START_CHAT_ROUTE = StartChatRoute(
    instance_id="instance", contact_flow_id="flow", chat_minutes=1500, first_text="message"
)


def starting_chats(config: Config = CONFIG, **changes: Any) -> Config:
    """The configuration with start-chat delivery for all numbers."""
    route = replace(START_CHAT_ROUTE, **changes)
    return replace(config, routes={number: replace(of, start_chat=route) for number, of in config.routes.items()})


def with_chat(**changes: Any) -> Config:
    return replace(CONFIG, chat=replace(CONFIG.chat, **changes))


def with_limits(**changes: Any) -> Config:
    return replace(CONFIG, limits=replace(CONFIG.limits, **changes))
