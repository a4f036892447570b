"""The ledger: one DynamoDB item per message that says what became of it, in either direction. It holds no body.

It prevents repeated delivery: it is read consistently before an attempt, and written after each accepted part on the
condition that no other worker has recorded a later one. Operators find items by three indexes: by conversation, by SNS
message id and, of failed messages, by the day of the failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.aws.errors import SDK_ERRORS, error_code
from bridge.errors import BridgeError, LedgerError, error_of
from bridge.processing.state import DeliveryState, MessageMetadata, Outcome, SplitPlan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_SECONDS = 16 * 24 * 3600
"""Longer than the retention of any queue (14 days), so that a redriven message still has its item."""
_FAILED_INDEX = ("failed_on",)
"""An item without this attribute is not in the index of failed messages."""
_FINISHED = {":forwarded": {"S": "forwarded"}, ":ignored": {"S": "ignored"}}


class Ledger:
    """Every method raises LedgerError where DynamoDB fails in spite of the SDK's retries.

    Parameters:
        stage: the function that writes.
        now: seconds since the epoch.
    """

    def __init__(self, *, client: DynamoDBClient, table: str, stage: str, now: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._stage, self._now = client, table, stage, now

    def read(self, key: str) -> DeliveryState | None:
        """A consistent read: another environment may have written a moment ago."""
        try:
            response = self._client.get_item(TableName=self._table, Key={"text_key": {"S": key}}, ConsistentRead=True)
        except SDK_ERRORS as exc:
            raise LedgerError(f"the ledger could not be read ({error_code(exc)})") from exc
        item = response.get("Item")
        return _state(item) if item else None

    def record_receipt(self, key: str, metadata: MessageMetadata, *, at: float) -> None:
        """The message was queued `at`, in seconds since the epoch. Existing attributes stay."""
        now = self._milliseconds()
        values: dict[str, Any] = _attributes(metadata) | {
            "outcome": {"S": "pending"},
            "stage": {"S": self._stage},
            "received_at": {"N": str(int(at * 1000))},
            "first_seen_at": {"N": str(now)},
            "updated_at": {"N": str(now)},
            "expires_at": {"N": str(now // 1000 + KEEP_SECONDS)},
        }
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"text_key": {"S": key}},
                UpdateExpression="SET " + ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in values),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            )
        except SDK_ERRORS as exc:
            raise LedgerError(f"the ledger could not be written ({error_code(exc)})") from exc

    def save_split(self, key: str, metadata: MessageMetadata, *, split: SplitPlan) -> SplitPlan:
        """Save how a message will be split, unless that is saved already. Returns the saved plan."""
        plan, condition = {"plan": {"M": _serialised(split)}}, "attribute_not_exists(#plan)"
        state = self._update(key, metadata, plan, attempts=0, condition=condition) or self.read(key)
        return state.split if state and state.split else split

    def record_part(
        self,
        key: str,
        metadata: MessageMetadata,
        *,
        split: SplitPlan,
        part: int,
        parts: int,
        attempts: int,
        message_id: str,
        contact: str | None = None,
        new_chat: bool = False,
        nothing_shown: str | None = None,
        possible_duplicates: int = 0,
    ) -> DeliveryState:
        """Part number `part` (from 0) of `parts` was accepted; the last one makes the message forwarded.

        `nothing_shown` makes it ignored instead, for that reason. Returns the state after the write, which is another
        worker's where that has recorded a later part. If another invocation has dead-lettered this very queue message,
        `message_id`, the message stays failed until its last part was accepted.
        """
        progress: dict[str, Any] = {
            "plan": {"M": _serialised(split)},
            "parts": {"N": str(parts)},
            "parts_done": {"N": str(part + 1)},
        }
        finished = part + 1 == parts
        outcome: Outcome = ("ignored" if nothing_shown else "forwarded") if finished else "pending"
        progress |= {"contact": {"S": contact}} if contact else {}
        progress |= {"new_chat": {"BOOL": True}} if new_chat else {}
        values = progress | self._outcome(outcome, reason=nothing_shown)
        counts = {"possible_duplicates": possible_duplicates} if possible_duplicates else {}
        next_part = ("attribute_not_exists(parts_done)", "parts_done = :before")
        before = {":before": {"N": str(part)}}
        not_dead_lettered = "" if finished else " AND NOT failed_entry = :entry"
        state = self._update(
            key,
            metadata,
            values,
            attempts=attempts,
            counts=counts,
            remove=(*_FAILED_INDEX, "error", "throttled", "lost_answers", *(() if "reason" in values else ("reason",))),
            condition=" OR ".join(f"{one}{not_dead_lettered}" for one in next_part),
            condition_values=before if finished else before | {":entry": {"S": message_id}},
        )
        if state is None and not finished:
            state = self._update(
                key,
                metadata,
                progress,
                attempts=attempts,
                counts=counts,
                remove=("lost_answers", "throttled"),
                condition=" OR ".join(next_part),
                condition_values=before,
            )
        state = state or self.read(key)
        if state is None:
            raise LedgerError("the item disappeared between two writes")
        return state

    def record_retry(
        self,
        key: str,
        metadata: MessageMetadata,
        error: BridgeError,
        *,
        attempts: int,
        message_id: str,
        lost_answers: int = 0,
        throttled: int = 0,
    ) -> None:
        """The message returns to its queue because of `error`.

        No-op if this queue message has been dead-lettered by another invocation after our visibility timeout expired.
        """
        self._update(
            key,
            metadata,
            self._outcome("pending", reason=str(error), error=error.code)
            | _unless_zero(lost_answers=lost_answers, throttled=throttled),
            attempts=attempts,
            counts={"retries": 1},
            remove=_FAILED_INDEX if throttled else (*_FAILED_INDEX, "throttled"),
            condition="NOT outcome IN (:forwarded, :ignored) AND NOT failed_entry = :entry",
            condition_values=_FINISHED | {":entry": {"S": message_id}},
        )

    def record_failure(
        self,
        key: str,
        metadata: MessageMetadata,
        error: BridgeError,
        *,
        attempts: int = 0,
        message_id: str | None = None,
        lost_answers: int = 0,
    ) -> None:
        """The message is in the dead-letter queue because of `error`. No-op for one that was shown.

        `lost_answers` is kept: a redriven message that is accepted may have been shown before.

        `message_id` is that of the queue message that failed; after a redrive it is another. The attributes of the last
        failure stay after a redrive.
        """
        values = self._outcome("failed", reason=str(error), error=error.code)
        at = self._milliseconds()
        values |= {
            "failed_on": {"S": datetime.fromtimestamp(at / 1000, UTC).date().isoformat()},
            "failed_at": {"N": str(at)},
            "failed_entry": {"S": message_id or key},
            "failed_stage": {"S": self._stage},
            "failed_error": {"S": error.code},
            "failed_reason": {"S": str(error)},
        } | _unless_zero(lost_answers=lost_answers)
        self._update(
            key,
            metadata,
            values,
            attempts=attempts,
            counts={"failures": 1},
            condition="NOT outcome IN (:forwarded, :ignored)",
            condition_values=_FINISHED,
        )

    def record_ignored(self, key: str, metadata: MessageMetadata, reason: str) -> None:
        """There is nothing to show."""
        self._update(key, metadata, self._outcome("ignored", reason=reason), attempts=0, remove=_FAILED_INDEX)

    def record_duplicate(self, key: str) -> None:
        """The message was received again and not shown again."""
        at = {"duplicate_at": {"N": str(self._milliseconds())}}
        self._update(key, MessageMetadata(), at, attempts=0, counts={"duplicates": 1})

    def _outcome(self, outcome: Outcome, *, reason: str | None = None, error: str | None = None) -> dict[str, Any]:
        values: dict[str, Any] = {"outcome": {"S": outcome}, "stage": {"S": self._stage}}
        if reason:
            values["reason"] = {"S": reason}
        if error:
            values["error"] = {"S": error}
        if outcome != "pending":
            values["done_at"] = {"N": str(self._milliseconds())}
        return values

    def _update(
        self,
        key: str,
        metadata: MessageMetadata,
        values: Mapping[str, Any],
        *,
        attempts: int,
        counts: Mapping[str, int] | None = None,
        remove: tuple[str, ...] = (),
        condition: str | None = None,
        condition_values: Mapping[str, Any] | None = None,
    ) -> DeliveryState | None:
        """Set `values`, add `attempts` and `counts`. None if the condition did not hold."""
        now = self._milliseconds()
        added = {"attempts": attempts, **(counts or {})}
        times = {"updated_at": {"N": str(now)}, "expires_at": {"N": str(now // 1000 + KEEP_SECONDS)}}
        changed = {**values, **_attributes(metadata), **times}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        expression += ", first_seen_at = if_not_exists(first_seen_at, :now)"
        expression += " ADD " + ", ".join(f"{name} :{name}" for name in added)
        if remove:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        arguments: dict[str, Any] = {
            "TableName": self._table,
            "Key": {"text_key": {"S": key}},
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{name}": name for name in (*changed, *remove)},
            "ExpressionAttributeValues": {f":{name}": value for name, value in changed.items()}
            | {":now": {"N": str(now)}}
            | {f":{name}": {"N": str(number)} for name, number in added.items()}
            | dict(condition_values or {}),
            "ReturnValues": "ALL_NEW",
        }
        if condition:
            arguments["ConditionExpression"] = condition
        try:
            response = self._client.update_item(**arguments)
        except SDK_ERRORS as exc:
            if error_code(exc) == "ConditionalCheckFailedException":
                return None
            raise LedgerError(f"the ledger could not be written ({error_code(exc)})") from exc
        return _state(response["Attributes"])

    def _milliseconds(self) -> int:
        return int(self._now() * 1000)


def _attributes(metadata: MessageMetadata) -> dict[str, Any]:
    values = {
        "conversation": metadata.conversation,
        "ours": metadata.business_number,
        "sns_message_id": metadata.sns_message_id,
        "sent_at": metadata.sent_at,
        "queued_at": metadata.queued_at,
        "sequence": metadata.sequence,
    }
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in values.items()
        if value is not None
    }


def _unless_zero(**numbers: int) -> dict[str, Any]:
    return {name: {"N": str(number)} for name, number in numbers.items() if number}


def _serialised(split: SplitPlan) -> dict[str, Any]:
    return {
        "limit": {"N": str(split.limit)},
        "prefix": {"S": split.prefix},
        "shown": {"BOOL": split.shown},
        "ends_chat": {"BOOL": split.ends_chat},
    }


def _state(item: Mapping[str, Any]) -> DeliveryState:
    split = item.get("plan", {}).get("M")
    return DeliveryState(
        outcome=item.get("outcome", {}).get("S", "pending"),
        split=SplitPlan(
            limit=int(split["limit"]["N"]),
            prefix=split["prefix"]["S"],
            shown=split["shown"]["BOOL"],
            ends_chat=split["ends_chat"]["BOOL"],
        )
        if split
        else None,
        parts_done=int(item.get("parts_done", {}).get("N", "0")),
        retries=int(item.get("retries", {}).get("N", "0")),
        contact=item.get("contact", {}).get("S"),
        last_error=error_of(item["error"]["S"], item.get("reason", {}).get("S", "")) if "error" in item else None,
        lost_answers=int(item.get("lost_answers", {}).get("N", "0")),
        throttled=int(item.get("throttled", {}).get("N", "0")),
    )
