"""Both functions, from the event that Lambda hands in to what they return, log and count."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import reporting
from bridge.errors import AccessRefusedError, LedgerError, MalformedNotificationError, QueueError, UnavailableError
from bridge.forward import forward
from bridge.intake import Intake, intake
from bridge.known import Facts
from bridge.notification import Notification
from bridge.settings import ForwardSettings, IntakeSettings
from tests.unit.fakes import CUSTOMER, NOON, OURS, FakeFailed, FakeLedger, payload, record, sqs_record
from tests.unit.stages import DELIVERIES, Delivery, Stage


class FakeQueue:
    def __init__(self) -> None:
        self.texts: list[tuple[str, str, str]] = []
        self.hidden: list[tuple[str, int]] = []
        self.broken = 0

    def put(self, body: str, *, conversation: str, text_key: str) -> None:
        self._maybe()
        self.texts.append((body, conversation, text_key))

    def hide(self, waits: list[tuple[str, int]]) -> None:
        self._maybe()
        self.hidden += waits

    def _maybe(self) -> None:
        if self.broken > 0:
            self.broken -= 1
            raise QueueError("the queue is broken")


class Desk:
    """An Intake among fakes."""

    def __init__(self) -> None:
        self.queue, self.failed, self.ledger = FakeQueue(), FakeFailed(), FakeLedger()
        self.intake = Intake(
            conversations=self.queue,  # type: ignore[arg-type]
            failed=self.failed,  # type: ignore[arg-type]
            ledger=self.ledger,  # type: ignore[arg-type]
            notes=self.ledger,  # type: ignore[arg-type]
            now=NOON.timestamp,
        )

    def take(self, *records: dict[str, Any]) -> None:
        intake({"Records": list(records)}, taker=self.intake)


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    reporting.metrics.clear_metrics()


def counted() -> dict[str, float]:
    metrics = reporting.metrics.metric_set.items()
    return {name: sum(metric["Value"]) for name, metric in metrics if metric["Unit"] == "Count"}


def measured(name: str) -> list[float]:
    values: list[float] = reporting.metrics.metric_set[name]["Value"]
    return values


def test_intake_puts_a_notification_untouched_on_its_conversation() -> None:
    desk, came = Desk(), record(payload("hi", inboundMessageId="one", unknown={"a": 1}))
    desk.take(came)
    ((body, conversation, text_key),) = desk.queue.texts
    assert json.loads(body) == came
    assert text_key == "one"
    assert conversation == Notification.from_record(came).inbound_sms().conversation
    assert desk.failed.entries == []
    assert counted() == {"TextsReceived": 1}


def test_intake_notes_a_text_as_soon_as_it_is_queued() -> None:
    desk, came = Desk(), record(payload("hi", inboundMessageId="one"), MessageId="sns-1")
    desk.take(came)
    noted = desk.ledger.texts["one"]
    assert (noted.known.outcome, noted.received_at, noted.attempts) == ("pending", NOON.timestamp(), 0)
    conversation = Notification.from_record(came).inbound_sms().conversation
    assert noted.facts == Facts(
        conversation=conversation, ours=OURS, sns_message_id="sns-1", sent_at="2026-11-22T12:00:00.000+00:00"
    )


def test_intake_takes_a_text_also_when_it_cannot_be_noted_and_counts_it() -> None:
    desk = Desk()
    desk.ledger.broken["received"] = 1
    desk.take(record(payload("hi")))
    assert len(desk.queue.texts) == 1 and desk.ledger.texts == {}
    assert counted() == {"TextsReceived": 1, "NotesMissed": 1}


def test_a_text_that_could_not_be_queued_is_not_noted_as_received() -> None:
    desk = Desk()
    desk.queue.broken = 1
    with pytest.raises(QueueError):
        desk.take(record(payload("hi")))
    assert desk.ledger.texts == {}


def test_intake_puts_what_is_malformed_untouched_into_failed_with_the_same_reason_in_the_ledger() -> None:
    desk, came = Desk(), record("no JSON", MessageId="sns-1")
    desk.take(came)
    (dead,) = desk.failed.entries
    assert json.loads(dead.body) == came
    assert desk.ledger.outcome("sns-1") == "failed"
    assert desk.ledger.texts["sns-1"].reason == str(dead.error)
    assert desk.queue.texts == []


def test_intake_notes_a_topic_validation_notice_and_is_done() -> None:
    desk = Desk()
    desk.take(record("Successfully validated SNS topic for Amazon Pinpoint", MessageId="sns-1"))
    assert desk.ledger.outcome("sns-1") == "ignored"
    assert desk.queue.texts == [] and desk.failed.entries == []


def test_intake_takes_the_other_records_before_it_says_that_one_could_not_be_taken() -> None:
    desk = Desk()
    desk.queue.broken = 1
    with pytest.raises(QueueError):
        desk.take(record(payload("a")), record(payload("b")))
    assert len(desk.queue.texts) == 1


def test_intake_says_when_failed_or_the_ledger_could_not_take_a_malformed_one() -> None:
    desk = Desk()
    desk.failed.broken = 1
    with pytest.raises(QueueError):
        desk.take(record("no JSON"))
    desk.ledger.broken["failed"] = 1
    with pytest.raises(LedgerError):
        desk.take(record("no JSON"))


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": "text"}, {"Records": [{"eventSource": "aws:s3"}]}])
def test_an_event_that_is_not_from_sns_is_refused_so_that_lambda_keeps_it_on_undelivered(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotificationError):
        intake(event, taker=Desk().intake)


def run(stage: Stage, *records: dict[str, Any], queue: FakeQueue | None = None) -> dict[str, Any]:
    return forward({"Records": list(records)}, courier=stage.courier, queue=queue or FakeQueue())  # type: ignore[arg-type]


def test_forward_returns_no_failures_when_all_is_well_and_counts_what_it_did(delivery: Delivery) -> None:
    assert run(Stage(delivery), sqs_record(), sqs_record()) == {"batchItemFailures": []}
    assert counted() == {"TextsForwarded": 2, "PartsForwarded": 2, "NewChats": 1}


def test_forward_returns_the_failed_text_and_every_follower_of_its_group_hidden_for_the_same_time(
    delivery: Delivery,
) -> None:
    stage, queue = Stage(delivery), FakeQueue()
    stage.connect.always = UnavailableError("500")
    records = [sqs_record(group="a"), sqs_record(group="a"), sqs_record(group="a")]
    answer = run(stage, *records, queue=queue)
    assert answer == {"batchItemFailures": [{"itemIdentifier": sqs["messageId"]} for sqs in records]}
    assert queue.hidden == [(sqs["receiptHandle"], 5) for sqs in records]
    assert counted() == {"Retries": 1}


def test_forward_answers_all_the_same_when_texts_cannot_be_hidden(delivery: Delivery) -> None:
    stage, queue = Stage(delivery), FakeQueue()
    stage.connect.always, queue.broken = AccessRefusedError("403"), 1
    assert len(run(stage, sqs_record(), queue=queue)["batchItemFailures"]) == 1
    assert counted() == {"Blocked": 1}


def test_forward_counts_texts_that_had_arrived_out_of_order(delivery: Delivery) -> None:
    run(
        Stage(delivery),
        sqs_record(sent_at="2026-11-22T12:00:01.000Z"),
        sqs_record(sent_at="2026-11-22T12:00:00.000Z"),
    )
    assert counted()["ArrivedOutOfOrder"] == 1


def test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(reporting.logger.registered_handler, "stream", log)
    answers = [
        UnavailableError("500"),
        AccessRefusedError("403"),
        KeyError(f"secret words {CUSTOMER}"),
    ]
    reporting.logger.setLevel("DEBUG")
    for answer in answers:
        run(Stage(delivery, answers=[answer]), sqs_record(payload("secret words")), sqs_record(payload("secret words")))
    run(Stage(delivery), sqs_record(payload("secret words", destinationNumber="+12125550199")))
    desk = Desk()
    desk.take(record(payload(7, originationNumber=CUSTOMER)), record(f"secret words {CUSTOMER}"))
    printed = log.getvalue() + json.dumps(reporting.metrics.serialize_metric_set())
    assert printed.count("text given back") >= 2 and printed.count("text failed") >= 3
    conversation = Notification.from_record(record(payload())).inbound_sms().conversation
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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
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
    desk = Desk()
    reporting.metrics.clear_metrics()
    desk.take(record(message, MessageId="sns-1"))
    (noted,) = (noted.known.outcome for noted in desk.ledger.texts.values())
    places = [(len(desk.queue.texts), len(desk.failed.entries), noted)]
    assert places in ([(1, 0, "pending")], [(0, 1, "failed")], [(0, 0, "ignored")])
    assert all(body.isascii() for body, _, _ in desk.queue.texts)


@given(messages, st.sampled_from(DELIVERIES))
def test_whatever_the_notification_says_forward_shows_it_or_fails_it_with_a_reason(
    message: str, delivery: Delivery
) -> None:
    stage = Stage(delivery)
    reporting.metrics.clear_metrics()
    assert run(stage, sqs_record(message)) == {"batchItemFailures": []}
    (noted,) = stage.ledger.texts.values()
    assert noted.known.outcome in ("forwarded", "failed")
    assert (noted.known.outcome == "failed") == (len(stage.failed.entries) == 1) == bool(noted.reason)
    assert noted.error != "UnexpectedError"
    for content in stage.connect.tried:
        assert 1 <= len(content.encode("utf-16-le")) // 2 <= 1024
    for name, _ in stage.connect.sessions:
        assert 1 <= len(name) <= 256


@given(st.text(), st.sampled_from(DELIVERIES))
def test_whatever_stands_in_the_queue_forward_fails_it_with_a_reason(body: str, delivery: Delivery) -> None:
    stage = Stage(delivery)
    reporting.metrics.clear_metrics()
    run(stage, sqs_record(body=body))
    assert len(stage.failed.entries) == 1 and stage.failed.entries[0].body == body
