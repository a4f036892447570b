"""What became of replayed notifications, decided from the ledger and the undelivered queue. No AWS here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bridge.processing.notification import json_or_none
from ops.ledger import LedgerRecord

Outcome = Literal["forwarded", "failed", "ignored", "duplicate", "undelivered", "waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A notification that was published, or handed to intake.

    Parameters:
        message_id: SNS's MessageId.
        at: when it was sent, in seconds since the epoch.
    """

    file: str
    inbound_message_id: str | None
    text_key: str
    message_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one notification; `ms` are the milliseconds from publishing to the outcome."""

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

    def row(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {
            "file": self.file,
            "inboundMessageId": self.inbound_message_id,
            "outcome": self.outcome,
            "reason": self.reason,
            "initialContactId": self.initial_contact_id,
            "newChat": self.new_chat,
            "parts": self.parts,
            "ms": self.ms,
        }


def decide(
    sent: Iterable[Sent],
    *,
    records: Mapping[str, LedgerRecord],
    before: Mapping[str, LedgerRecord],
    undelivered: Mapping[str, str],
    settled: bool,
    direct: bool = False,
) -> list[Result]:
    """One result for each notification, in their order; `waiting` if none is known yet.

    Parameters:
        records: the ledger now, by text key.
        before: the ledger when the replay began.
        undelivered: reasons by MessageId.
        settled: whether a text that was done before has had time to be done again.
        direct: handed to intake with the MessageIds and Timestamps of the file.
    """
    sent = list(sent)
    sharing: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(sent):
        sharing[one.text_key].append(index)
    results: dict[int, Result] = {}
    for text_key, indexes in sharing.items():
        record, earlier = records.get(text_key), before.get(text_key)
        again = record is not None and (earlier is None or record.done_at != earlier.done_at)
        # of several with one text key, the ledger has the MessageId of one; the others are duplicates
        owner = next((i for i in indexes if record and again and sent[i].message_id == record.sns_message_id), None)
        for index in indexes:
            # The ledger first: an event of two records goes to undelivered whole, even if intake took one of them.
            owned = _from_record(sent[index], record, direct) if record and index == owner else None
            results[index] = (
                (owned if owned and owned.outcome != "waiting" else None)
                or _undelivered(sent[index], undelivered)
                or owned
                or _duplicate(sent[index], record, again=again, settled=settled)
            )
    return [results[index] for index in range(len(sent))]


def undelivered_reasons(body: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """The MessageIds in a message of the undelivered queue, of either shape, each with the reason why it is there."""
    content = json_or_none(body)
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


def _from_record(one: Sent, record: LedgerRecord, direct: bool) -> Result:
    outcome: Outcome = "waiting"
    match record.outcome:
        case "forwarded" | "failed" | "ignored":
            outcome = record.outcome
    return _result(
        one,
        outcome,
        record.reason,
        initial_contact_id=record.contact,
        new_chat=record.new_chat,
        parts=record.parts or None,
        ms=None if record.outcome == "pending" else _milliseconds(one, record, direct),
    )


def _duplicate(one: Sent, record: LedgerRecord | None, *, again: bool, settled: bool) -> Result:
    """The result of a notification that is not the one that the ledger has under its text key."""
    if record is None:
        return _result(one, "waiting", "the ledger does not know it yet")
    # a text that was shown is not shown again and its record does not change; one that failed may be tried again
    if record.outcome != "pending" and (again or settled or record.outcome == "forwarded"):
        return _result(one, "duplicate", f"the same inboundMessageId was {record.outcome} before")
    return _result(one, "waiting", record.reason or "the same inboundMessageId came before")


def _result(one: Sent, outcome: Outcome, reason: str | None, **more: Any) -> Result:
    return Result(
        file=one.file,
        inbound_message_id=one.inbound_message_id,
        text_key=one.text_key,
        message_id=one.message_id,
        outcome=outcome,
        reason=reason,
        **more,
    )


def _milliseconds(one: Sent, record: LedgerRecord, direct: bool) -> int | None:
    if record.done_at is None:
        return None
    start = one.at
    if record.sent_at and not direct:  # AWS's clock, as done_at
        start = record.sent_at.timestamp()
    return max(0, round((record.done_at.timestamp() - start) * 1000))
