"""The tables as an operator reads them: the ledger by text key, SNS's id, conversation or day, and the chats."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from bridge.aws.chat_sessions import ChatSessions
from bridge.aws.ledger import KEEP_SECONDS
from bridge.errors import LedgerError
from bridge.processing.notification import valid_key
from bridge.replies.participants import Participants
from ops.target import Target, TargetError

T = TypeVar("T")

KEPT_DAYS = KEEP_SECONDS // 86400
QUEUE_RETENTION = timedelta(days=14)
"""How long SQS keeps the messages of failed and undelivered."""
_KEYS_AT_ONCE = 100  # of one BatchGetItem
_PAUSE = 0.2  # seconds before keys are requested again that DynamoDB did not process
_LAST_FAILURE = "outcome = :failed AND failed_entry = :message_id"
"""The text is failed, by this very queue message, and has not failed again since."""
_REPLY_STAGES = ("reply-intake", "reply")
_NAMES = {"ours": "business_number"}
_deserialize, _serialize = TypeDeserializer().deserialize, TypeSerializer().serialize


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """One item of the ledger: a text or a reply. What the item does not have is None, 0 or False."""

    text_key: str
    outcome: str = "pending"
    stage: str | None = None
    conversation: str | None = field(default=None, repr=False)
    business_number: str | None = field(default=None, repr=False)
    sns_message_id: str | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    first_seen_at: datetime | None = None
    updated_at: datetime | None = None
    done_at: datetime | None = None
    duplicate_at: datetime | None = None
    failed_at: datetime | None = None
    redriven_at: datetime | None = None
    parts: int = 0
    parts_done: int = 0
    attempts: int = 0
    retries: int = 0
    duplicates: int = 0
    failures: int = 0
    lost_answers: int = 0
    possible_duplicates: int = 0
    contact: str | None = None
    new_chat: bool = False
    reason: str | None = None
    error: str | None = None
    failed_stage: str | None = None
    failed_error: str | None = None
    failed_reason: str | None = None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> LedgerRecord:
        """From an item of DynamoDB's low-level API."""
        values = {_NAMES.get(name, name): _value(name, _deserialize(value)) for name, value in item.items()}
        return cls(**{one.name: values[one.name] for one in fields(cls) if one.name in values})

    @property
    def direction(self) -> Literal["in", "out"]:
        """`out` is an agent's reply to a phone."""
        return "out" if self.stage in _REPLY_STAGES else "in"

    @property
    def since(self) -> datetime:
        """When the bridge first had it, as far as the ledger knows."""
        return self.received_at or self.first_seen_at or datetime.fromtimestamp(0, UTC)


def _value(name: str, value: Any) -> Any:
    """Times are milliseconds since the epoch; `sent_at` is ISO 8601."""
    if name == "sent_at":
        return datetime.fromisoformat(value) if value else None
    if isinstance(value, Decimal):
        return datetime.fromtimestamp(int(value) / 1000, UTC) if name.endswith("_at") else int(value)
    return value


