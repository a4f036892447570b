"""`bridge failed redrive` of undelivered: what is given to which function, and what stays."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.processing.notification import SnsNotification
from bridge.texts import sms_event
from ops.failed import redrive
from ops.failed.commands import RedriveRun
from ops.failed.selection import Selection
from testing.builders import BUSINESS_NUMBER, CUSTOMER, OTHER_CUSTOMER, payload, record
from testing.chat_events import chat_record, item
from testing.clock import NOON, FakeClock
from testing.dead_letters import (
    OUTPUTS,
    EmptyReceives,
    Functions,
    Queues,
    SlowClient,
    SqsRouter,
    StandardQueue,
    hand_over,
    invocation_record,
    messages_of,
    of_reason,
    only,
    sns_notification,
)

EVENTS = Path(__file__).parents[4] / "events" / "undelivered"


def test_both_shapes_are_handed_to_intake_as_sns_would_have() -> None:
    bodies = [path.read_text() for path in sorted(EVENTS.glob("*.json"))]
    queue, functions = StandardQueue(*bodies), Functions()
    assert hand_over(queue, functions).handed_over == 2
    assert queue.messages == {}
    assert [name for name, _ in functions.given] == ["intake", "intake"]
    for _, event in functions.given:
        (one,) = event["Records"]
        assert one["EventSource"] == "aws:sns"
        assert sms_event.parse(SnsNotification.from_record(one)).required().destination_number == BUSINESS_NUMBER
    assert functions.given[1][1] == json.loads(bodies[0])["requestPayload"], "SNS's was published before"


def test_what_is_handed_over_is_in_the_order_in_which_it_was_published() -> None:
    queue = StandardQueue(*(sns_notification(json.dumps(payload(str(at))), at=at) for at in (5, 3, 9, 1, 7)))
    functions = Functions()
    hand_over(queue, functions)
    assert [json.loads(message)["messageBody"] for message in messages_of(functions)] == list("13579")


def test_an_undelivered_chat_event_of_either_shape_goes_to_reply_intake() -> None:
    streaming = OUTPUTS["StreamingTopicArn"]
    queue = StandardQueue(
        sns_notification(json.dumps(item("hi")), topic=streaming),
        invocation_record({"Records": [chat_record(item("ho"))]}, function="reply-intake"),
    )
    functions = Functions()
    assert hand_over(queue, functions).handed_over == 2
    assert [name for name, _ in functions.given] == ["reply-intake", "reply-intake"]


def test_what_its_function_refuses_stays_visible_and_its_error_is_reported() -> None:
    queue = StandardQueue(sns_notification("1", at=1), sns_notification("2", at=2), sns_notification("3", at=3))
    problems = {
        "1": {"errorType": "QueueError", "errorMessage": "no queue"},
        "3": {"errorType": "KeyError", "errorMessage": "words"},
    }
    functions = Functions(lambda event: problems.get(event["Records"][0]["Sns"]["Message"]))
    done = hand_over(queue, functions)
    assert (done.handed_over, dict(done.refused)) == (1, {"QueueError: no queue": 1, "KeyError": 1})
    assert len(queue.messages) == 2 and queue.hidden & queue.messages.keys() == set()


def test_what_is_no_event_of_sns_is_left_and_reported() -> None:
    queue, functions = (
        StandardQueue(invocation_record({"no": "SNS"}), "no JSON", invocation_record({"Records": [{}]})),
        Functions(),
    )
    done = hand_over(queue, functions)
    assert (done.handed_over, done.refused.total(), functions.given) == (0, 3, [])
    assert len(queue.messages) == 3


def test_only_what_is_selected_is_handed_over() -> None:
    queue = StandardQueue(
        sns_notification(json.dumps(payload("a", inboundMessageId="one"))),
        sns_notification(json.dumps(payload("b", originationNumber=OTHER_CUSTOMER))),
        invocation_record({"Records": [record(payload("c"))]}),
    )
    for selection, said in (
        (only("one"), "a"),
        (Selection(number=OTHER_CUSTOMER), "b"),
        (of_reason("NotTaken"), "c"),
    ):
        functions = Functions()
        assert hand_over(queue, functions, selection).handed_over == 1
        assert json.loads(messages_of(functions)[0])["messageBody"] == said
    assert queue.messages == {}


def test_what_takes_long_is_received_again_before_it_becomes_visible() -> None:
    clock = FakeClock()
    queue = StandardQueue(*(sns_notification(str(n), at=n) for n in range(30)), clock=clock)
    functions = Functions(lambda _: clock.sleep(25))
    assert hand_over(queue, functions, clock=clock).handed_over == 30
    assert messages_of(functions) == [str(n) for n in range(30)]


def test_undelivered_messages_stay_hidden_until_all_are_handed_over() -> None:
    clock = FakeClock()
    queue = StandardQueue(*(sns_notification(str(n), at=n) for n in range(3500)), clock=clock)
    seen_by_others: list[int] = []
    functions = Functions(lambda _: seen_by_others.append(len(queue.messages.keys() - queue.hidden)))
    assert hand_over(SlowClient(queue, clock, most=9000), functions, clock=clock).handed_over == 3500
    assert len(queue.messages) == 0 and seen_by_others[0] == 3500 - 600, "no more than a minute's receives are hidden"


def test_more_messages_than_one_round_holds_are_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive, "_MOST_UNDELIVERED", 100)
    clock, functions = FakeClock(), Functions()
    texts = [payload(str(n), originationNumber=CUSTOMER if n < 3 else OTHER_CUSTOMER) for n in range(400)]
    queue = StandardQueue(*(sns_notification(json.dumps(text), at=n) for n, text in enumerate(texts)), clock=clock)
    done = hand_over(SlowClient(queue, clock, most=300), functions, Selection(number=CUSTOMER), clock)
    assert [json.loads(message)["messageBody"] for message in messages_of(functions)] == ["0", "1", "2"]
    assert (done.handed_over, len(done.left), len(queue.messages), queue.hidden) == (3, 397, 397, set())


def test_a_message_handed_over_but_not_deleted_is_not_handed_over_twice() -> None:
    queues, functions = Queues(), Functions()
    queue = StandardQueue(sns_notification("1", at=1), sns_notification("2", at=2))
    queue.undeletable = {"m0"}
    done = hand_over(queue, functions)
    assert (done.handed_over, done.undeleted, len(functions.given)) == (2, {"m0"}, 2)
    queues.sqs = SqsRouter(queues.sqs, queue)
    run = RedriveRun(queues.plan())
    run.run()
    assert run.problems() == ["1 handed over and still in undelivered"]


@pytest.mark.parametrize("times", [1, 2])
def test_undelivered_is_read_to_the_end_though_receives_answer_empty(tmp_path: Path, times: int) -> None:
    bodies = [sns_notification(str(n), at=n) for n in range(25)]
    queue, functions = StandardQueue(*bodies), Functions()
    assert hand_over(EmptyReceives(queue, times=times), functions).handed_over == 25
    assert messages_of(functions) == [str(n) for n in range(25)], "all of it was received before any was handed over"
    queues, queue = Queues(), StandardQueue(*bodies)
    queues.sqs = SqsRouter(queues.sqs, EmptyReceives(queue, times=times))
    assert queues.discard(tmp_path / "copy.jsonl", of_reason("NotHandedOver")).discarded == 25


def test_what_comes_to_undelivered_after_a_run_was_planned_is_left(tmp_path: Path) -> None:
    queues, functions = Queues(), Functions()
    queue = StandardQueue(sns_notification("1", at=1))
    before = Selection(planned_at=NOON - timedelta(minutes=1))
    assert len(hand_over(queue, functions, before).later) == 1 and functions.given == []
    queues.sqs = SqsRouter(queues.sqs, queue)
    assert len(queues.discard(tmp_path / "copy.jsonl", before).later) == 1
    assert len(queue.messages) == 1 and not queue.hidden
