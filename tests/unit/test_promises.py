"""The promises where they depend on how the functions ask their stores: groups, deduplication ids, conditions.

The queues and the ledger's table are the tests' models of SQS FIFO and of DynamoDB.
"""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from bridge.aws import clients
from bridge.aws.ledger import Ledger
from bridge.config import Delivery
from bridge.errors import RejectedError, UnavailableError
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.splitting import split, utf16_length
from bridge.processing.state import DeliveryState, MessageMetadata, SplitPlan
from bridge.texts.delivery import Accepted
from testing.builders import OTHER_CUSTOMER, OURS, payload, record
from testing.chat_events import OTHER_CHAT, item
from testing.clock import FakeClock
from testing.models.table import Table
from testing.pipeline import ReplyPipeline, TextPipeline

PLAN = SplitPlan(limit=100, prefix="(late)\n", shown=False, ends_chat=True)
FACTS = MessageMetadata(conversation="group", business_number=OURS)
QUEUES_KEEP_A_TEXT = 14 * 24 * 3600


def test_a_conversation_is_one_message_group_and_another_one_another() -> None:
    pipeline = TextPipeline()
    pipeline.publish(record(payload("a")), record(payload("b")), record(payload("c", originationNumber=OTHER_CUSTOMER)))
    first, second, other = pipeline.queue.messages()
    assert first.group == second.group != other.group


def test_while_one_environment_has_a_conversations_text_no_other_gets_its_next_one() -> None:
    pipeline = TextPipeline()
    pipeline.publish(record(payload("a")))
    (held,) = pipeline.queue.receive()
    pipeline.publish(record(payload("b")), record(payload("c", originationNumber=OTHER_CUSTOMER)))
    assert [message.group != held.group for message in pipeline.queue.receive()] == [True]


LONG = "The first half of a long text. " * 30 + "And the second half of it. " * 30


def overtake(pipeline: TextPipeline) -> None:
    """A long text that was published before another one, and queued behind it; Connect takes its first part only."""
    pipeline.publish(record(payload("short"), Timestamp="2026-11-22T12:00:05.000Z"))
    pipeline.publish(record(payload(LONG), Timestamp="2026-11-22T12:00:00.000Z"))
    pipeline.connect.answers = [Accepted("contact", True), *[UnavailableError("503")] * 50]
    pipeline.process()
    pipeline.connect.answers = []
    assert len(pipeline.connect.contents) == 1 and len(pipeline.queue) == 2


def parts_of(pipeline: TextPipeline) -> list[str]:
    return ["short" if content == "short" else "long" for content in pipeline.connect.contents]


@pytest.mark.parametrize("refused", [False, True])
def test_no_text_gets_between_the_parts_of_one_that_waits_behind_it_in_the_queue(
    delivery: Delivery, refused: bool
) -> None:
    """SQS hands out a message while those behind it in its group are hidden. So the first of the queue comes last."""
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


def test_texts_in_the_order_of_their_queue_are_hidden_by_one_call_for_one_time() -> None:
    pipeline = TextPipeline()
    pipeline.publish(*(record(payload(f"{n}"), Timestamp=f"2026-11-22T12:00:0{n}.000Z") for n in range(3)))
    pipeline.connect.always = UnavailableError("503")
    pipeline.process()
    assert len({message.visible_at for message in pipeline.queue.messages()}) == 1
    assert pipeline.sqs.calls.count("change_message_visibility_batch") == 1


def test_a_text_that_sns_hands_over_twice_is_queued_once() -> None:
    pipeline = TextPipeline()
    text = payload("hi", inboundMessageId="one")
    pipeline.publish(record(text))
    pipeline.publish(record(text))  # published twice, so that the notification's own id is another
    assert len(pipeline.queue) == 1


def test_equal_texts_sent_one_after_the_other_are_both_queued() -> None:
    pipeline = TextPipeline()
    pipeline.publish(record(payload("yes")), record(payload("yes")))
    assert len(pipeline.queue) == 2


