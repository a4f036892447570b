"""SNS with Lambda's asynchronous invocation: at least once, unordered, three attempts.

Sources: "Handling errors for an asynchronous invocation" in the AWS Lambda developer guide; Publish in the Amazon SNS
API reference (AWS query protocol); "Amazon SNS subscription filter policies" in its developer guide.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from testing.builders import record as sns_record
from testing.faults.lambda_runtime import Function
from testing.faults.load import Text, delivery_delays
from testing.faults.record import Record
from testing.http_server import Answer, Request, Server

PAUSES = (60.0, 120.0)
"""Seconds before Lambda's second and third attempt."""
ACCOUNT_ARN = "arn:aws:sns:us-east-1:111122223333"


class Topic:
    """Topic with one function behind it. Pauses between attempts are divided by `retry_speedup`."""

    def __init__(self, function: Function, record: Record, *, retry_speedup: float) -> None:
        self._function, self._record = function, record
        self._pauses = [pause / retry_speedup for pause in PAUSES]
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def publish(self, text: Text) -> None:
        """Publish a customer's text."""
        stamp = iso_timestamp(time.time())
        self._record.timestamps[text.identity] = stamp
        topic = f"{ACCOUNT_ARN}:inbound"
        notification = sns_record(text.message, sent_at=stamp, MessageId=text.identity, TopicArn=topic)
        self.deliver(notification, deliveries=text.deliveries)

    def deliver(self, notification: Mapping[str, Any], *, deliveries: tuple[float, ...]) -> None:
        """Deliver a notification, once for each of `deliveries`: seconds from now."""
        who = identity(notification)
        self._record.published[who] = time.time()
        self._record.deliveries[who] = deliveries
        for delay in deliveries:
            task = asyncio.create_task(self._invoke({"Records": [notification]}, delay))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def close(self) -> None:
        for task in self._under_way:
            task.cancel()

    async def _invoke(self, event: dict[str, Any], delay: float) -> None:
        for pause in (delay, *self._pauses):
            await asyncio.sleep(pause)
            invocation = await self._function.invoke(event)
            if invocation.outcome == "answered":
                return
        self._record.undelivered.append({"requestPayload": event, "error": invocation.error or invocation.outcome})


def iso_timestamp(at: float) -> str:
    """Timestamp in the format of SNS and Connect. `at` in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def identity(notification: Mapping[str, Any]) -> str:
    """Connect's Id of a chat event, else SNS's MessageId."""
    sns = notification["Sns"]
    of_chat = "InitialContactId" in sns["MessageAttributes"]
    return str(json.loads(sns["Message"])["Id"] if of_chat else sns["MessageId"])


TOPIC_ARN = f"{ACCOUNT_ARN}:streaming"
_TAKEN = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>{}</MessageId>'
    "</PublishResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></PublishResponse>"
)


class SnsEndpoint:
    """SNS's Publish over HTTP, for the topic that Connect streams chats to. `policy`: its filter policy."""

    def __init__(self, record: Record, *, policy: Mapping[str, Any], seed: int, window: float) -> None:
        self._record, self._policy, self._deduplication_window = record, policy, window
        self._random = random.Random(f"{seed} streaming")
        self.topic: Topic | None = None
        self.server = Server(self._answer)

    def subscribe(self, topic: Topic) -> None:
        """Deliver to `topic` what the filter policy lets through."""
        self.topic = topic

    async def _answer(self, request: Request) -> Answer | None:
        asked = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        assert (asked["Action"], asked["TopicArn"]) == ("Publish", TOPIC_ARN), "the simulator publishes to one topic"
        self._publish(asked["Message"], _attributes(asked))
        message_id = str(uuid.uuid4())
        return Answer(200, _TAKEN.format(message_id, message_id).encode(), {"Content-Type": "text/xml"})

    def _publish(self, message: str, attributes: Mapping[str, str]) -> None:
        if self.topic is None or not matches(self._policy, attributes):
            self._record.filtered += 1
            return
        item = json.loads(message)
        self._record.timestamps[item["Id"]] = item["AbsoluteTime"]
        notification = sns_record(
            message,
            sent_at=iso_timestamp(time.time()),
            TopicArn=TOPIC_ARN,
            MessageAttributes={name: {"Type": "String", "Value": value} for name, value in attributes.items()},
        )
        self.topic.deliver(notification, deliveries=delivery_delays(self._random, window=self._deduplication_window))


def matches(policy: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    """Whether a filter policy on message attributes (all of them strings) lets a message through."""
    return all(
        any(matches(alternative, attributes) for alternative in allowed)
        if name == "$or"
        else any(_matches_value(one, attributes.get(name)) for one in allowed)
        for name, allowed in policy.items()
    )


def _matches_value(allowed: str | Mapping[str, Any], value: str | None) -> bool:
    if isinstance(allowed, str):
        return value == allowed
    ((operator, operand),) = allowed.items()
    if operator == "exists":
        return operand is (value is not None)
    if operator == "anything-but" and isinstance(operand, Mapping):
        return value is not None and not value.startswith(operand["prefix"])
    if operator == "anything-but":
        refused: Sequence[str] = [operand] if isinstance(operand, str) else operand
        return value is not None and value not in refused
    raise ValueError(f"no operator {operator}")


def _attributes(asked: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number in itertools.count(1):
        entry = f"MessageAttributes.entry.{number}"
        if f"{entry}.Name" not in asked:
            return found
        found[asked[f"{entry}.Name"]] = asked[f"{entry}.Value.StringValue"]
    raise AssertionError
