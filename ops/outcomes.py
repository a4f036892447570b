"""What became of notifications: from what the ledger and the undelivered queue say. No AWS here."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Outcome = Literal["forwarded", "failed", "ignored", "duplicate", "undelivered", "waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A notification on its way. `message_id` is what SNS calls it, `at` when it was sent (epoch seconds)."""

    file: str
    inbound_message_id: str | None
    text_key: str
    message_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the ledger says of one text. `done_at` in epoch milliseconds; unset while it is on its way."""

    outcome: str
    sns_message_id: str | None
    reason: str | None
    contact: str | None
    new_chat: bool
    parts: int | None
    sent_at: str | None
    done_at: int | None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Entry:
        """From a DynamoDB item; raises KeyError or ValueError where a value has another type than the ledger's."""
        parts, done_at = item.get("parts"), item.get("done_at")
        return cls(
            outcome=item["outcome"]["S"] if "outcome" in item else "pending",
            sns_message_id=item["sns_message_id"]["S"] if "sns_message_id" in item else None,
            reason=item["reason"]["S"] if "reason" in item else None,
            contact=item["contact"]["S"] if "contact" in item else None,
            new_chat=bool(item["new_chat"]["BOOL"]) if "new_chat" in item else False,
            parts=int(parts["N"]) if parts else None,
            sent_at=item["sent_at"]["S"] if "sent_at" in item else None,
            done_at=int(done_at["N"]) if done_at else None,
        )

    @property
    def done(self) -> bool:
        return self.outcome != "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one notification; `ms` from publishing to the outcome."""

    file: str
    inbound_message_id: str | None
    text_key: str
    message_id: str
    outcome: Outcome
    reason: str | None = None
    initial_contact_id: str | None = None
    new_chat: bool = False
    parts: int | None = None
    ms: int | None = None

    def as_json(self) -> str:
        return json.dumps(
            {
                "file": self.file,
                "inboundMessageId": self.inbound_message_id,
                "outcome": self.outcome,
                "reason": self.reason,
                "initialContactId": self.initial_contact_id,
                "newChat": self.new_chat,
                "parts": self.parts,
                "ms": self.ms,
            },
            ensure_ascii=False,
        )


def decide(
    sent: Iterable[Sent],
    *,
    entries: Mapping[str, Entry],
    before: Mapping[str, Entry],
    undelivered: Mapping[str, str],
    settled: bool,
    direct: bool = False,
) -> list[Result]:
    """One result for each notification, in order; `waiting` where none is known yet.

    entries: the ledger by text key, now; before: as it was when the replay began; undelivered: reasons by MessageId.
    settled: enough time has passed for a text that was done before to have been done again.
    direct: handed to intake with the MessageIds and Timestamps of the file.
    """
    sent = list(sent)
    sharing: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(sent):
        sharing[one.text_key].append(index)
    results: dict[int, Result] = {}
    for text_key, indexes in sharing.items():
        entry, earlier = entries.get(text_key), before.get(text_key)
        again = entry is not None and (earlier is None or entry.done_at != earlier.done_at)
        # of those that share a text key the ledger knows one; the others met it
        owner = next((i for i in indexes if entry and again and sent[i].message_id == entry.sns_message_id), None)
        for index in indexes:
            # The ledger first: of an event with two records, the one that was taken is on undelivered, too.
            owned = _owned(sent[index], entry, direct) if entry and index == owner else None
            results[index] = (
                (owned if owned and owned.outcome != "waiting" else None)
                or _undelivered(sent[index], undelivered)
                or owned
                or _met(sent[index], entry, again=again, settled=settled)
            )
    return [results[index] for index in range(len(sent))]


def undelivered_reasons(body: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """MessageIds in an entry of the undelivered queue, of either shape, with why they are there."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    payload = _at(content, "requestPayload")
    if payload is not None:
        answer = _at(content, "responsePayload")
        why = _at(answer, "errorMessage") or _at(answer, "errorType") or _at(content, "requestContext", "condition")
        records = _at(payload, "Records")
        ids = [_at(record, "Sns", "MessageId") for record in records] if isinstance(records, list) else []
        reason = f"intake could not take it: {why or 'no reason given'}"
    else:
        ids = [_at(content, "MessageId")]
        why = attributes.get("ErrorMessage") or attributes.get("ErrorCode")
        reason = f"SNS could not hand it to intake: {why or 'no reason given'}"
    return {message_id: reason for message_id in ids if isinstance(message_id, str)}


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _undelivered(one: Sent, undelivered: Mapping[str, str]) -> Result | None:
    reason = undelivered.get(one.message_id)
    return _result(one, "undelivered", reason) if reason else None


def _owned(one: Sent, entry: Entry, direct: bool) -> Result:
    outcome: Outcome = "waiting"
    match entry.outcome:
        case "forwarded" | "failed" | "ignored":
            outcome = entry.outcome
    return Result(
        file=one.file,
        inbound_message_id=one.inbound_message_id,
        text_key=one.text_key,
        message_id=one.message_id,
        outcome=outcome,
        reason=entry.reason,
        initial_contact_id=entry.contact,
        new_chat=entry.new_chat,
        parts=entry.parts,
        ms=_milliseconds(one, entry, direct) if entry.done else None,
    )


def _met(one: Sent, entry: Entry | None, *, again: bool, settled: bool) -> Result:
    """Of a notification that is not the one the ledger knows under its text key."""
    if entry is None:
        return _result(one, "waiting", "the ledger does not know it yet")
    # what was shown before is not shown again, and nothing is written; what failed before may yet be tried again
    if entry.done and (again or settled or entry.outcome == "forwarded"):
        return _result(one, "duplicate", f"the same inboundMessageId was {entry.outcome} before")
    return _result(one, "waiting", entry.reason or "the same inboundMessageId came before")


def _result(one: Sent, outcome: Outcome, reason: str) -> Result:
    return Result(
        file=one.file,
        inbound_message_id=one.inbound_message_id,
        text_key=one.text_key,
        message_id=one.message_id,
        outcome=outcome,
        reason=reason,
    )


def _milliseconds(one: Sent, entry: Entry, direct: bool) -> int | None:
    if entry.done_at is None:
        return None
    start = one.at
    if entry.sent_at and not direct:  # by AWS's clock, as done_at is
        start = datetime.fromisoformat(entry.sent_at).timestamp()
    return max(0, round(entry.done_at - start * 1000))