def test_a_text_that_is_redriven_and_fails_again_within_five_minutes_is_in_failed_each_time(delivery: Delivery) -> None:
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


def test_an_entry_of_failed_says_what_went_wrong_where_and_when(delivery: Delivery) -> None:
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


def test_a_reply_that_is_redriven_goes_back_to_the_replies_and_is_in_failed_each_time_it_fails() -> None:
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


# --- the ledger's writes ----------------------------------------------------------------------------------


class Books:
    """A ledger on such a table."""

    def __init__(self, stage: str = "forward") -> None:
        self.table = cast(Any, Table(by="text_key"))
        self.clock = FakeClock()
        self.ledger = Ledger(client=self.table, table="ledger", stage=stage, now=self.clock.now)

    def done(self, part: int, parts: int = 3, *, message_id: str = "entry") -> DeliveryState:
        return self.ledger.record_part(
            "one",
            MessageMetadata(),
            split=PLAN,
            part=part,
            parts=parts,
            attempts=1,
            contact="contact",
            new_chat=part == 0,
            message_id=message_id,
        )

    def item(self) -> dict[str, Any]:
        values: dict[str, Any] = self.table.values("one")
        return values


def test_a_worker_that_comes_too_late_does_not_set_the_ledger_back_and_learns_how_far_the_other_one_got() -> None:
    books = Books()
    books.done(0)
    books.done(1)
    assert books.done(0).parts_done == 2
    assert books.item()["parts_done"] == "2"


def test_the_ledger_is_read_as_it_is_now_and_not_as_it_was_a_moment_ago() -> None:
    books = Books()
    books.done(0)
    books.done(1)
    known = books.ledger.read("one")
    assert known and known.parts_done == 2


def test_how_a_text_was_begun_comes_back_from_the_ledger() -> None:
    books = Books()
    books.done(0)
    known = books.ledger.read("one")
    assert known and known.split == PLAN


def test_how_a_text_was_begun_is_kept_once() -> None:
    books = Books()
    assert books.ledger.save_split("one", MessageMetadata(), split=PLAN) == PLAN
    assert books.ledger.save_split("one", MessageMetadata(), split=SplitPlan(limit=64, prefix="other")) == PLAN
    known = books.ledger.read("one")
    assert known and known.split == PLAN and known.parts_done == 0


def test_a_text_is_remembered_longer_than_any_queue_keeps_it() -> None:
    books = Books()
    books.done(0)
    ((kind, when),) = books.table.items["one"]["expires_at"].items()
    assert kind == "N", "DynamoDB forgets by a number only"
    assert QUEUES_KEEP_A_TEXT < int(when) - books.clock.time < 2 * QUEUES_KEEP_A_TEXT


def test_a_text_that_was_shown_never_becomes_a_failed_one() -> None:
    books = Books()
    books.done(0, parts=1)
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"))
    assert books.item()["outcome"] == "forwarded"


def test_the_ledger_says_of_a_failed_text_why_where_and_when() -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400: no"))
    item = books.item()
    assert (item["outcome"], item["reason"], item["error"], item["stage"]) == (
        "failed",
        "400: no",
        "RejectedError",
        "forward",
    )
    assert item["done_at"] == item["failed_at"] == str(int(books.clock.time * 1000))
    assert item["failed_on"] == "2026-11-22"


def test_a_text_that_is_queued_is_known_from_then_on() -> None:
    books = Books("intake")
    books.ledger.record_receipt("one", FACTS, at=books.clock.time)
    books.clock.time += 1
    books.ledger.record_receipt("one", FACTS, at=books.clock.time)  # SNS delivers twice
    item = books.item()
    assert item["received_at"] == item["first_seen_at"] == str(int((books.clock.time - 1) * 1000))
    assert (item["outcome"], item["stage"], item["conversation"], item["ours"]) == ("pending", "intake", "group", OURS)
    assert int(item["expires_at"]) - books.clock.time > QUEUES_KEEP_A_TEXT


