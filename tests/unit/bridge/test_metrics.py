"""The metrics that each function writes into its log, with namespace and dimension."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from bridge import errors, forward, intake, logging, metrics, reply, reply_intake
from bridge.errors import (
    AccessRefusedError,
    AnswerLostError,
    BridgeError,
    ChatLimitError,
    NotDeliverableError,
    NotFoundError,
    OutOfTimeError,
    PermanentError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from testing.builders import payload, record, sqs_record, with_chat, with_limits
from testing.chat_events import CHAT, chat_record, ended, event, item, queued
from testing.clock import NOON
from testing.harness import ForwardHarness, IntakeHarness, ReplyHarness
from testing.metrics import OF_A_TEXT, OF_POWERTOOLS, counted, measured

OLD = NOON - timedelta(hours=6)
SECRET = "secret words"
Lines = list[dict[str, Any]]
Handle = Callable[[object, list[dict[str, Any]]], None]
"""Calls a handler, with this processor or intake, for an event of these records."""


def play_intake(handle: Handle) -> None:
    harness = IntakeHarness()
    handle(harness.intake, [record(payload(SECRET)), record(f"no JSON, {SECRET}")])
    handle(harness.intake, [record("Successfully validated SNS topic for Amazon Pinpoint")])
    harness.ledger.broken["record_receipt"] = 1
    handle(harness.intake, [record(payload(SECRET))])
    harness.queue.broken = 1
    with pytest.raises(BridgeError):
        handle(harness.intake, [record(payload(SECRET))])


def play_forward(handle: Handle) -> None:
    def through(harness: ForwardHarness, *records: dict[str, Any]) -> None:
        handle(harness.processor, list(records))

    harness, text = ForwardHarness(), sqs_record(payload(SECRET), sent_at=NOON + timedelta(seconds=1))
    through(harness, text, sqs_record(payload(SECRET)))
    through(harness, text)
    through(
        ForwardHarness(config=with_chat(show_disconnect_keyword=False), answers=[NotFoundError("none")]),
        sqs_record(payload("stop")),
    )
    through(ForwardHarness(), sqs_record(payload(SECRET, originationNumber=7)))
    through(ForwardHarness(), sqs_record(payload(SECRET, destinationNumber="+12125550199")))
    through(ForwardHarness(answers=[RejectedError("400")]), sqs_record(payload(SECRET)))
    waiting = ForwardHarness()
    waiting.connect.always = UnavailableError("500")
    waiting.queue.broken = 1
    through(waiting, sqs_record(payload(SECRET)), sqs_record(payload(SECRET)))
    through(ForwardHarness(answers=[AnswerLostError("no answer")]), sqs_record(payload(SECRET)))
    no_token = ForwardHarness()
    no_token.connect.always = OutOfTimeError("no token")
    through(no_token, sqs_record(payload(SECRET), queued_at=NOON - timedelta(hours=12)))
    for error in (
        ThrottledError("429"),
        UnavailableError("500"),
        KeyError(SECRET),
        AccessRefusedError("403"),
        NotFoundError("404"),
        ChatLimitError("full"),
    ):
        given_up = ForwardHarness()
        given_up.connect.always = error
        through(given_up, sqs_record(payload(SECRET), queued_at=OLD))
    through(ForwardHarness(answers=[KeyError(SECRET)]), sqs_record(payload(SECRET)))
    unread = ForwardHarness()
    unread.ledger.broken["read"] = 1
    through(unread, sqs_record(payload(SECRET), queued_at=OLD))


def play_reply_intake(handle: Handle) -> None:
    harness = IntakeHarness("reply")
    handle(harness.intake, [chat_record(item(SECRET)), chat_record(item(InitialContactId=...)), chat_record(ended())])
    handle(harness.intake, [chat_record(event("participant.left"))])
    harness.ledger.broken["record_receipt"] = 1
    handle(harness.intake, [chat_record(item(SECRET))])
    harness.queue.broken = 1
    with pytest.raises(BridgeError):
        handle(harness.intake, [chat_record(item(SECRET))])


def play_reply(handle: Handle) -> None:
    def through(harness: ReplyHarness, *records: dict[str, Any]) -> None:
        handle(harness.processor, list(records))

    harness, text = ReplyHarness(), queued(item(SECRET, AbsoluteTime="2026-11-22T12:00:01.000Z"))
    through(harness, text, queued(item(SECRET)), queued(ended()))
    through(harness, text)
    through(harness, queued(item("  ")))
    through(harness, queued(item(InitialContactId=...)))
    del harness.chats.participants_of[CHAT]
    through(harness, queued(item(SECRET), queued_at=OLD))
    through(ReplyHarness(answers=[RejectedError("400")]), queued(item(SECRET)))
    through(ReplyHarness(answers=[NotDeliverableError("opted out")]), queued(item(SECRET)))
    through(ReplyHarness(answers=[AnswerLostError("no answer")]), queued(item(SECRET)))
    through(ReplyHarness(answers=[AnswerLostError("no answer")] * 2), queued(item(SECRET)))
    no_token = ReplyHarness()
    no_token.phones.always = OutOfTimeError("no token")
    through(no_token, queued(item(SECRET), queued_at=NOON - timedelta(hours=12)))
    waiting = ReplyHarness()
    waiting.phones.always, waiting.queue.broken = ThrottledError("429"), 1
    through(waiting, queued(item(SECRET)), queued(item(SECRET)))
    for error in (
        ThrottledError("429"),
        UnavailableError("500"),
        KeyError(SECRET),
        AccessRefusedError("403"),
        NotFoundError("404"),
    ):
        given_up = ReplyHarness()
        given_up.phones.always = error
        through(given_up, queued(item(SECRET), queued_at=OLD))
    unread = ReplyHarness()
    unread.ledger.broken["read"] = 1
    through(unread, queued(item(SECRET), queued_at=OLD))
    impatient = ReplyHarness(with_limits(give_up_after=1))
    impatient.chats.participants_of.clear()
    through(impatient, queued(item(SECRET), queued_at=NOON - timedelta(seconds=2)))


PLAYS: dict[str, tuple[ModuleType, Callable[[Handle], None]]] = {
    "intake": (intake, play_intake),
    "forward": (forward, play_forward),
    "reply_intake": (reply_intake, play_reply_intake),
    "reply": (reply, play_reply),
}
FACTORIES = {intake: "_intake", reply_intake: "_intake", forward: "_processor", reply: "_processor"}


@pytest.fixture(params=PLAYS)
def played(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[str, Lines]]:
    """The name of a function, and the lines that it logs for every possible result."""
    name: str = request.param
    module, play = PLAYS[name]
    logging.metrics.clear_metrics()
    monkeypatch.setattr(logging.metrics.provider, "service", name)
    logging.logger.setLevel("DEBUG")
    log = io.StringIO()
    monkeypatch.setattr(logging.logger.registered_handler, "stream", log)

    def handle(collaborators: object, records: list[dict[str, Any]]) -> None:
        monkeypatch.setattr(module, FACTORIES[module], lambda: collaborators)
        module.handler({"Records": records}, None)

    play(handle)
    metrics = [line for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    yield name, [json.loads(line) for line in [*metrics, *log.getvalue().splitlines()]]
    logging.metrics.clear_metrics()


def test_each_function_writes_exactly_the_metrics_listed_for_it(played: tuple[str, Lines]) -> None:
    name, lines = played
    written = set()
    for line in lines:
        for of in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert of["Namespace"] == "SmsToConnect"
            assert (of["Dimensions"], line["service"]) == ([["service"]], name)
            written |= {(metric["Name"], metric["Unit"]) for metric in of["Metrics"]}
            assert line.keys() == {"_aws", "service", *(metric["Name"] for metric in of["Metrics"])}
    units = {metrics.END_TO_END_MILLISECONDS: "Milliseconds", metrics.SECONDS_WAITING: "Seconds"}
    assert written == {(metric, units.get(metric, "Count")) for metric in metrics.METRICS_BY_FUNCTION[name]}


def test_every_log_line_has_the_key_of_its_text(played: tuple[str, Lines]) -> None:
    _, lines = played
    logged = [line for line in lines if "_aws" not in line]
    assert Counter(line["level"] for line in logged).keys() >= {"INFO", "WARNING", "ERROR"}
    for line in logged:
        assert line["correlation_id"], line
        assert line["message"].split()[0] in ("text", "reply", "chat")


def test_log_lines_have_the_documented_fields_only(played: tuple[str, Lines]) -> None:
    name, lines = played
    found = {field for line in lines if "_aws" not in line for field in line}
    assert OF_POWERTOOLS - {"xray_trace_id"} <= found <= OF_A_TEXT | OF_POWERTOOLS
    assert name != "forward" or found >= OF_A_TEXT


def test_no_log_line_holds_the_content_of_a_message(played: tuple[str, Lines]) -> None:
    _, lines = played
    assert SECRET not in json.dumps(lines)


def test_failure_metrics_are_of_classes_in_the_error_tree() -> None:
    codes = {f"Failed{name}" for name, kind in vars(errors).items() if isinstance(kind, type)}
    listed = {
        metric for metrics in metrics.METRICS_BY_FUNCTION.values() for metric in metrics if metric.startswith("Failed")
    }
    assert listed <= codes
    assert {metrics.failed_by(kind) for kind in PermanentError.__subclasses__()} <= listed


def test_a_failure_is_counted_in_total_and_by_its_error() -> None:
    logging.metrics.clear_metrics()
    ForwardHarness().handle(
        sqs_record(payload(destinationNumber="+12125550199")),
        sqs_record(payload(originationNumber=7)),
    )
    assert counted() == {"TextsFailed": 2, "FailedUnknownNumberError": 1, "FailedMalformedNotificationError": 1}


def test_seconds_waiting_is_measured_at_each_retry_and_not_for_followers() -> None:
    logging.metrics.clear_metrics()
    harness = ForwardHarness()
    harness.connect.always = AccessRefusedError("403")
    harness.handle(*(sqs_record(queued_at=NOON - timedelta(minutes=minutes)) for minutes in (20, 10)))
    harness.handle(sqs_record(queued_at=NOON - timedelta(minutes=30)))
    assert measured("SecondsWaiting") == [20 * 60, 30 * 60]


def test_end_to_end_milliseconds_is_measured_for_each_delivered_message() -> None:
    logging.metrics.clear_metrics()
    harness = ForwardHarness(call_seconds=0.25)
    harness.handle(sqs_record(sent_at=NOON - timedelta(seconds=2)), sqs_record(group="other", body="no JSON"))
    assert measured("EndToEndMilliseconds") == [2250]
    replies = ReplyHarness()
    replies.handle(queued(item(AbsoluteTime="2026-11-22T11:59:57.000Z")))
    assert measured("EndToEndMilliseconds") == [2250, 3000]
