"""The promises as far as they depend on message groups and deduplication ids.

The queues and the ledger's table are models of SQS FIFO and of DynamoDB.
"""

from __future__ import annotations

import json

import pytest

from bridge.config import Delivery
from bridge.errors import RejectedError, UnavailableError
from bridge.texts.delivery import Accepted
from testing.builders import OTHER_CUSTOMER, payload, record
from testing.chat_events import OTHER_CHAT, item
from testing.pipeline import ReplyPipeline, TextPipeline


def test_each_conversation_is_one_message_group() -> None:
    pipeline = TextPipeline()
    pipeline.publish(record(payload("a")), record(payload("b")), record(payload("c", originationNumber=OTHER_CUSTOMER)))
    first, second, other = pipeline.queue.messages()
    assert first.group == second.group != other.group


def test_no_second_environment_gets_the_next_text_of_a_conversation() -> None:
    pipeline = TextPipeline()
    pipeline.publish(record(payload("a")))
    (held,) = pipeline.queue.receive()
    pipeline.publish(record(payload("b")), record(payload("c", originationNumber=OTHER_CUSTOMER)))
    assert [message.group != held.group for message in pipeline.queue.receive()] == [True]


LONG = "The first half of a long text. " * 30 + "And the second half of it. " * 30


def overtake(pipeline: TextPipeline) -> None:
    """Queue a long text behind a short one that was published after it. Connect accepts only the first part of it."""
    pipeline.publish(record(payload("short"), Timestamp="2026-11-22T12:00:05.000Z"))
    pipeline.publish(record(payload(LONG), Timestamp="2026-11-22T12:00:00.000Z"))
    pipeline.connect.answers = [Accepted("contact", True), *[UnavailableError("503")] * 50]
    pipeline.process()
    pipeline.connect.answers = []
    assert len(pipeline.connect.contents) == 1 and len(pipeline.queue) == 2


def parts_of(pipeline: TextPipeline) -> list[str]:
    return ["short" if content == "short" else "long" for content in pipeline.connect.contents]


@pytest.mark.parametrize("refused", [False, True])
def test_no_text_gets_between_the_parts_of_a_text_queued_behind_it(delivery: Delivery, refused: bool) -> None:
    """SQS delivers a message while later ones of its group are hidden: the first of the queue becomes visible last."""
    pipeline = TextPipeline(delivery)
    if refused:
        pipeline.sqs.unhideable = {"conversations-2"}
    overtake(pipeline)
    first, second = pipeline.queue.messages()
    assert first.visible_at > second.visible_at or (refused and first.visible_at == second.visible_at)
    pipeline.sqs.unhideable = set()
    for at in sorted({second.visible_at, first.visible_at}):
        pipeline.clock.time = at
        pipeline.process()
    assert parts_of(pipeline) == ["long", "long", "short"]


def test_texts_in_queue_order_get_one_visibility_timeout_by_one_call() -> None:
    pipeline = TextPipeline()
    pipeline.publish(*(record(payload(f"{n}"), Timestamp=f"2026-11-22T12:00:0{n}.000Z") for n in range(3)))
    pipeline.connect.always = UnavailableError("503")
    pipeline.process()
    assert len({message.visible_at for message in pipeline.queue.messages()}) == 1
    assert pipeline.sqs.calls.count("change_message_visibility_batch") == 1


def test_a_text_that_sns_delivers_twice_is_queued_once() -> None:
    pipeline = TextPipeline()
    text = payload("hi", inboundMessageId="one")
    pipeline.publish(record(text))
    pipeline.publish(record(text))  # published twice, so that the notification's own id is another
    assert len(pipeline.queue) == 1


def test_equal_texts_sent_one_after_the_other_are_both_queued() -> None:
    pipeline = TextPipeline()
    pipeline.publish(record(payload("yes")), record(payload("yes")))
    assert len(pipeline.queue) == 2


def test_a_text_failing_again_within_five_minutes_of_a_redrive_is_in_failed(delivery: Delivery) -> None:
    pipeline = TextPipeline(delivery)
    pipeline.connect.always = RejectedError("400")
    pipeline.publish(record(payload("hi", inboundMessageId="one")))
    for _ in range(3):
        pipeline.process()
        assert (len(pipeline.queue), len(pipeline.failed)) == (0, 1), "SQS dropped it as a duplicate"
        pipeline.clock.time += 1
        assert pipeline.redrive() == 1
        assert (len(pipeline.queue), len(pipeline.failed)) == (1, 0), "SQS dropped it as a duplicate"
    pipeline.connect.always = None
    pipeline.process()
    assert pipeline.connect.contents == ["hi"]


def test_a_dead_letter_says_what_failed_where_and_when(delivery: Delivery) -> None:
    pipeline = TextPipeline(delivery)
    pipeline.connect.always = RejectedError("400: no")
    came = record(payload("hi", inboundMessageId="one"))
    pipeline.publish(came)
    (queued,) = pipeline.queue.messages()
    pipeline.process()
    (dead,) = pipeline.failed.messages()
    assert json.loads(dead.body) == came
    said = {name: attribute["StringValue"] for name, attribute in dead.attributes.items()}
    assert said.pop("reason", "") == pipeline.ledger.record("one").reason and "400" in (
        pipeline.ledger.record("one").reason or ""
    )
    assert said == {
        "text_key": "one",
        "stage": "forward",
        "error": "RejectedError",
        "failed_at": "2026-11-22T12:00:00.000+00:00",
        "attempts": "1",
        "entry_id": queued.message_id,
    }


def test_a_chat_is_one_message_group_also_after_a_transfer() -> None:
    pipeline = ReplyPipeline()
    pipeline.stream(
        item("before"), item("after", ContactId="another-agents"), item("other", InitialContactId=OTHER_CHAT)
    )
    before, after, other = pipeline.queue.messages()
    assert before.group == after.group != other.group


def test_a_reply_that_connect_streams_twice_is_queued_once() -> None:
    pipeline, said = ReplyPipeline(), item("hi", Id="one")
    pipeline.stream(said)
    pipeline.stream(said)  # published twice, so that the notification's own id is another
    assert len(pipeline.queue) == 1


def test_equal_replies_one_after_the_other_are_both_sent() -> None:
    pipeline = ReplyPipeline()
    pipeline.stream(item("yes"), item("yes"))
    pipeline.process()
    assert pipeline.phones.bodies == ["yes", "yes"]


def test_a_redriven_reply_returns_to_replies_and_is_in_failed_each_time() -> None:
    pipeline = ReplyPipeline()
    pipeline.phones.always = RejectedError("400")
    pipeline.stream(item("hi", Id="one"))
    for _ in range(3):
        pipeline.process()
        assert (len(pipeline.queue), len(pipeline.failed)) == (0, 1), "SQS dropped it as a duplicate"
        pipeline.clock.time += 1
        assert pipeline.redrive() == 1
        assert (len(pipeline.queue), len(pipeline.failed)) == (1, 0), "it is not where it came from"
    assert len(pipeline.other_queue) == 0
    pipeline.phones.always = None
    pipeline.process()
    assert pipeline.phones.bodies == ["hi"]
