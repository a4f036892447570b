"""The intake function, from the event of Lambda to queue, dead-letter queue, ledger and metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from bridge import logging
from bridge.errors import LedgerError, MalformedNotificationError, QueueError
from bridge.processing.state import MessageMetadata
from bridge.texts.sms_event import conversation_id
from testing.builders import BUSINESS_NUMBER, CUSTOMER, payload, record
from testing.clock import NOON
from testing.harness import IntakeHarness
from testing.metrics import counted
from testing.strategies import messages


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def test_intake_puts_a_notification_untouched_on_its_conversation() -> None:
    harness, came = IntakeHarness(), record(payload("hi", inboundMessageId="one", unknown={"a": 1}))
    harness.handle(came)
    ((body, conversation, text_key),) = harness.queue.sent
    assert json.loads(body) == came
    assert text_key == "one"
    assert conversation == conversation_id(CUSTOMER, BUSINESS_NUMBER)
    assert harness.dead_letters.messages == []
    assert counted() == {"TextsReceived": 1}


def test_intake_records_the_receipt_of_a_queued_text() -> None:
    harness, came = IntakeHarness(), record(payload("hi", inboundMessageId="one"), MessageId="sns-1")
    harness.handle(came)
    recorded = harness.ledger.record("one")
    assert (recorded.state.outcome, recorded.received_at, recorded.attempts) == ("pending", NOON.timestamp(), 0)
    conversation = conversation_id(CUSTOMER, BUSINESS_NUMBER)
    assert recorded.metadata == MessageMetadata(
        conversation=conversation,
        business_number=BUSINESS_NUMBER,
        sns_message_id="sns-1",
        sent_at="2026-11-22T12:00:00.000+00:00",
    )


def test_intake_queues_a_text_also_when_its_receipt_cannot_be_recorded() -> None:
    harness = IntakeHarness()
    harness.ledger.broken["record_receipt"] = 1
    harness.handle(record(payload("hi")))
    assert len(harness.queue.sent) == 1 and harness.ledger.records() == {}
    assert counted() == {"TextsReceived": 1, "NotesMissed": 1}


def test_a_text_that_could_not_be_queued_has_no_receipt() -> None:
    harness = IntakeHarness()
    harness.queue.broken = 1
    with pytest.raises(QueueError):
        harness.handle(record(payload("hi")))
    assert harness.ledger.records() == {}


def test_intake_dead_letters_a_malformed_text_with_its_reason_in_the_ledger() -> None:
    harness, came = IntakeHarness(), record("no JSON", MessageId="sns-1")
    harness.handle(came)
    (dead,) = harness.dead_letters.messages
    assert json.loads(dead.body) == came
    assert harness.ledger.record("sns-1").outcome == "failed"
    assert harness.ledger.record("sns-1").reason == str(dead.error)
    assert harness.queue.sent == []


def test_intake_ignores_a_topic_validation_notice() -> None:
    harness = IntakeHarness()
    harness.handle(record("Successfully validated SNS topic for Amazon Pinpoint", MessageId="sns-1"))
    assert harness.ledger.record("sns-1").outcome == "ignored"
    assert harness.queue.sent == [] and harness.dead_letters.messages == []


def test_intake_takes_all_other_records_before_it_raises_an_error() -> None:
    harness = IntakeHarness()
    harness.queue.broken = 1
    with pytest.raises(QueueError):
        harness.handle(record(payload("a")), record(payload("b")))
    assert len(harness.queue.sent) == 1


def test_intake_raises_when_a_malformed_text_cannot_be_failed_or_recorded() -> None:
    harness = IntakeHarness()
    harness.dead_letters.broken = 1
    with pytest.raises(QueueError):
        harness.handle(record("no JSON"))
    harness.ledger.broken["record_failure"] = 1
    with pytest.raises(LedgerError):
        harness.handle(record("no JSON"))


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": "text"}, {"Records": [{"eventSource": "aws:s3"}]}])
def test_an_event_that_is_not_from_sns_raises_so_lambda_keeps_it(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotificationError):
        IntakeHarness().intake.handle(event)


@given(messages)
def test_any_text_notification_ends_in_exactly_one_place(message: str) -> None:
    harness = IntakeHarness()
    logging.metrics.clear_metrics()
    harness.handle(record(message, MessageId="sns-1"))
    (recorded,) = (recorded.state.outcome for recorded in harness.ledger.records().values())
    places = [(len(harness.queue.sent), len(harness.dead_letters.messages), recorded)]
    assert places in ([(1, 0, "pending")], [(0, 1, "failed")], [(0, 0, "ignored")])
    assert all(body.isascii() for body, _, _ in harness.queue.sent)
