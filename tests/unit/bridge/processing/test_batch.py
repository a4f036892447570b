"""The batch processor: order, once, and what is done after each class of error."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from bridge.config import Delivery
from bridge.errors import (
    AccessRefusedError,
    ChatLimitError,
    LedgerError,
    MalformedNotificationError,
    NotFoundError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
    UnavailableError,
    UnexpectedError,
)
from bridge.processing.result import Failed, Retry
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted
from testing.builders import payload, text_message, with_limits
from testing.clock import NOON
from testing.fakes import delivered, failure, outcome, retry
from testing.harness import ForwardHarness


def test_texts_of_a_conversation_are_shown_in_their_order(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    results = harness.process([[text_message(payload(f"text {n}")) for n in range(5)]])
    assert harness.connect.contents == [f"text {n}" for n in range(5)]
    assert [outcome(result) for result in results] == ["forwarded"] * 5
    assert [delivered(result).new_chat for result in results] == [True, False, False, False, False]


def test_a_text_received_again_after_success_is_not_shown_twice(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    text = payload("hi", inboundMessageId="one")
    harness.process([[text_message(text)]])
    (result,) = harness.process([[text_message(text)]])
    assert outcome(result) == "duplicate"
    assert harness.connect.contents == ["hi"]
    assert harness.ledger.record("one").duplicates == 1


def test_a_transient_error_is_tried_again_within_the_batch(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[UnavailableError("500"), ThrottledError("429")])
    (result,) = harness.process([[text_message(payload("hi"))]])
    assert (outcome(result), result.attempts) == ("forwarded", 3)
    assert harness.connect.contents == ["hi"]


def test_a_failing_text_returns_after_four_calls_with_all_its_followers(
    delivery: Delivery,
) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("Connect answered 500")
    texts = [text_message(payload(f"text {n}", inboundMessageId=f"t{n}")) for n in range(4)]
    results = harness.process([texts])
    assert [outcome(result) for result in results] == ["retry"] * 4
    assert [result.message.key for result in results] == ["t0", "t1", "t2", "t3"]
    assert {retry(result).delay for result in results} == {5}
    assert harness.connect.tried == ["text 0"] * 4, "a follower was tried, or others wait too long"
    assert harness.clock.time - NOON.timestamp() < 1
    assert harness.ledger.record("t0").error == "UnavailableError"
    assert set(harness.ledger.records()) == {"t0"}


def test_texts_before_the_failing_one_stay_delivered(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    results = harness.process([[text_message(payload("a")), text_message(payload("b")), text_message(payload("c"))]])
    assert [outcome(result) for result in results] == ["forwarded", "retry", "retry"]


def test_the_delay_doubles_with_each_retry_of_the_text_up_to_the_longest(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("500")
    text = text_message(payload(inboundMessageId="one"), receive_count=40)  # it was a follower 39 times
    waits = [retry(harness.process([[text]])[0]).delay for _ in range(8)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


def test_the_delay_also_doubles_while_the_ledger_cannot_be_written(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.ledger.broken = {"record_part": 99, "record_retry": 99}
    text = payload(inboundMessageId="one")
    waits = [retry(harness.process([[text_message(text, receive_count=n)]])[0]).delay for n in range(1, 9)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize("ledger_broken", [0, 99])
def test_the_delay_also_doubles_while_the_failed_queue_is_down(delivery: Delivery, ledger_broken: int) -> None:
    harness = ForwardHarness(delivery)
    harness.dead_letters.broken = 99
    harness.ledger.broken = {"record_retry": ledger_broken}
    text = payload(inboundMessageId="one", destinationNumber="+12125550199")
    waits = [retry(harness.process([[text_message(text, receive_count=n)]])[0]).delay for n in range(1, 5)]
    assert waits == [5, 10, 20, 40]


@pytest.mark.parametrize("timestamp", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_timestamp_out_of_range_is_ignored(delivery: Delivery, timestamp: str) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(payload("hi"), sent_at=timestamp)]])
    assert (outcome(result), harness.connect.contents) == ("forwarded", ["hi"])


def test_a_permanent_error_dead_letters_the_text_and_the_next_is_delivered(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[RejectedError("400: no")])
    bad, good = text_message(payload("bad", inboundMessageId="bad")), text_message(payload("good"))
    results = harness.process([[bad, good]])
    assert [outcome(result) for result in results] == ["failed", "forwarded"]
    (dead,) = harness.dead_letters.messages
    assert (dead.body, dead.error, dead.group_id) == (bad.body, failure(results[0]).error, bad.group_id)
    assert dead.error.code == "RejectedError" and "400" in str(dead.error)
    assert dead.deduplication_id == dead.message_id == bad.message_id
    assert (harness.ledger.outcome("bad"), harness.ledger.record("bad").reason) == ("failed", str(dead.error))
    assert harness.ledger.record("bad").attributes["failed_entry"] == bad.message_id
    assert harness.connect.tried == ["bad", "good"]


def test_a_body_that_is_not_a_notification_is_permanent(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(body="no JSON")]])
    assert isinstance(failure(result).error, MalformedNotificationError)
    assert harness.dead_letters.messages[0].body == "no JSON"


@pytest.mark.parametrize("error", [AccessRefusedError("403"), NotFoundError("404"), ChatLimitError("quota")])
def test_a_blocked_text_returns_to_the_queue_at_once_with_the_long_delay(delivery: Delivery, error: Exception) -> None:
    harness = ForwardHarness(delivery, answers=[error])
    texts = [text_message(payload("a")), text_message(payload("b"))]
    results = harness.process([texts])
    assert [outcome(result) for result in results] == ["retry"] * 2
    assert {retry(result).delay for result in results} == {120}
    assert len(harness.connect.calls) == 1
    assert harness.dead_letters.messages == []


@pytest.mark.parametrize("error", [UnavailableError("500"), AccessRefusedError("403")])
def test_a_text_is_given_up_by_its_age_in_the_queue_with_its_last_reason(delivery: Delivery, error: Exception) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = error
    old = text_message(payload(inboundMessageId="old"), queued_at=NOON - timedelta(hours=6))
    (result,) = harness.process([[old]])
    assert failure(result).gave_up
    assert str(error) in str(failure(result).error) and "6.0 h" in str(failure(result).error)
    assert harness.dead_letters.messages[0].body == old.body
    assert harness.ledger.outcome("old") == "failed"


def test_an_old_text_is_tried_before_it_is_given_up(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(queued_at=NOON - timedelta(days=3))]])
    assert outcome(result) == "forwarded"


def test_give_up_after_counts_from_queueing_so_a_redriven_text_has_its_time(
    delivery: Delivery,
) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("500")
    (result,) = harness.process([[text_message(sent_at=NOON - timedelta(days=3), queued_at=NOON)]])
    assert outcome(result) == "retry"


def test_a_text_failing_again_after_a_redrive_has_a_new_deduplication_id(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[RejectedError("400"), RejectedError("400")])
    text = payload(inboundMessageId="one")
    harness.process([[text_message(text)]])
    harness.process([[text_message(text)]])
    first, second = (dead.deduplication_id for dead in harness.dead_letters.messages)
    assert first != second


def test_conversations_do_not_wait_for_each_other(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[AccessRefusedError("403")])
    results = harness.process(
        [[text_message(payload("a"))], [text_message(payload("b", originationNumber="+14255550199"))]]
    )
    assert sorted(outcome(result) for result in results) == ["forwarded", "retry"]


def test_a_limiter_inside_a_transport_does_not_hide_a_refused_call() -> None:
    """Otherwise a text that is always throttled would count as untried and never be given up."""
    refusals = [ThrottledError("429"), OutOfTimeError("no room"), ThrottledError("429"), OutOfTimeError("no room")]
    harness = ForwardHarness(answers=refusals)
    (result,) = harness.process([[text_message(payload("hi", inboundMessageId="one"))]])
    assert isinstance(result, Retry) and isinstance(result.error, ThrottledError)
    assert harness.ledger.record("one").error == "ThrottledError"
    (result,) = harness.process([[text_message(payload("hi"), queued_at=NOON - timedelta(hours=6))]])
    assert isinstance(result, Failed) and isinstance(result.error, ThrottledError)


def test_no_call_is_made_when_the_ledger_cannot_be_read(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.ledger.broken["read"] = 1
    (result,) = harness.process([[text_message(payload("hi"))]])
    assert isinstance(retry(result).error, LedgerError)
    assert harness.connect.calls == []


def test_a_failed_text_stays_queued_until_dead_letter_queue_and_ledger_have_it(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    unknown = payload(destinationNumber="+12125550199", inboundMessageId="one")
    harness.dead_letters.broken = 1
    assert outcome(harness.process([[text_message(unknown)]])[0]) == "retry"
    harness.ledger.broken["record_failure"] = 1
    assert outcome(harness.process([[text_message(unknown)]])[0]) == "retry"
    assert outcome(harness.process([[text_message(unknown)]])[0]) == "failed"


def test_conversations_of_a_batch_are_delivered_in_parallel(delivery: Delivery) -> None:
    """No call returns before all ten have begun."""
    together = threading.Barrier(10, timeout=5)

    def answer(_: ChatPart) -> Accepted:
        together.wait()
        return Accepted("c", True)

    harness = ForwardHarness(delivery, answers=[answer] * 10)
    texts = [text_message(payload(str(n), originationNumber=f"+142555501{n:02}")) for n in range(10)]
    results = harness.process([[text] for text in texts])
    assert [outcome(result) for result in results] == ["forwarded"] * 10


def test_a_slow_conversation_stops_at_the_deadline_and_the_rest_returns_at_once(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, call_seconds=4)
    results = harness.process([[text_message(payload(f"{n}")) for n in range(6)]])
    assert [outcome(result) for result in results] == ["forwarded"] * 3 + ["retry"] * 3
    assert [result.delay for result in results if isinstance(result, Retry)] == [0] * 3
    assert isinstance(retry(results[3]).error, OutOfTimeError)


def test_untried_texts_wait_for_a_token_and_longer_after_many_receives(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, with_limits(connect_rate=1, batch_deadline=0.5))
    while harness.rate_limiter.acquire(deadline=harness.clock.now() + 0.5):
        pass
    waits = []
    for receives in (1, 8, 9, 100):
        old = text_message(queued_at=NOON - timedelta(hours=11), receive_count=receives)
        (result,) = harness.process([[old]])
        waits.append(retry(result).delay)
    assert waits == [2, 4, 20, 300], "a token every two seconds; from the ninth receive on, the delay of so many"
    assert "hello" not in harness.connect.contents


def test_an_untried_text_is_given_up_after_twice_the_time(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, with_limits(connect_rate=1, batch_deadline=0.5))
    while harness.rate_limiter.acquire(deadline=harness.clock.now() + 0.5):
        pass
    (result,) = harness.process([[text_message(queued_at=NOON - timedelta(hours=12))]])
    assert failure(result).gave_up and failure(result).error.code == "OutOfTimeError"


def test_a_text_without_a_token_is_given_up_by_the_error_it_had_before(delivery: Delivery) -> None:
    """Age counts although this receive made no call, and the reason is the last real one."""
    harness = ForwardHarness(delivery, with_limits(connect_rate=1, batch_deadline=0.5))
    harness.connect.always = ThrottledError("429")
    text = payload("hi", inboundMessageId="one")
    harness.process([[text_message(text)]])
    while harness.rate_limiter.acquire(deadline=harness.clock.now() + 0.5):
        pass
    (result,) = harness.process([[text_message(text, queued_at=NOON - timedelta(hours=6))]])
    assert failure(result).gave_up and failure(result).error.code == "ThrottledError"


def test_throttling_lowers_the_rate(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[ThrottledError("429")])
    before = harness.rate_limiter.rate
    harness.process([[text_message()]])
    assert harness.rate_limiter.rate == pytest.approx(before * 0.7, rel=0.05)


@pytest.mark.parametrize(("before", "calls"), [(0, 2), (1, 1)])
def test_a_call_that_takes_long_is_repeated_once_and_later_not_at_all(
    delivery: Delivery, before: int, calls: int
) -> None:
    """The other conversations of the batch wait for it."""
    harness = ForwardHarness(delivery, call_seconds=2)
    harness.connect.always = UnavailableError("no answer")
    text = text_message(payload("hi", inboundMessageId="one"))
    for _ in range(before):
        harness.process([[text]])
    harness.connect.tried.clear()
    harness.process([[text]])
    assert harness.connect.tried == ["hi"] * calls


def test_a_defect_retries_the_text_and_reports_where_without_its_body(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[KeyError("my secret text")])
    (result,) = harness.process([[text_message(payload("my secret text"))]])
    held = retry(result)
    assert isinstance(held.error, UnexpectedError) and "secret" not in str(held.error)
    assert held.traceback and "secret" not in held.traceback
    assert "fakes.py" in held.traceback
