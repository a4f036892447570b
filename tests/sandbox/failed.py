"""`bridge failed` in the sandbox: running it, and making texts fail."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.ledger import OperatorsLedger
from ops.target import Target
from tests.sandbox.texts import Phones, Text, until

UNKNOWN = "+12125550199"
"""A number that bridge.toml does not have: a text to it fails."""
Bridge = Callable[..., Any]


def empty(phones: Phones) -> None:
    """Empties failed and undelivered, and removes from the ledger what it lists as failed."""
    phones.empty("FailedQueueUrl", "UndeliveredQueueUrl")
    table, dynamodb = phones.outputs["LedgerTableName"], phones.sandbox.client("dynamodb")
    for item in OperatorsLedger(Target.in_sandbox(phones.sandbox.name)).failed(now=datetime.now(UTC)):
        key = {"text_key": {"S": item.text_key}}
        dynamodb.update_item(TableName=table, Key=key, UpdateExpression="REMOVE failed_on")


def rows(said: tuple[int, str, str]) -> list[dict[str, Any]]:
    assert said[0] == 0, said
    return [json.loads(line) for line in said[1].splitlines()]


def fail(phones: Phones, *texts: Text) -> None:
    """Makes texts fail one after the other, so that they fail in this order."""
    for text in texts:
        phones.publish(text.message())
        until(lambda text=text: phones.outcome(text) == "failed", seconds=30, what="failed")  # type: ignore[misc]


def sns_notification(phones: Phones, text: Text, *, ago: int = 60) -> str:
    """A text as SNS sends it to a dead-letter queue. ago: how many seconds ago it was published."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": phones.outputs["InboundTopicArn"],
            "Message": text.message(),
            "Timestamp": (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(),
            "SignatureVersion": "1",
        }
    )
