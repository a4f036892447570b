"""The ledger: one DynamoDB item per text that says what became of it, in either direction. It holds no body.

It is what makes "once" true: read consistently before a text, and written after each part that was accepted, on the
condition that nobody else has got further. And it is what an operator asks: three indexes find a text by its
conversation, by the id that SNS gave it, and, while it is failed, by the day on which it failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.compose import Plan
from bridge.errors import BridgeError, LedgerError
from bridge.known import Facts, Known, Outcome
from bridge.sdk import TROUBLE, why

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_SECONDS = 16 * 24 * 3600
"""Longer than any queue keeps a text (14 days), so that whatever is redriven is still known."""


class Ledger:
    """Every method raises LedgerError where DynamoDB does not do it in spite of the SDK's retries.

    `stage` is what it says of texts that are got on with.
    """

    def __init__(
        self, *, client: DynamoDBClient, table: str, stage: str = "forward", now: Callable[[], float] = time.time
    ) -> None:
        self._client, self._table, self._stage, self._now = client, table, stage, now

    def read(self, text_key: str) -> Known | None:
        """Consistent, so that it sees what another environment wrote a moment ago."""
        try:
            answer = self._client.get_item(
                TableName=self._table, Key={"text_key": {"S": text_key}}, ConsistentRead=True
            )
        except TROUBLE as exc:
            raise LedgerError(f"the ledger could not be read ({why(exc)})") from exc
        item = answer.get("Item")
        return _known(item) if item else None

    def received(self, text_key: str, facts: Facts, *, stage: str, at: float) -> None:
        """Note that a text was queued; `at` in seconds since the epoch. What is known of it already stays."""
        now = self._milliseconds()
        values: dict[str, Any] = _facts(facts) | {
            "outcome": {"S": "pending"},
            "stage": {"S": stage},
            "received_at": {"N": str(int(at * 1000))},
            "first_seen_at": {"N": str(now)},
            "updated_at": {"N": str(now)},
            "expires_at": {"N": str(now // 1000 + KEEP_SECONDS)},
        }
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"text_key": {"S": text_key}},
                UpdateExpression="SET " + ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in values),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            )
        except TROUBLE as exc:
            raise LedgerError(f"the ledger could not be written ({why(exc)})") from exc

    def begun(self, text_key: str, facts: Facts, *, plan: Plan) -> Plan:
        """Note how a text is about to be cut, where nothing is known of that yet. Returns what is noted then."""
        values = {"plan": {"M": _serialised(plan)}}
        known = self._update(text_key, facts, values, attempts=0, condition="attribute_not_exists(#plan)")
        known = known or self.read(text_key)
        return known.plan if known and known.plan else plan

    def part_done(
        self,
        text_key: str,
        facts: Facts,
        *,
        plan: Plan,
        part: int,
        parts: int,
        attempts: int,
        contact: str | None,
        new_chat: bool,
        entry_id: str,
        nothing_shown: str | None = None,
    ) -> Known:
        """Note that part number `part` (from 0) of `parts` was accepted; the last one makes the text forwarded.

        `nothing_shown` makes it ignored instead, for that reason. Returns what the ledger knows then: where another
        worker got further in the meantime, that. A text whose very entry failed meanwhile stays failed until it is
        shown whole.
        """
        got_on: dict[str, Any] = {
            "plan": {"M": _serialised(plan)},
            "parts": {"N": str(parts)},
            "parts_done": {"N": str(part + 1)},
        }
        finished = part + 1 == parts
        outcome: Outcome = ("ignored" if nothing_shown else "forwarded") if finished else "pending"
        if contact:
            got_on["contact"] = {"S": contact}
        if new_chat:
            got_on["new_chat"] = {"BOOL": True}
        values = got_on | self._outcome(outcome, reason=nothing_shown, stage=self._stage)
        next_one = ("attribute_not_exists(parts_done)", "parts_done = :before")
        before = {":before": {"N": str(part)}}
        alive = "" if finished else " AND NOT failed_entry = :entry"
        known = self._update(
            text_key,
            facts,
            values,
            attempts=attempts,
            remove=(*_FAILED, "error") if "reason" in values else (*_FAILED, "error", "reason"),
            condition=" OR ".join(f"{one}{alive}" for one in next_one),
            condition_values=before if finished else before | {":entry": {"S": entry_id}},
        )
        if known is None and not finished:
            known = self._update(
                text_key,
                facts,
                got_on,
                attempts=attempts,
                condition=" OR ".join(next_one),
                condition_values=before,
            )
        known = known or self.read(text_key)
        if known is None:
            raise LedgerError("the ledger lost a text between two writes")
        return known

    def given_back(self, text_key: str, facts: Facts, error: BridgeError, *, attempts: int, entry_id: str) -> None:
        """Note that a text waits for its next try, and why.

        Not of an entry that failed meanwhile: a function that comes to its batch when it holds it no longer does not
        know that.
        """
        values = self._outcome("pending", reason=str(error), error=error.code, stage=self._stage)
        self._update(
            text_key,
            facts,
            values,
            attempts=attempts,
            add={":one": ("retries", 1)},
            remove=_FAILED,
            condition="NOT outcome IN (:forwarded, :ignored) AND NOT failed_entry = :entry",
            condition_values=_FINISHED | {":entry": {"S": entry_id}},
        )

    def failed(
        self,
        text_key: str,
        facts: Facts,
        error: BridgeError,
        *,
        stage: str,
        attempts: int = 0,
        entry_id: str | None = None,
    ) -> None:
        """Note that a text is in the failed queue, and why. A text that was shown stays shown.

        `entry_id` is that of the entry which it gave up, so that a redrive can tell this failure from the next. Why it
        failed last stays known when it has been redriven.
        """
        values = self._outcome("failed", reason=str(error), error=error.code, stage=stage)
        at = self._milliseconds()
        values |= {
            "failed_on": {"S": datetime.fromtimestamp(at / 1000, UTC).date().isoformat()},
            "failed_at": {"N": str(at)},
            "failed_entry": {"S": entry_id or text_key},
            "failed_stage": {"S": stage},
            "failed_error": {"S": error.code},
            "failed_reason": {"S": str(error)},
        }
        self._update(
            text_key,
            facts,
            values,
            attempts=attempts,
            add={":one": ("failures", 1)},
            condition="NOT outcome IN (:forwarded, :ignored)",
            condition_values=_FINISHED,
        )

    def ignored(self, text_key: str, facts: Facts, reason: str, *, stage: str) -> None:
        """Note that there was nothing to show."""
        values = self._outcome("ignored", reason=reason, stage=stage)
        self._update(text_key, facts, values, attempts=0, remove=_FAILED)

    def duplicate(self, text_key: str) -> None:
        """Note that a text came again and was not shown again."""
        at = {"duplicate_at": {"N": str(self._milliseconds())}}
        self._update(text_key, Facts(), at, attempts=0, add={":one": ("duplicates", 1)})

    def _outcome(
        self, outcome: Outcome, *, stage: str, reason: str | None = None, error: str | None = None
    ) -> dict[str, Any]:
        values: dict[str, Any] = {"outcome": {"S": outcome}, "stage": {"S": stage}}
        if reason:
            values["reason"] = {"S": reason}
        if error:
            values["error"] = {"S": error}
        if outcome != "pending":
            values["done_at"] = {"N": str(self._milliseconds())}
        return values

    def _update(
        self,
        text_key: str,
        facts: Facts,
        values: Mapping[str, Any],
        *,
        attempts: int,
        add: Mapping[str, tuple[str, int]] | None = None,
        remove: tuple[str, ...] = (),
        condition: str | None = None,
        condition_values: Mapping[str, Any] | None = None,
    ) -> Known | None:
        """None where the condition did not hold."""
        now = self._milliseconds()
        changed = dict(values) | _facts(facts)
        changed["updated_at"] = {"N": str(now)}
        changed["expires_at"] = {"N": str(now // 1000 + KEEP_SECONDS)}
        names = {f"#{name}": name for name in (*changed, *remove)}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        expression += ", first_seen_at = if_not_exists(first_seen_at, :now)"
        expression += " ADD attempts :attempts"
        expression += "".join(f", {name} {placeholder}" for placeholder, (name, _) in (add or {}).items())
        if remove:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        arguments: dict[str, Any] = {
            "TableName": self._table,
            "Key": {"text_key": {"S": text_key}},
            "UpdateExpression": expression,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {f":{name}": value for name, value in changed.items()}
            | {":now": {"N": str(now)}, ":attempts": {"N": str(attempts)}}
            | {placeholder: {"N": str(by)} for placeholder, (_, by) in (add or {}).items()}
            | dict(condition_values or {}),
            "ReturnValues": "ALL_NEW",
        }
        if condition:
            arguments["ConditionExpression"] = condition
        try:
            answer = self._client.update_item(**arguments)
        except TROUBLE as exc:
            if why(exc) == "ConditionalCheckFailedException":
                return None
            raise LedgerError(f"the ledger could not be written ({why(exc)})") from exc
        return _known(answer["Attributes"])

    def _milliseconds(self) -> int:
        return int(self._now() * 1000)


_FAILED = ("failed_on",)
"""Without it, a text is not in the index of what is failed."""
_FINISHED = {":forwarded": {"S": "forwarded"}, ":ignored": {"S": "ignored"}}


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in asdict(facts).items()
        if value is not None
    }


def _serialised(plan: Plan) -> dict[str, Any]:
    return {
        "limit": {"N": str(plan.limit)},
        "prefix": {"S": plan.prefix},
        "shown": {"BOOL": plan.shown},
        "ends_chat": {"BOOL": plan.ends_chat},
    }


def _known(item: Mapping[str, Any]) -> Known:
    plan = item.get("plan", {}).get("M")
    return Known(
        outcome=item.get("outcome", {}).get("S", "pending"),
        plan=Plan(
            limit=int(plan["limit"]["N"]),
            prefix=plan["prefix"]["S"],
            shown=plan["shown"]["BOOL"],
            ends_chat=plan["ends_chat"]["BOOL"],
        )
        if plan
        else None,
        parts_done=int(item.get("parts_done", {}).get("N", "0")),
        retries=int(item.get("retries", {}).get("N", "0")),
        contact=item.get("contact", {}).get("S"),
        new_chat=item.get("new_chat", {}).get("BOOL", False),
    )
