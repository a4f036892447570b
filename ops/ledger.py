"""The ledger as an operator reads it: a text by its key, SNS's id, conversation, the day on which it failed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from botocore.exceptions import ClientError

from bridge.aws.ledger import KEEP_SECONDS
from bridge.processing.notification import valid_key
from ops.target import Target

KEPT_DAYS = KEEP_SECONDS // 86400
QUEUE_KEEPS = timedelta(days=14)
"""How long SQS keeps what is in failed or undelivered."""
_AT_ONCE = 100  # keys of one BatchGetItem
_PAUSE = 0.2  # seconds before keys that DynamoDB left out are asked for again
_LAST_FAILURE = "outcome = :failed AND failed_entry = :entry"
"""A text is failed, and has not failed anew since."""
_REPLIES = ("reply-intake", "reply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What the ledger says of one text. What it does not say is None, or 0."""

    text_key: str
    outcome: str
    stage: str | None
    conversation: str | None = field(repr=False)
    ours: str | None = field(repr=False)
    sns_message_id: str | None
    sent_at: datetime | None
    received_at: datetime | None
    first_seen_at: datetime | None
    updated_at: datetime | None
    done_at: datetime | None
    duplicate_at: datetime | None
    failed_at: datetime | None
    redriven_at: datetime | None
    parts: int
    parts_done: int
    attempts: int
    retries: int
    duplicates: int
    failures: int
    contact: str | None
    new_chat: bool
    reason: str | None
    error: str | None
    failed_stage: str | None
    failed_error: str | None
    failed_reason: str | None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Item:
        """From an item as DynamoDB spells it."""

        def text(name: str) -> str | None:
            return item[name]["S"] if name in item else None

        def number(name: str) -> int:
            return int(item[name]["N"]) if name in item else 0

        def at(name: str) -> datetime | None:
            return datetime.fromtimestamp(number(name) / 1000, UTC) if name in item else None

        sent_at = text("sent_at")
        return cls(
            text_key=item["text_key"]["S"],
            outcome=text("outcome") or "pending",
            stage=text("stage"),
            conversation=text("conversation"),
            ours=text("ours"),
            sns_message_id=text("sns_message_id"),
            sent_at=datetime.fromisoformat(sent_at) if sent_at else None,
            received_at=at("received_at"),
            first_seen_at=at("first_seen_at"),
            updated_at=at("updated_at"),
            done_at=at("done_at"),
            duplicate_at=at("duplicate_at"),
            failed_at=at("failed_at"),
            redriven_at=at("redriven_at"),
            parts=number("parts"),
            parts_done=number("parts_done"),
            attempts=number("attempts"),
            retries=number("retries"),
            duplicates=number("duplicates"),
            failures=number("failures"),
            contact=text("contact"),
            new_chat=bool(item["new_chat"]["BOOL"]) if "new_chat" in item else False,
            reason=text("reason"),
            error=text("error"),
            failed_stage=text("failed_stage"),
            failed_error=text("failed_error"),
            failed_reason=text("failed_reason"),
        )

    @property
    def direction(self) -> Literal["in", "out"]:
        """`out` is an agent's reply to a phone."""
        return "out" if self.stage in _REPLIES else "in"

    @property
    def since(self) -> datetime:
        """When the bridge had it first, as far as the ledger knows."""
        return self.received_at or self.first_seen_at or datetime.fromtimestamp(0, UTC)


