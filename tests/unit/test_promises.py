"""The promises where they depend on how the functions ask their stores: groups, deduplication ids, conditions.

The queues and the ledger's table are the tests' models of SQS FIFO and of DynamoDB.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from bridge import sdk
from bridge.compose import Plan
from bridge.errors import RejectedError, UnavailableError
from bridge.forward import forward
from bridge.intake import Intake, intake
from bridge.known import Facts, Known
from bridge.ledger import Ledger
from bridge.pacing import Pacer
from bridge.queues import Conversations, Failed
from bridge.reply import reply
from bridge.reply_intake import ReplyIntake, reply_intake
from bridge.split import split, utf16_length
from ops.failed.redriving import Redrive
from ops.failed.selection import Selection
from tests.model.fifo import Fifo
from tests.model.sqs import SqsClient, lambda_record
from tests.model.table import Table
from tests.unit.fakes import OTHER_CUSTOMER, OURS, FakeClock, payload, record
from tests.unit.stages import Delivery, Stage
from tests.unit.streams import OTHER_CHAT, item, streamed
from tests.unit.test_reply import Stage as ReplyStage

PLAN = Plan(limit=100, prefix="(late)\n", shown=False, ends_chat=True)
FACTS = Facts(conversation="group", ours=OURS)
QUEUES_KEEP_A_TEXT = 14 * 24 * 3600


class Bridge:
    """Intake, both queues, forward and `bridge failed redrive` as they are; Connect and the ledger are fakes."""

    def __init__(self, delivery: Delivery = "integration-event") -> None:
        self.clock = FakeClock()
        self.conversations, self.failed = (
            Fifo(now=self.clock.now, visibility=180, name=name) for name in ("conversations", "failed")
        )
        self.sqs = cast(Any, SqsClient({"conversations": self.conversations, "failed": self.failed}))
        stage = Stage(delivery, clock=self.clock, failed=self._failed("forward"))
        self.connect, self.ledger, self._courier = stage.connect, stage.ledger, stage.courier
        self._queue = Conversations(client=self.sqs, url="conversations")
        self._intake = Intake(
            conversations=self._queue,
            failed=self._failed("intake"),
            ledger=self.ledger,  # type: ignore[arg-type]
            notes=self.ledger,  # type: ignore[arg-type]
        )

    def _failed(self, stage: str) -> Failed:
        return Failed(client=self.sqs, url="failed", stage=stage, now=self.clock.now)

    def publish(self, *notifications: dict[str, Any]) -> None:
        intake({"Records": list(notifications)}, taker=self._intake)

    def forward(self) -> None:
        hand_over(self.conversations, lambda event: forward(event, courier=self._courier, queue=self._queue))

    def redrive(self) -> int:
        outputs = {"FailedQueueUrl": "failed", "ConversationsQueueUrl": "conversations"}
        clock = self.clock.as_clock()
        run = Redrive(sqs=self.sqs, outputs=outputs, notes=self.ledger, selection=Selection(), clock=clock).run()
        return run.put_back


def test_a_conversation_is_one_message_group_and_another_one_another() -> None:
    bridge = Bridge()
    bridge.publish(record(payload("a")), record(payload("b")), record(payload("c", originationNumber=OTHER_CUSTOMER)))
    first, second, other = bridge.conversations.messages()
    assert first.group == second.group != other.group


def test_while_one_environment_has_a_conversations_text_no_other_gets_its_next_one() -> None:
    bridge = Bridge()
    bridge.publish(record(payload("a")))
    (held,) = bridge.conversations.receive()
    bridge.publish(record(payload("b")), record(payload("c", originationNumber=OTHER_CUSTOMER)))
    assert [message.group != held.group for message in bridge.conversations.receive()] == [True]


LONG = "The first half of a long text. " * 30 + "And the second half of it. " * 30


def overtaken(bridge: Bridge) -> None:
    """A long text that was published before another one, and queued behind it; Connect takes its first part only."""
    bridge.publish(
        record(payload("short"), Timestamp="2026-11-22T12:00:05.000Z"),
        record(payload(LONG), Timestamp="2026-11-22T12:00:00.000Z"),
    )
    answers: list[Any] = [None, *[UnavailableError("503")] * 50]
    bridge.connect.answers = answers
    bridge.forward()
    bridge.connect.answers = []
    assert len(bridge.connect.contents) == 1 and len(bridge.conversations) == 2


def parts_of(bridge: Bridge) -> list[str]:
    return ["short" if content == "short" else "long" for content in bridge.connect.contents]


@pytest.mark.parametrize("refused", [False, True])
def test_no_text_gets_between_the_parts_of_one_that_waits_behind_it_in_the_queue(
    delivery: Delivery, refused: bool
) -> None:
    """SQS hands out a message while those behind it in its group are hidden. So the first of the queue comes last."""
    bridge = Bridge(delivery)
    if refused:
        bridge.sqs.unhideable = {"conversations-2"}
    overtaken(bridge)
    first, second = bridge.conversations.messages()
    assert first.visible_at > second.visible_at or (refused and first.visible_at == second.visible_at)
    bridge.sqs.unhideable = set()
    for at in sorted({second.visible_at, first.visible_at}):
        bridge.clock.time = at
        bridge.forward()
    assert parts_of(bridge) == ["long", "long", "short"]


def test_texts_in_the_order_of_their_queue_are_hidden_by_one_call_for_one_time() -> None:
    bridge = Bridge()
    bridge.publish(*(record(payload(f"{n}"), Timestamp=f"2026-11-22T12:00:0{n}.000Z") for n in range(3)))
    bridge.connect.always = UnavailableError("503")
    bridge.forward()
    assert len({message.visible_at for message in bridge.conversations.messages()}) == 1
    assert bridge.sqs.calls.count("change_message_visibility_batch") == 1


def test_a_text_that_sns_hands_over_twice_is_queued_once() -> None:
    bridge = Bridge()
    text = payload("hi", inboundMessageId="one")
    bridge.publish(record(text))
    bridge.publish(record(text))  # published twice, so that the notification's own id is another
    assert len(bridge.conversations) == 1


def test_equal_texts_sent_one_after_the_other_are_both_queued() -> None:
    bridge = Bridge()
    bridge.publish(record(payload("yes")), record(payload("yes")))
    assert len(bridge.conversations) == 2


def test_a_text_that_is_redriven_and_fails_again_within_five_minutes_is_in_failed_each_time(delivery: Delivery) -> None:
    bridge = Bridge(delivery)
    bridge.connect.always = RejectedError("400")
    bridge.publish(record(payload("hi", inboundMessageId="one")))
    for _ in range(3):
        bridge.forward()
        assert (len(bridge.conversations), len(bridge.failed)) == (0, 1), "SQS dropped it as a duplicate"
        bridge.clock.time += 1
        assert bridge.redrive() == 1
        assert (len(bridge.conversations), len(bridge.failed)) == (1, 0), "SQS dropped it as a duplicate"
    bridge.connect.always = None
    bridge.forward()
    assert bridge.connect.contents == ["hi"]


def test_an_entry_of_failed_says_what_went_wrong_where_and_when(delivery: Delivery) -> None:
    bridge = Bridge(delivery)
    bridge.connect.always = RejectedError("400: no")
    came = record(payload("hi", inboundMessageId="one"))
    bridge.publish(came)
    (queued,) = bridge.conversations.messages()
    bridge.forward()
    (dead,) = bridge.failed.messages()
    assert json.loads(dead.body) == came
    said = {name: attribute["StringValue"] for name, attribute in dead.attributes.items()}
    assert said.pop("reason", "") == bridge.ledger.texts["one"].reason and "400" in (
        bridge.ledger.texts["one"].reason or ""
    )
    assert said == {
        "text_key": "one",
        "stage": "forward",
        "error": "RejectedError",
        "failed_at": "2026-11-22T12:00:00.000+00:00",
        "attempts": "1",
        "entry_id": queued.message_id,
    }


class Replies:
    """Reply-intake, its queue, reply and `bridge failed redrive` as they are; phones, chats and ledger are fakes."""

    def __init__(self) -> None:
        stage = ReplyStage()
        self.clock, self.phones, self.ledger, self._answers = stage.clock, stage.phones, stage.ledger, stage.answers
        self.replies, self.conversations, self.failed = (
            Fifo(now=self.clock.now, visibility=180, name=name) for name in ("replies", "conversations", "failed")
        )
        queues = {"replies": self.replies, "conversations": self.conversations, "failed": self.failed}
        self.sqs = cast(Any, SqsClient(queues))
        self._queue = Conversations(client=self.sqs, url="replies")
        self._answers._failed = self._failed("reply")
        self._taker = ReplyIntake(
            replies=self._queue,
            failed=self._failed("reply-intake"),
            ledger=self.ledger,  # type: ignore[arg-type]
            notes=self.ledger,  # type: ignore[arg-type]
        )

    def _failed(self, stage: str) -> Failed:
        return Failed(client=self.sqs, url="failed", stage=stage, now=self.clock.now)

    def stream(self, *items: dict[str, Any]) -> None:
        reply_intake({"Records": [streamed(item) for item in items]}, taker=self._taker)

    def reply(self) -> None:
        hand_over(self.replies, lambda event: reply(event, answers=self._answers, queue=self._queue))

    def redrive(self) -> int:
        outputs = {f"{name.title()}QueueUrl": name for name in ("failed", "replies", "conversations")}
        clock = self.clock.as_clock()
        run = Redrive(sqs=self.sqs, outputs=outputs, notes=self.ledger, selection=Selection(), clock=clock).run()
        return run.put_back


def hand_over(queue: Fifo, function: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """One batch, as Lambda's event source mapping does it."""
    received = queue.receive()
    answer = function({"Records": [lambda_record(message) for message in received]})
    kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    for message in received:
        if message.message_id not in kept:
            queue.delete(str(message.receipt))


