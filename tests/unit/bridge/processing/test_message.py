"""A batch of the queue, parsed and grouped by conversation."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import UnavailableError
from bridge.processing.message import message_groups
from bridge.texts import sms_event
from testing.builders import payload, record, sqs_record
from testing.chat_events import chat_record, item, queued
from testing.clock import NOON
from testing.harness import ForwardHarness, IntakeHarness, ReplyHarness


def test_a_batch_is_grouped_by_conversation_in_the_order_of_the_queue() -> None:
    records = [sqs_record(payload(f"{n}"), group=f"group-{n % 2}") for n in range(6)]
    groups, out_of_order = message_groups({"Records": records}, sms_event.parse)
    assert [[message.parsed.required().body for message in group] for group in groups] == [
        ["0", "2", "4"],
        ["1", "3", "5"],
    ]
    assert out_of_order == 0


def test_texts_of_a_batch_are_sorted_by_send_time_and_the_disorder_is_counted() -> None:
    later, earlier = NOON + timedelta(seconds=1), NOON
    records = [sqs_record(payload("second"), sent_at=later), sqs_record(payload("first"), sent_at=earlier)]
    ((first, second),), out_of_order = message_groups({"Records": records}, sms_event.parse)
    assert (first.parsed.required().body, second.parsed.required().body) == ("first", "second")
    assert out_of_order == 1


@given(st.lists(st.integers(0, 3), max_size=10))
def test_sorting_is_stable_and_counts_messages_behind_a_later_one(seconds: list[int]) -> None:
    records = [sqs_record(sent_at=NOON + timedelta(seconds=second)) for second in seconds]
    groups, out_of_order = message_groups({"Records": records}, sms_event.parse)
    order = [int(message.sequence) for group in groups for message in group]
    assert order == [
        int(record["attributes"]["SequenceNumber"])
        for _, record in sorted(zip(seconds, records, strict=True), key=lambda pair: pair[0])
    ]
    assert out_of_order == sum(any(earlier > s for earlier in seconds[:n]) for n, s in enumerate(seconds))


def test_an_unreadable_body_is_sorted_by_the_time_it_was_queued() -> None:
    records = [sqs_record(body="nonsense", queued_at=NOON), sqs_record(payload("hi"), sent_at=NOON)]
    ((first, second),), _ = message_groups({"Records": records}, sms_event.parse)
    assert (first.parsed.content, second.parsed.required().body) == (None, "hi")
    assert first.key == first.message_id


def test_no_text_is_sorted_before_one_that_was_received_earlier() -> None:
    """Its first parts may have been shown: no other text may come between its parts."""
    earlier = NOON - timedelta(seconds=1)
    records = [
        sqs_record(payload("long"), sent_at=NOON, receive_count=3),
        sqs_record(payload("second"), sent_at=earlier, receive_count=2),
        sqs_record(payload("fourth"), sent_at=NOON, receive_count=1),
        sqs_record(payload("third"), sent_at=earlier, receive_count=1),
    ]
    (texts,), out_of_order = message_groups({"Records": records}, sms_event.parse)
    assert [text.parsed.required().body for text in texts] == ["long", "second", "third", "fourth"]
    assert out_of_order == 1, "counted at the first receive only"


# --- each record is parsed once -------------------------------------------------------------------------------


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every string that was parsed as JSON."""
    strings: list[str] = []
    loads = json.loads

    def counted(string: str) -> Any:
        strings.append(string)
        return loads(string)

    monkeypatch.setattr(json, "loads", counted)
    return strings


LONG = "word " * 500


@pytest.mark.parametrize("direction", ["text", "reply"])
def test_a_queue_message_is_parsed_once_whatever_is_done_with_it(direction: str, parsed: list[str]) -> None:
    """Several parts, and a repeated call for the first one."""
    errors = [UnavailableError("500")]
    if direction == "text":
        sqs, harness = sqs_record(payload(LONG)), ForwardHarness(answers=errors)
        harness.handle(sqs)
        assert len(harness.connect.contents) == 3
    else:
        sqs, replies = queued(item(LONG)), ReplyHarness(answers=errors)
        replies.handle(sqs)
        assert len(replies.phones.bodies) == 2
    notification = sqs["body"]
    assert parsed.count(notification) == 1
    assert parsed.count(json.JSONDecoder().decode(notification)["Sns"]["Message"]) == 1


@pytest.mark.parametrize("direction", ["text", "reply"])
def test_intake_parses_a_notification_once(direction: str, parsed: list[str]) -> None:
    if direction == "text":
        notification = record(payload("hi"))
        IntakeHarness().handle(notification)
    else:
        notification = chat_record(item("hi"))
        IntakeHarness("reply").handle(notification)
    assert parsed == [notification["Sns"]["Message"]]
