"""SNS and Lambda's asynchronous invocation: at least once, in no order, with two more tries.

Source: "Handling errors for an asynchronous invocation" in the AWS Lambda developer guide.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.faults.record import Record
from tests.faults.runtime import Function
from tests.faults.texts import Text

PAUSES = (60.0, 120.0)
"""Seconds before Lambda's second and third try."""
ACCOUNT_ARN = "arn:aws:sns:us-east-1:111122223333"


class Topic:
    """Hands over to one function; with pauses so many times `shorter`."""

    def __init__(self, function: Function, record: Record, *, shorter: float) -> None:
        self._function, self._record = function, record
        self._pauses = [pause / shorter for pause in PAUSES]
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def publish(self, text: Text) -> None:
        """A customer's text, as often as the load says."""
        now = time.time()
        stamp = stamped(now)
        self._record.timestamps[text.identity] = stamp
        notification = notified(f"{ACCOUNT_ARN}:inbound", text.message, stamp=stamp, message_id=text.identity)
        self.hand_over(notification, deliveries=text.deliveries)

    def hand_over(self, notification: Mapping[str, Any], *, deliveries: tuple[float, ...]) -> None:
        """`deliveries`: seconds from now to each of SNS's hand-overs."""
        who = identity(notification)
        self._record.published[who] = time.time()
        self._record.deliveries[who] = deliveries
        for delay in deliveries:
            task = asyncio.create_task(self._deliver({"Records": [notification]}, delay))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def close(self) -> None:
        for task in self._under_way:
            task.cancel()

    async def _deliver(self, event: dict[str, Any], delay: float) -> None:
        for pause in (delay, *self._pauses):
            await asyncio.sleep(pause)
            invocation = await self._function.invoke(event)
            if invocation.fate == "answered":
                return
        self._record.undelivered.append({"requestPayload": event, "error": invocation.error or invocation.fate})


def stamped(at: float) -> str:
    """A time as SNS and Connect write it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notified(
    topic: str, message: str, *, stamp: str, message_id: str, attributes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The record that Lambda gets of a published message."""
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": f"{topic}:subscription",
        "Sns": {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": topic,
            "Subject": None,
            "Message": message,
            "Timestamp": stamp,
            "SignatureVersion": "1",
            "Signature": "none",
            "SigningCertUrl": "https://sns.us-east-1.amazonaws.com/none.pem",
            "UnsubscribeUrl": "https://sns.us-east-1.amazonaws.com/",
            "MessageAttributes": {
                name: {"Type": "String", "Value": value} for name, value in (attributes or {}).items()
            },
        },
    }


def identity(notification: Mapping[str, Any]) -> str:
    """What the record knows a notification by: Connect's Id where a chat was streamed, else that of SNS."""
    sns = notification["Sns"]
    streamed = "InitialContactId" in sns["MessageAttributes"]
    return str(json.loads(sns["Message"])["Id"] if streamed else sns["MessageId"])
