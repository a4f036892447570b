"""SNS and Lambda's asynchronous invocation: at least once, in no order, with two more tries.

Source: "Handling errors for an asynchronous invocation" in the AWS Lambda developer guide.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from tests.faults.record import Record
from tests.faults.runtime import Function
from tests.faults.texts import Text

PAUSES = (60.0, 120.0)
"""Seconds before Lambda's second and third try."""
TOPIC = "arn:aws:sns:us-east-1:111122223333:inbound"


class Topic:
    """Hands each text over as often as the load says, to one function; with pauses so many times `shorter`."""

    def __init__(self, function: Function, record: Record, *, shorter: float) -> None:
        self._function, self._record = function, record
        self._pauses = [pause / shorter for pause in PAUSES]
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def publish(self, text: Text) -> None:
        now = time.time()
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._record.published[text.sns_message_id] = now
        self._record.timestamps[text.sns_message_id] = stamp
        event = {"Records": [_notification(text, stamp)]}
        for delay in text.deliveries:
            task = asyncio.create_task(self._deliver(event, delay))
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


def _notification(text: Text, stamp: str) -> dict[str, Any]:
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": f"{TOPIC}:subscription",
        "Sns": {
            "Type": "Notification",
            "MessageId": text.sns_message_id,
            "TopicArn": TOPIC,
            "Subject": None,
            "Message": text.message,
            "Timestamp": stamp,
            "SignatureVersion": "1",
            "Signature": "none",
            "SigningCertUrl": "https://sns.us-east-1.amazonaws.com/none.pem",
            "UnsubscribeUrl": "https://sns.us-east-1.amazonaws.com/",
            "MessageAttributes": {},
        },
    }