class OperatorsLedger:
    """No method reads the whole table. Each raises what a boto3 client does."""

    def __init__(self, target: Target) -> None:
        self._client = target.client("dynamodb")
        self._table = target.outputs["LedgerTableName"]

    def read(self, text_keys: Iterable[str]) -> dict[str, LedgerRecord]:
        """Consistent reads, by key. Keys that the ledger does not have are left out."""
        left = [{"text_key": {"S": key}} for key in dict.fromkeys(text_keys)]
        found: dict[str, LedgerRecord] = {}
        while left:
            batch, left = left[:_KEYS_AT_ONCE], left[_KEYS_AT_ONCE:]
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": batch, "ConsistentRead": True}})
            for item in answer["Responses"].get(self._table, ()):
                found[item["text_key"]["S"]] = LedgerRecord.from_item(item)
            if unprocessed := answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", []):
                left += unprocessed
                time.sleep(_PAUSE)
        return found

    def find(self, an_id: str) -> LedgerRecord | None:
        """By text key, inboundMessageId, the Id of an agent's message, or SNS's MessageId."""
        keys = [valid_key(an_id), valid_key(f"reply-{an_id}")]
        keys += self._keys("BySnsMessage", "sns_message_id = :id", {":id": valid_key(an_id)})
        return next(self._in_order(keys), None)

    def of_conversation(self, conversation: str, *, since: datetime) -> list[LedgerRecord]:
        """Those received since then, oldest first. The conversation of replies is their contact id."""
        keys = self._keys(
            "ByConversation",
            "conversation = :conversation AND first_seen_at >= :since",
            {":conversation": conversation, ":since": _milliseconds(since)},
        )
        return sorted(self.read(keys).values(), key=lambda record: record.since)

    def failed(self, *, now: datetime) -> list[LedgerRecord]:
        """All that are failed, the oldest failure first."""
        keys: list[str] = []
        for days in range(KEPT_DAYS, -1, -1):
            day = (now - timedelta(days=days)).date().isoformat()
            keys += self._keys("Failed", "failed_on = :day", {":day": day})
        return [record for record in self._in_order(keys) if record.outcome == "failed"]

    def redriven(self, text_key: str, *, message_id: str, at: datetime) -> None:
        """Record that a text is back on its queue. If it got further or failed again meanwhile, only the time is set.

        The record's expiry starts anew in both cases, because the text may now wait as long as a new one.
        `message_id` is that of the queue message that failed.
        """
        times = {":now": _milliseconds(at), ":expires": int(at.timestamp()) + KEEP_SECONDS}
        set_times = "SET redriven_at = :now, expires_at = :expires"
        if not self._update(
            text_key,
            f"{set_times}, outcome = :pending REMOVE failed_on, done_at, #error, reason, throttled",
            times | {":pending": "pending", ":failed": "failed", ":message_id": message_id},
            condition=_LAST_FAILURE,
            names={"#error": "error"},
        ):
            self._update(text_key, set_times, times)

    def discarded(self, text_key: str, *, message_id: str | None, at: datetime) -> bool:
        """Record that a failed text was discarded, unless it got further meanwhile. Returns whether it is recorded.

        `message_id` is that of the queue message that failed; None if SQS itself moved it to failed. Nobody recorded
        that failure, so the text is still pending.
        """
        condition, values = "outcome = :pending AND attribute_not_exists(failed_on)", {":pending": "pending"}
        if message_id is not None:
            condition, values = _LAST_FAILURE, {":failed": "failed", ":message_id": message_id}
        return self._update(
            text_key,
            "SET done_at = :now, outcome = :discarded REMOVE failed_on",
            values | {":now": _milliseconds(at), ":discarded": "discarded"},
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
        """Returns whether the condition was true."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"text_key": {"S": text_key}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=_serialized(values),
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except ClientError as exc:
            if exc.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _in_order(self, keys: Sequence[str]) -> Iterator[LedgerRecord]:
        found = self.read(keys)
        return (found[key] for key in dict.fromkeys(keys) if key in found)

    def _keys(self, index: str, condition: str, values: Mapping[str, Any]) -> list[str]:
        """In the index's order."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=_serialized(values),
            ProjectionExpression="text_key",
        )
        return [item["text_key"]["S"] for page in pages for item in page["Items"]]


class OperatorsChats:
    """The chats that the bridge started; none without start-chat delivery. Raises TargetError."""

    def __init__(self, target: Target) -> None:
        table = target.outputs.get("ChatsTableName")
        self._where = target.where
        self._sessions = ChatSessions(client=target.client("dynamodb"), table=table) if table else None
        self.participants = cache(self._participants)

    def _participants(self, contact: str) -> Participants | None:
        """Recorded for chat_sessions.KEEP_SECONDS after the start of the chat."""
        return self._read(lambda sessions: sessions.participants(contact))

    def latest(self, conversation: str) -> str | None:
        """The contact id of the conversation's latest chat."""
        chat = self._read(lambda sessions: sessions.latest(conversation))
        return chat.contact if chat else None

    def _read(self, read: Callable[[ChatSessions], T | None]) -> T | None:
        try:
            return read(self._sessions) if self._sessions else None
        except LedgerError as exc:
            raise TargetError(f"{self._where}: {exc}") from exc


def _serialized(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in values.items()}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
