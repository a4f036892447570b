"""Both functions, from the event that Lambda hands in to what they return, log and count."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import logging
from bridge.config import Delivery, ForwardSettings, IntakeSettings
from bridge.errors import AccessRefusedError, LedgerError, MalformedNotificationError, QueueError, UnavailableError
from bridge.processing.state import MessageMetadata
from bridge.texts.sms_event import conversation_id
from testing.builders import CUSTOMER, DELIVERIES, OURS, payload, record, sqs_record
from testing.clock import NOON
from testing.harness import ForwardHarness, IntakeHarness
from testing.metrics import counted
from testing.strategies import json_values


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def test_intake_puts_a_notification_untouched_on_its_conversation() -> None:
    harness, came = IntakeHarness(), record(payload("hi", inboundMessageId="one", unknown={"a": 1}))
    harness.handle(came)
    ((body, conversation, text_key),) = harness.queue.sent
    assert json.loads(body) == came
    assert text_key == "one"
    assert conversation == conversation_id(CUSTOMER, OURS)
    assert harness.dead_letters.messages == []
    assert counted() == {"TextsReceived": 1}


def test_intake_notes_a_text_as_soon_as_it_is_queued() -> None:
    harness, came = IntakeHarness(), record(payload("hi", inboundMessageId="one"), MessageId="sns-1")
    harness.handle(came)
    noted = harness.ledger.record("one")
    assert (noted.state.outcome, noted.received_at, noted.attempts) == ("pending", NOON.timestamp(), 0)
    conversation = conversation_id(CUSTOMER, OURS)
    assert noted.metadata == MessageMetadata(
        conversation=conversation, business_number=OURS, sns_message_id="sns-1", sent_at="2026-11-22T12:00:00.000+00:00"
    )


def test_intake_takes_a_text_also_when_it_cannot_be_noted_and_counts_it() -> None:
    harness = IntakeHarness()
    harness.ledger.broken["record_receipt"] = 1
    harness.handle(record(payload("hi")))
    assert len(harness.queue.sent) == 1 and harness.ledger.records() == {}
    assert counted() == {"TextsReceived": 1, "NotesMissed": 1}


def test_a_text_that_could_not_be_queued_is_not_noted_as_received() -> None:
    harness = IntakeHarness()
    harness.queue.broken = 1
    with pytest.raises(QueueError):
        harness.handle(record(payload("hi")))
    assert harness.ledger.records() == {}


def test_intake_puts_what_is_malformed_untouched_into_failed_with_the_same_reason_in_the_ledger() -> None:
    harness, came = IntakeHarness(), record("no JSON", MessageId="sns-1")
    harness.handle(came)
    (dead,) = harness.dead_letters.messages
    assert json.loads(dead.body) == came
    assert harness.ledger.record("sns-1").outcome == "failed"
    assert harness.ledger.record("sns-1").reason == str(dead.error)
    assert harness.queue.sent == []


def test_intake_notes_a_topic_validation_notice_and_is_done() -> None:
    harness = IntakeHarness()
    harness.handle(record("Successfully validated SNS topic for Amazon Pinpoint", MessageId="sns-1"))
    assert harness.ledger.record("sns-1").outcome == "ignored"
    assert harness.queue.sent == [] and harness.dead_letters.messages == []


def test_intake_takes_the_other_records_before_it_says_that_one_could_not_be_taken() -> None:
    harness = IntakeHarness()
    harness.queue.broken = 1
    with pytest.raises(QueueError):
        harness.handle(record(payload("a")), record(payload("b")))
    assert len(harness.queue.sent) == 1


def test_intake_says_when_failed_or_the_ledger_could_not_take_a_malformed_one() -> None:
    harness = IntakeHarness()
    harness.dead_letters.broken = 1
    with pytest.raises(QueueError):
        harness.handle(record("no JSON"))
    harness.ledger.broken["record_failure"] = 1
    with pytest.raises(LedgerError):
        harness.handle(record("no JSON"))


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": "text"}, {"Records": [{"eventSource": "aws:s3"}]}])
def test_an_event_that_is_not_from_sns_is_refused_so_that_lambda_keeps_it_on_undelivered(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotificationError):
        IntakeHarness().intake.handle(event)


def test_forward_returns_no_failures_when_all_is_well_and_counts_what_it_did(delivery: Delivery) -> None:
    assert ForwardHarness(delivery).handle(sqs_record(), sqs_record()) == {"batchItemFailures": []}
    assert counted() == {"TextsForwarded": 2, "PartsForwarded": 2, "NewChats": 1}


def test_forward_returns_the_failed_text_and_every_follower_of_its_group_hidden_for_the_same_time(
    delivery: Delivery,
) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("500")
    records = [sqs_record(group="a"), sqs_record(group="a"), sqs_record(group="a")]
    answer = harness.handle(*records)
    assert answer == {"batchItemFailures": [{"itemIdentifier": sqs["messageId"]} for sqs in records]}
    assert harness.queue.delays == [(sqs["receiptHandle"], 5) for sqs in records]
    assert counted() == {"Retries": 1}


def test_forward_answers_all_the_same_when_texts_cannot_be_hidden(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always, harness.queue.broken = AccessRefusedError("403"), 1
    assert len(harness.handle(sqs_record())["batchItemFailures"]) == 1
    assert counted() == {"Blocked": 1}


def test_forward_counts_texts_that_had_arrived_out_of_order(delivery: Delivery) -> None:
    ForwardHarness(delivery).handle(
        sqs_record(sent_at="2026-11-22T12:00:01.000Z"),
        sqs_record(sent_at="2026-11-22T12:00:00.000Z"),
    )
    assert counted()["ArrivedOutOfOrder"] == 1


def test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logging.logger.registered_handler, "stream", log)
    answers = [
        UnavailableError("500"),
        AccessRefusedError("403"),
        KeyError(f"secret words {CUSTOMER}"),
    ]
    logging.logger.setLevel("DEBUG")
    for answer in answers:
        ForwardHarness(delivery, answers=[answer]).handle(
            sqs_record(payload("secret words")),
            sqs_record(payload("secret words")),
        )
    ForwardHarness(delivery).handle(sqs_record(payload("secret words", destinationNumber="+12125550199")))
    harness = IntakeHarness()
    harness.handle(record(payload(7, originationNumber=CUSTOMER)), record(f"secret words {CUSTOMER}"))
    printed = log.getvalue() + json.dumps(logging.metrics.serialize_metric_set())
    assert printed.count("text given back") >= 2 and printed.count("text failed") >= 3
    conversation = conversation_id(CUSTOMER, OURS)
    for secret in (
        "secret",
        CUSTOMER[1:],
        OURS[1:],
        "12125550199",
        conversation,
        "group-1",
        "participant/",
        "connection/",
    ):
        assert secret not in printed


def test_settings_are_read_by_name_and_a_missing_one_is_named() -> None:
    environment = {"CONVERSATIONS_QUEUE_URL": "a", "FAILED_QUEUE_URL": "b", "LEDGER_TABLE": "c", "OTHER": "d"}
    assert ForwardSettings.from_environment(environment).ledger_table == "c"
    with pytest.raises(KeyError, match="FAILED_QUEUE_URL"):
        IntakeSettings.from_environment({"CONVERSATIONS_QUEUE_URL": "a"})


field_names = ["originationNumber", "destinationNumber", "messageKeyword", "messageBody", "inboundMessageId"]
field_values = json_values | st.sampled_from([CUSTOMER, OURS, "STOP", "x" * 3000, "\ud800"])
messages = st.one_of(
    st.text(),
    json_values.map(json.dumps),
    st.dictionaries(st.sampled_from([*field_names, "previousPublishedMessageId"]), field_values).map(json.dumps),
    st.fixed_dictionaries(
        {"originationNumber": st.just(CUSTOMER), "destinationNumber": st.just(OURS)},
        optional=dict.fromkeys(field_names[2:], field_values),
    ).map(json.dumps),
)


@given(messages)
def test_whatever_the_notification_says_intake_takes_it_and_it_ends_in_one_place(message: str) -> None:
    harness = IntakeHarness()
    logging.metrics.clear_metrics()
    harness.handle(record(message, MessageId="sns-1"))
    (noted,) = (noted.state.outcome for noted in harness.ledger.records().values())
    places = [(len(harness.queue.sent), len(harness.dead_letters.messages), noted)]
    assert places in ([(1, 0, "pending")], [(0, 1, "failed")], [(0, 0, "ignored")])
    assert all(body.isascii() for body, _, _ in harness.queue.sent)


@given(messages, st.sampled_from(DELIVERIES))
def test_whatever_the_notification_says_forward_shows_it_or_fails_it_with_a_reason(
    message: str, delivery: Delivery
) -> None:
    harness = ForwardHarness(delivery)
    logging.metrics.clear_metrics()
    assert harness.handle(sqs_record(message)) == {"batchItemFailures": []}
    (noted,) = harness.ledger.records().values()
    assert noted.state.outcome in ("forwarded", "failed")
    assert (noted.state.outcome == "failed") == (len(harness.dead_letters.messages) == 1) == bool(noted.reason)
    assert noted.error != "UnexpectedError"
    for content in harness.connect.tried:
        assert 1 <= len(content.encode("utf-16-le")) // 2 <= 1024
    for name, _ in harness.connect.sessions:
        assert 1 <= len(name) <= 256


@given(st.text(), st.sampled_from(DELIVERIES))
def test_whatever_stands_in_the_queue_forward_fails_it_with_a_reason(body: str, delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    logging.metrics.clear_metrics()
    harness.handle(sqs_record(body=body))
    assert len(harness.dead_letters.messages) == 1 and harness.dead_letters.messages[0].body == body