def test_noting_that_a_text_was_queued_touches_nothing_that_is_known_of_it_already() -> None:
    books = Books()
    books.done(0, parts=1)
    before = books.item()
    books.clock.time += 1
    books.ledger.record_receipt("one", FACTS, at=books.clock.time - 2)
    came = str(int((books.clock.time - 2) * 1000))
    assert books.item() == {**before, "received_at": came, "conversation": "group", "ours": OURS}


def test_a_function_that_lost_its_batch_does_not_make_a_text_wait_that_has_failed_meanwhile() -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"), message_id="entry-1")
    failed = books.item()
    books.ledger.record_retry("one", MessageMetadata(), UnavailableError("500"), attempts=1, message_id="entry-1")
    assert books.item() == failed


def test_a_function_that_lost_its_batch_does_not_hide_that_its_text_failed_until_it_has_shown_all_of_it() -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"), message_id="entry-1")
    assert books.done(0, parts=2, message_id="entry-1").parts_done == 1
    item = books.item()
    assert (item["outcome"], item["reason"], item["parts_done"]) == ("failed", "400", "1") and "failed_on" in item
    assert books.done(1, parts=2, message_id="entry-1").outcome == "forwarded"
    assert "failed_on" not in books.item()


@pytest.mark.parametrize("then", ["shown", "a part of it shown", "tried again", "ignored"])
def test_a_text_is_in_the_index_of_the_failed_only_while_it_is_failed_and_why_it_was_stays_known(then: str) -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400: no"), message_id="entry-1")
    match then:
        case "shown":
            books.done(0, parts=1)
        case "a part of it shown":
            books.done(0, parts=2)
        case "tried again":
            books.ledger.record_retry(
                "one", MessageMetadata(), UnavailableError("500"), attempts=1, message_id="put back"
            )
        case "ignored":
            books.ledger.record_ignored("one", MessageMetadata(), "nothing")
    item = books.item()
    assert "failed_on" not in item
    assert (item["failed_reason"], item["failed_error"], item["failed_stage"], item["failed_entry"]) == (
        "400: no",
        "RejectedError",
        "forward",
        "entry-1",
    )
    assert item["failures"] == "1" and item["failed_at"] == str(int(books.clock.time * 1000))


def test_a_text_that_was_shown_is_not_in_the_index_of_the_failed() -> None:
    books = Books()
    books.done(0, parts=1)
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"))
    books.ledger.record_duplicate("one")
    assert "failed_on" not in books.item() and books.item()["duplicates"] == "1"


# --- what is shown ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("grapheme", ["e\u0301", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️"])
def test_no_grapheme_is_cut_wherever_the_limit_falls(grapheme: str) -> None:
    length = utf16_length(grapheme)
    for limit in range(length, 4 * length):
        for part in split(grapheme * 20, limit):
            assert part == grapheme * (limit // length) or part == grapheme * (20 % (limit // length))


# --- calls ------------------------------------------------------------------------------------------------


def test_a_call_waits_for_its_turn() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(rate=2, environments=1, clock=clock.as_clock())
    started, turns = clock.time, []
    for _ in range(6):
        assert rate_limiter.acquire(deadline=started + 60)
        turns.append(clock.time - started)
    assert turns == [0, 0, 0.5, 1, 1.5, 2]


def test_the_sdk_repeats_no_call_to_connect_and_waits_for_its_answer_as_long_as_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("DEFAULT_REGION", "us-east-1"), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    config: Any = clients.connect(read_timeout=3.5).meta.config
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (1, 3.5)


def test_a_note_that_a_text_was_queued_is_one_try_of_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DEFAULT_REGION", "us-east-1"), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    config: Any = clients.dynamodb_single_attempt().meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 1