class OperatorsLedger:
    """Nothing here reads the whole table. Every method may raise what a boto3 client does."""

    def __init__(self, target: Target) -> None:
        self._client = target.client("dynamodb")
        self._table = target.outputs["LedgerTableName"]

    def read(self, text_keys: Iterable[str]) -> dict[str, Item]:
        """As they are now, by key; those that the ledger does not know are left out."""
        left = [{"text_key": {"S": key}} for key in dict.fromkeys(text_keys)]
        found: dict[str, Item] = {}
        while left:
            batch, left = left[:_AT_ONCE], left[_AT_ONCE:]
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": batch, "ConsistentRead": True}})
            for item in answer["Responses"].get(self._table, ()):
                found[item["text_key"]["S"]] = Item.from_item(item)
            if skipped := answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", []):
                left += skipped
                time.sleep(_PAUSE)
        return found

    def find(self, an_id: str) -> Item | None:
        """By text key, inboundMessageId, the Id of an agent's message, or the MessageId that SNS gave it."""
        keys = [valid_key(an_id), valid_key(f"reply-{an_id}")]
        keys += self._keys("BySnsMessage", "sns_message_id = :id", {":id": {"S": valid_key(an_id)}})
        return next(self._in_order(keys), None)

    def of_conversation(self, conversation: str, *, since: datetime) -> list[Item]:
        """Those that came since then, oldest first. Of a chat's replies the conversation is the contact."""
        keys = self._keys(
            "ByConversation",
            "conversation = :conversation AND first_seen_at >= :since",
            {":conversation": {"S": conversation}, ":since": {"N": str(_milliseconds(since))}},
        )
        return sorted(self.read(keys).values(), key=lambda item: item.since)

    def failed(self, *, now: datetime) -> list[Item]:
        """All that are failed, the one that has been so for longest first."""
        keys: list[str] = []
        for days in range(KEPT_DAYS, -1, -1):
            day = (now - timedelta(days=days)).date().isoformat()
            keys += self._keys("Failed", "failed_on = :day", {":day": {"S": day}})
        return [item for item in self._in_order(keys) if item.outcome == "failed"]

    def redriven(self, text_key: str, *, entry: str, at: datetime) -> None:
        """Note that a text was put back on its queue, unless it got further, or failed anew, in the meantime.

        `entry` is what the failed entry says that it came from. Either way it is known for as long as a text that came
        just now: it may wait on its queue for as long as that one.
        """
        when = {":now": {"N": str(_milliseconds(at))}, ":expires": {"N": str(int(at.timestamp()) + KEEP_SECONDS)}}
        noted = "SET redriven_at = :now, expires_at = :expires"
        if not self._update(
            text_key,
            f"{noted}, outcome = :pending REMOVE failed_on, done_at, #error, reason",
            when | {":pending": {"S": "pending"}} | _last_failure(entry),
            condition=_LAST_FAILURE,
            names={"#error": "error"},
        ):
            self._update(text_key, noted, when)

    def discarded(self, text_key: str, *, entry: str | None, at: datetime) -> bool:
        """Note that a failed text is wanted no more; one that got on in the meantime stays what it is.

        `entry` is None of what SQS itself moved to failed: nobody noted that, so the text is on its way still. Says
        whether it is noted.
        """
        condition, values = "outcome = :pending AND attribute_not_exists(failed_on)", {":pending": {"S": "pending"}}
        if entry is not None:
            condition, values = _LAST_FAILURE, _last_failure(entry)
        return self._update(
            text_key,
            "SET done_at = :now, outcome = :discarded REMOVE failed_on",
            values | {":now": {"N": str(_milliseconds(at))}, ":discarded": {"S": "discarded"}},
            condition=f"{condition} OR outcome = :discarded",
        )

    def _update(
        self,
        text_key: str,
        expression: str,
        values: Mapping[str, Any],
        *,
        condition: str = "attribute_exists(text_key)",
        names: Mapping[str, str] | None = None,
    ) -> bool:
        """Whether the condition held."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"text_key": {"S": text_key}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=dict(values),
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except ClientError as exc:
            if exc.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _in_order(self, keys: Sequence[str]) -> Iterator[Item]:
        found = self.read(keys)
        return (found[key] for key in dict.fromkeys(keys) if key in found)

    def _keys(self, index: str, condition: str, values: Mapping[str, Any]) -> list[str]:
        """In the index's order."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=dict(values),
            ProjectionExpression="text_key",
        )
        return [item["text_key"]["S"] for page in pages for item in page["Items"]]


def _last_failure(entry: str) -> dict[str, Any]:
    """Values of _LAST_FAILURE."""
    return {":failed": {"S": "failed"}, ":entry": {"S": entry}}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
