"""The forward function, from the event of Lambda to what it returns, logs and counts."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import logging
from bridge.config import Delivery
from bridge.errors import AccessRefusedError, UnavailableError
from bridge.texts.sms_event import conversation_id
from testing.builders import BUSINESS_NUMBER, CUSTOMER, DELIVERIES, payload, record, sqs_record
from testing.harness import ForwardHarness, IntakeHarness
from testing.metrics import counted
from testing.strategies import messages


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def test_forward_returns_no_failures_when_all_is_well_and_counts_what_it_did(delivery: Delivery) -> None:
    assert ForwardHarness(delivery).handle(sqs_record(), sqs_record()) == {"batchItemFailures": []}
    assert counted() == {"TextsForwarded": 2, "PartsForwarded": 2, "NewChats": 1}


def test_forward_returns_a_failing_text_with_its_followers_hidden_alike(
    delivery: Delivery,
) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("500")
    records = [sqs_record(group="a"), sqs_record(group="a"), sqs_record(group="a")]
    answer = harness.handle(*records)
    assert answer == {"batchItemFailures": [{"itemIdentifier": sqs["messageId"]} for sqs in records]}
    assert harness.queue.delays == [(sqs["receiptHandle"], 5) for sqs in records]
    assert counted() == {"Retries": 1}


def test_forward_answers_also_when_visibility_cannot_be_changed(delivery: Delivery) -> None:
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
    assert printed.count("text returned to its queue") >= 2 and printed.count("text failed") >= 3
    conversation = conversation_id(CUSTOMER, BUSINESS_NUMBER)
    for secret in (
        "secret",
        CUSTOMER[1:],
        BUSINESS_NUMBER[1:],
        "12125550199",
        conversation,
        "group-1",
        "participant/",
        "connection/",
    ):
        assert secret not in printed


@given(messages, st.sampled_from(DELIVERIES))
def test_any_text_notification_is_shown_or_fails_with_a_reason(message: str, delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    logging.metrics.clear_metrics()
    assert harness.handle(sqs_record(message)) == {"batchItemFailures": []}
    (recorded,) = harness.ledger.records().values()
    without_chat = delivery == "start-chat" and recorded.state.split and recorded.state.split.ends_chat
    assert recorded.state.outcome in (("ignored",) if without_chat else ("forwarded", "failed"))
    if recorded.state.outcome == "ignored":
        assert recorded.reason and not harness.dead_letters.messages
        return
    assert (recorded.state.outcome == "failed") == (len(harness.dead_letters.messages) == 1) == bool(recorded.reason)
    assert recorded.error != "UnexpectedError"
    for content in harness.connect.tried:
        assert 1 <= len(content.encode("utf-16-le")) // 2 <= 1024
    for name, _ in harness.connect.sessions:
        assert 1 <= len(name) <= 256


@given(st.text(), st.sampled_from(DELIVERIES))
def test_any_other_body_in_the_queue_fails_with_a_reason(body: str, delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    logging.metrics.clear_metrics()
    harness.handle(sqs_record(body=body))
    assert len(harness.dead_letters.messages) == 1 and harness.dead_letters.messages[0].body == body