def test_a_chat_is_one_message_group_also_after_a_transfer() -> None:
    replies = Replies()
    replies.stream(
        item("before"), item("after", ContactId="another-agents"), item("other", InitialContactId=OTHER_CHAT)
    )
    before, after, other = replies.replies.messages()
    assert before.group == after.group != other.group


def test_a_reply_that_connect_streams_twice_is_queued_once() -> None:
    replies, said = Replies(), item("hi", Id="one")
    replies.stream(said)
    replies.stream(said)  # published twice, so that the notification's own id is another
    assert len(replies.replies) == 1


def test_equal_replies_one_after_the_other_are_both_sent() -> None:
    replies = Replies()
    replies.stream(item("yes"), item("yes"))
    replies.reply()
    assert replies.phones.bodies == ["yes", "yes"]


def test_a_reply_that_is_redriven_goes_back_to_the_replies_and_is_in_failed_each_time_it_fails() -> None:
    replies = Replies()
    replies.phones.always = RejectedError("400")
    replies.stream(item("hi", Id="one"))
    for _ in range(3):
        replies.reply()
        assert (len(replies.replies), len(replies.failed)) == (0, 1), "SQS dropped it as a duplicate"
        replies.clock.time += 1
        assert replies.redrive() == 1
        assert (len(replies.replies), len(replies.failed)) == (1, 0), "it is not where it came from"
    assert len(replies.conversations) == 0
    replies.phones.always = None
    replies.reply()
    assert replies.phones.bodies == ["hi"]


