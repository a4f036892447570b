"""The topic that Connect streams chats to: SNS's Publish over HTTP, its filter policy, and the function behind it.

Source: Publish in the Amazon SNS API reference (AWS query protocol), and "Amazon SNS subscription filter policies" in
its developer guide.
"""

from __future__ import annotations

import itertools
import json
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from tests.faults.http import Answer, Request, Server
from tests.faults.record import Record
from tests.faults.sns import ACCOUNT_ARN, Topic, notified, stamped
from tests.faults.texts import hand_overs

TOPIC_ARN = f"{ACCOUNT_ARN}:streaming"
_TAKEN = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>{}</MessageId>'
    "</PublishResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></PublishResponse>"
)


class Streaming:
    """Standard: at least once and unordered, as `hand_overs` draws it. `policy` keeps notifications away."""

    def __init__(self, record: Record, *, policy: Mapping[str, Any], seed: int, window: float) -> None:
        self._record, self._policy, self._window = record, policy, window
        self._random = random.Random(f"{seed} streaming")
        self.topic: Topic | None = None
        self.server = Server(self._answer)

    def subscribe(self, topic: Topic) -> None:
        """From now on what the policy lets through is handed over there."""
        self.topic = topic

    async def _answer(self, request: Request) -> Answer | None:
        asked = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        assert (asked["Action"], asked["TopicArn"]) == ("Publish", TOPIC_ARN), "the double publishes to one topic"
        self._publish(asked["Message"], _attributes(asked))
        message_id = str(uuid.uuid4())
        return Answer(200, _TAKEN.format(message_id, message_id).encode(), {"Content-Type": "text/xml"})

    def _publish(self, message: str, attributes: Mapping[str, str]) -> None:
        if self.topic is None or not passes(self._policy, attributes):
            self._record.filtered += 1
            return
        said = json.loads(message)
        self._record.timestamps[said["Id"]] = said["AbsoluteTime"]
        notification = notified(
            TOPIC_ARN, message, stamp=stamped(time.time()), message_id=str(uuid.uuid4()), attributes=attributes
        )
        self.topic.hand_over(notification, deliveries=hand_overs(self._random, window=self._window))


def passes(policy: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    """Whether a filter policy on message attributes (all of them strings) lets a message through."""
    return all(
        any(passes(alternative, attributes) for alternative in allowed)
        if name == "$or"
        else any(_fits(one, attributes.get(name)) for one in allowed)
        for name, allowed in policy.items()
    )


def _fits(allowed: str | Mapping[str, Any], value: str | None) -> bool:
    if isinstance(allowed, str):
        return value == allowed
    ((operator, operand),) = allowed.items()
    if operator == "exists":
        return operand is (value is not None)
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
