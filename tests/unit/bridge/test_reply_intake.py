"""The reply-intake function: what it queues, ignores and fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import logging
from bridge.errors import (
    MalformedNotificationError,
    QueueError,
)
from bridge.processing.state import MessageMetadata
from testing.builders import record
from testing.chat_events import CHAT, chat_record, ended, event, item
from testing.clock import NOON
from testing.harness import IntakeHarness
from testing.metrics import counted
from testing.strategies import items, json_values


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def test_intake_puts_replies_and_the_end_of_a_chat_untouched_on_their_chat() -> None:
    harness = IntakeHarness("reply")
    hi, over = (
        chat_record(item("hi", Id="one", ContactId="after-a-transfer")),
        chat_record(ended(Id="two"), visibility=None),
    )
    harness.handle(hi)
    harness.handle(over)
    assert [(group, key) for _, group, key in harness.queue.sent] == [(CHAT, "one"), (CHAT, "two")]
    assert [json.loads(body) for body, _, _ in harness.queue.sent] == [hi, over]
    assert counted() == {"RepliesReceived": 2}


def test_intake_queues_a_reply_also_when_its_receipt_cannot_be_recorded() -> None:
    harness = IntakeHarness("reply")
    harness.ledger.broken["record_receipt"] = 1
    for key in ("one", "two"):
        harness.handle(chat_record(item("hi", Id=key, AbsoluteTime="2026-11-22T12:00:00.000Z"), MessageId=f"sns-{key}"))
    harness.handle(chat_record(ended(Id="three"), visibility=None))
    assert len(harness.queue.sent) == 3 and counted() == {"RepliesReceived": 3, "NotesMissed": 1}
    assert harness.ledger.records().keys() == {"reply-two"}
    recorded = harness.ledger.record("reply-two")
    assert (recorded.state.outcome, recorded.received_at) == ("pending", NOON.timestamp())
    assert recorded.metadata == MessageMetadata(
        conversation=CHAT, sns_message_id="sns-two", sent_at="2026-11-22T12:00:00.000+00:00"
    )


def test_intake_queues_the_records_of_an_event_in_the_order_of_their_time() -> None:
    harness = IntakeHarness("reply")
    times = ["2026-11-22T12:00:02.000Z", "2026-11-22T12:00:00.000Z", "2026-11-22T12:00:00.000Z"]
    harness.handle(*(chat_record(item("hi", AbsoluteTime=time, Id=f"{n}")) for n, time in enumerate(times)))
    assert [key for _, _, key in harness.queue.sent] == ["1", "2", "0"]


def test_intake_drops_and_counts_what_is_not_for_the_phone() -> None:
    harness = IntakeHarness("reply")
    harness.handle(chat_record(item("me", ParticipantRole="CUSTOMER")), chat_record(event("participant.left")))
    assert harness.queue.sent == [] and harness.dead_letters.messages == []
    assert counted() == {"RepliesReceived": 2, "RepliesIgnored": 2}


def test_intake_dead_letters_a_malformed_reply_with_its_reason_in_the_ledger() -> None:
    harness, came = IntakeHarness("reply"), chat_record(item(InitialContactId=...), MessageId="sns-1")
    harness.handle(came)
    (dead,) = harness.dead_letters.messages
    assert json.loads(dead.body) == came
    assert (harness.ledger.outcome("reply-sns-1"), harness.ledger.record("reply-sns-1").reason) == (
        "failed",
        str(dead.error),
    )
    assert counted() == {"RepliesReceived": 1, "RepliesFailed": 1, "FailedMalformedNotificationError": 1}


def test_intake_fails_a_message_that_does_not_say_who_may_see_it() -> None:
    """The subscription's filter passes it, so that it is not lost."""
    harness, came = IntakeHarness("reply"), chat_record(item("hi"), visibility=None, MessageId="sns-1")
    harness.handle(came)
    (dead,) = harness.dead_letters.messages
    reason = "MessageVisibility is missing, so it cannot be told whether the customer may see it"
    assert (json.loads(dead.body), str(dead.error), harness.queue.sent) == (came, reason, [])
    assert (harness.ledger.outcome("reply-sns-1"), harness.ledger.record("reply-sns-1").reason) == ("failed", reason)


@pytest.mark.parametrize(
    ("of", "visibility"),
    [
        (item("me", ParticipantRole="CUSTOMER"), None),
        (item("for the supervisor", ParticipantRole="AGENT"), "AGENT"),
        (event("typing"), None),
        (event("message.read", ParticipantRole="CUSTOMER"), None),
    ],
)
def test_intake_fails_nothing_that_is_not_for_the_phone(of: dict[str, Any], visibility: str | None) -> None:
    harness = IntakeHarness("reply")
    harness.handle(chat_record(of, visibility=visibility))
    assert (harness.dead_letters.messages, harness.queue.sent, counted()["RepliesIgnored"]) == ([], [], 1)


def test_intake_takes_all_other_records_before_it_raises_an_error() -> None:
    harness = IntakeHarness("reply")
    harness.queue.broken = 1
    with pytest.raises(QueueError):
        harness.handle(chat_record(), chat_record())
    assert len(harness.queue.sent) == 1
    with pytest.raises(MalformedNotificationError):
        harness.handle({"eventSource": "aws:s3"}, chat_record())
    assert len(harness.queue.sent) == 2


@pytest.mark.parametrize("made", [{}, {"Records": []}, {"Records": "text"}])
def test_an_event_that_is_not_from_sns_raises_so_lambda_keeps_it(made: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotificationError):
        IntakeHarness("reply").intake.handle(made)


@settings(deadline=None)
@given(message=st.text() | json_values.map(json.dumps) | items.map(json.dumps), said=json_values)
def test_any_reply_notification_ends_in_exactly_one_place(message: str, said: object) -> None:
    logging.metrics.clear_metrics()
    harness = IntakeHarness("reply")
    harness.handle(record(message, MessageAttributes=said))
    ignored = counted().get("RepliesIgnored", 0)
    assert len(harness.queue.sent) + len(harness.dead_letters.messages) + ignored == 1