# --- the ledger's writes ----------------------------------------------------------------------------------


class Books:
    """A ledger on such a table."""

    def __init__(self) -> None:
        self.table = cast(Any, Table(by="text_key"))
        self.clock = FakeClock()
        self.ledger = Ledger(client=self.table, table="ledger", now=self.clock.now)

    def done(self, part: int, parts: int = 3, *, entry_id: str = "entry") -> Known:
        return self.ledger.part_done(
            "one",
            Facts(),
            plan=PLAN,
            part=part,
            parts=parts,
            attempts=1,
            contact="contact",
            new_chat=part == 0,
            entry_id=entry_id,
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
    assert known and known.plan == PLAN


def test_how_a_text_was_begun_is_kept_once() -> None:
    books = Books()
    assert books.ledger.begun("one", Facts(), plan=PLAN) == PLAN
    assert books.ledger.begun("one", Facts(), plan=Plan(limit=64, prefix="other")) == PLAN
    known = books.ledger.read("one")
    assert known and known.plan == PLAN and known.parts_done == 0


def test_a_text_is_remembered_longer_than_any_queue_keeps_it() -> None:
    books = Books()
    books.done(0)
    ((kind, when),) = books.table.items["one"]["expires_at"].items()
    assert kind == "N", "DynamoDB forgets by a number only"
    assert QUEUES_KEEP_A_TEXT < int(when) - books.clock.time < 2 * QUEUES_KEEP_A_TEXT


def test_a_text_that_was_shown_never_becomes_a_failed_one() -> None:
    books = Books()
    books.done(0, parts=1)
    books.ledger.failed("one", Facts(), RejectedError("400"), stage="forward")
    assert books.item()["outcome"] == "forwarded"


def test_the_ledger_says_of_a_failed_text_why_where_and_when() -> None:
    books = Books()
    books.ledger.failed("one", Facts(), RejectedError("400: no"), stage="forward")
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
    books = Books()
    books.ledger.received("one", FACTS, stage="intake", at=books.clock.time)
    books.clock.time += 1
    books.ledger.received("one", FACTS, stage="intake", at=books.clock.time)  # SNS delivers twice
    item = books.item()
    assert item["received_at"] == item["first_seen_at"] == str(int((books.clock.time - 1) * 1000))
    assert (item["outcome"], item["stage"], item["conversation"], item["ours"]) == ("pending", "intake", "group", OURS)
    assert int(item["expires_at"]) - books.clock.time > QUEUES_KEEP_A_TEXT


def test_noting_that_a_text_was_queued_touches_nothing_that_is_known_of_it_already() -> None:
    books = Books()
    books.done(0, parts=1)
    before = books.item()
    books.clock.time += 1
    books.ledger.received("one", FACTS, stage="intake", at=books.clock.time - 2)
    came = str(int((books.clock.time - 2) * 1000))
    assert books.item() == {**before, "received_at": came, "conversation": "group", "ours": OURS}


def test_a_function_that_lost_its_batch_does_not_make_a_text_wait_that_has_failed_meanwhile() -> None:
    books = Books()
    books.ledger.failed("one", Facts(), RejectedError("400"), stage="forward", entry_id="entry-1")
    failed = books.item()
    books.ledger.given_back("one", Facts(), UnavailableError("500"), attempts=1, entry_id="entry-1")
    assert books.item() == failed


def test_a_function_that_lost_its_batch_does_not_hide_that_its_text_failed_until_it_has_shown_all_of_it() -> None:
    books = Books()
    books.ledger.failed("one", Facts(), RejectedError("400"), stage="forward", entry_id="entry-1")
    assert books.done(0, parts=2, entry_id="entry-1").parts_done == 1
    item = books.item()
    assert (item["outcome"], item["reason"], item["parts_done"]) == ("failed", "400", "1") and "failed_on" in item
    assert books.done(1, parts=2, entry_id="entry-1").outcome == "forwarded"
    assert "failed_on" not in books.item()


@pytest.mark.parametrize("then", ["shown", "a part of it shown", "tried again", "ignored"])
def test_a_text_is_in_the_index_of_the_failed_only_while_it_is_failed_and_why_it_was_stays_known(then: str) -> None:
    books = Books()
    books.ledger.failed("one", Facts(), RejectedError("400: no"), stage="forward", entry_id="entry-1")
    match then:
        case "shown":
            books.done(0, parts=1)
        case "a part of it shown":
            books.done(0, parts=2)
        case "tried again":
            books.ledger.given_back("one", Facts(), UnavailableError("500"), attempts=1, entry_id="put back")
        case "ignored":
            books.ledger.ignored("one", Facts(), "nothing", stage="intake")
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
    books.ledger.failed("one", Facts(), RejectedError("400"), stage="forward")
    books.ledger.duplicate("one")
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
    pacer = Pacer(rate=2, environments=1, monotonic=clock.now, sleep=clock.sleep)
    started, turns = clock.time, []
    for _ in range(6):
        assert pacer.take(until=started + 60)
        turns.append(clock.time - started)
    assert turns == [0, 0, 0.5, 1, 1.5, 2]


def test_the_sdk_repeats_no_call_to_connect_and_waits_for_its_answer_as_long_as_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("DEFAULT_REGION", "us-east-1"), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    config: Any = sdk.connect(answer_within=3.5).meta.config
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (1, 3.5)


def test_a_note_that_a_text_was_queued_is_one_try_of_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DEFAULT_REGION", "us-east-1"), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    config: Any = sdk.dynamodb_once().meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 1
