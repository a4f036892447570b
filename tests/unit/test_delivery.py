"""The promises, as far as one batch can keep them: order, once, and what is done with each kind of trouble."""

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
    UnknownNumberError,
)
from bridge.processing.result import Delivered, Failed, Result, Retry
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, NoOpenChat
from testing.builders import CONFIG, CUSTOMER, OTHER_CUSTOMER, payload, text_message, with_chat, with_limits
from testing.clock import NOON
from testing.fakes import outcome
from testing.harness import ForwardHarness


def delivered(result: Result) -> Delivered:
    assert isinstance(result, Delivered), result
    return result


def failure(result: Result) -> Failed:
    assert isinstance(result, Failed), result
    return result


def retry(result: Result) -> Retry:
    assert isinstance(result, Retry), result
    return result


def test_texts_of_a_conversation_are_shown_in_their_order(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    results = harness.process([[text_message(payload(f"text {n}")) for n in range(5)]])
    assert harness.connect.contents == [f"text {n}" for n in range(5)]
    assert [outcome(result) for result in results] == ["forwarded"] * 5
    assert [result.new_chat for result in results] == [True, False, False, False, False]


def test_a_forwarded_text_is_noted_with_its_contact_parts_and_times(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    text = text_message(payload("hi", inboundMessageId="one"))
    harness.process([[text]])
    noted = harness.ledger.record("one")
    assert (noted.state.outcome, noted.state.contact, noted.state.new_chat) == ("forwarded", "contact-1", True)
    assert (noted.state.parts_done, noted.attempts) == (1, 1)
    assert noted.metadata == text.metadata


def test_a_text_that_came_again_after_success_is_not_shown_twice(delivery: Delivery) -> None:
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


def test_a_text_that_keeps_failing_goes_back_at_the_deadline_with_all_its_followers_hidden_alike(
    delivery: Delivery,
) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("Connect answered 500")
    texts = [text_message(payload(f"text {n}", inboundMessageId=f"t{n}")) for n in range(4)]
    results = harness.process([texts])
    assert [outcome(result) for result in results] == ["retry"] * 4
    assert [result.message.key for result in results] == ["t0", "t1", "t2", "t3"]
    assert {retry(result).delay for result in results} == {5}
    assert set(harness.connect.tried) == {"text 0"}, "a follower was tried"
    assert harness.clock.time - NOON.timestamp() < CONFIG.limits.batch_deadline
    assert harness.ledger.record("t0").error == "UnavailableError"
    assert set(harness.ledger.records()) == {"t0"}


def test_texts_before_the_one_that_fails_stay_delivered(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    results = harness.process([[text_message(payload("a")), text_message(payload("b")), text_message(payload("c"))]])
    assert [outcome(result) for result in results] == ["forwarded", "retry", "retry"]


def test_the_wait_doubles_with_each_return_of_the_text_itself_up_to_the_longest(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("500")
    text = text_message(payload(inboundMessageId="one"), receive_count=40)  # it was a follower 39 times
    waits = [retry(harness.process([[text]])[0]).delay for _ in range(8)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


def test_the_wait_also_doubles_while_the_ledger_can_be_read_and_not_written(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.ledger.broken = {"record_part": 99, "record_retry": 99}
    text = payload(inboundMessageId="one")
    waits = [retry(harness.process([[text_message(text, receive_count=n)]])[0]).delay for n in range(1, 9)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize("ledger_broken", [0, 99])
def test_the_wait_also_doubles_while_failed_takes_nothing(delivery: Delivery, ledger_broken: int) -> None:
    harness = ForwardHarness(delivery)
    harness.dead_letters.broken = 99
    harness.ledger.broken = {"record_retry": ledger_broken}
    text = payload(inboundMessageId="one", destinationNumber="+12125550199")
    waits = [retry(harness.process([[text_message(text, receive_count=n)]])[0]).delay for n in range(1, 5)]
    assert waits == [5, 10, 20, 40]


@pytest.mark.parametrize("timestamp", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_beyond_the_calendar_is_no_time_and_does_no_harm(delivery: Delivery, timestamp: str) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(payload("hi"), sent_at=timestamp)]])
    assert (outcome(result), harness.connect.contents) == ("forwarded", ["hi"])


def test_a_permanent_error_puts_the_untouched_text_into_failed_at_once_and_the_next_goes_on(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[RejectedError("400: no")])
    bad, good = text_message(payload("bad", inboundMessageId="bad")), text_message(payload("good"))
    results = harness.process([[bad, good]])
    assert [outcome(result) for result in results] == ["failed", "forwarded"]
    (dead,) = harness.dead_letters.messages
    assert (dead.body, dead.error, dead.group_id) == (bad.body, failure(results[0]).error, bad.group_id)
    assert dead.error.code == "RejectedError" and "400" in str(dead.error)
    assert dead.deduplication_id == dead.message_id == bad.message_id
    assert (harness.ledger.outcome("bad"), harness.ledger.record("bad").reason) == ("failed", str(dead.error))
    assert harness.connect.tried == ["bad", "good"]


def test_a_number_without_a_route_is_permanent_and_the_reason_does_not_say_the_whole_number(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(payload(destinationNumber="+12125550199"))]])
    error = failure(result).error
    assert isinstance(error, UnknownNumberError)
    assert "0199" in str(error) and "12125550199" not in str(error)
    assert harness.connect.calls == []


def test_an_entry_that_is_no_notification_is_permanent(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(body="no JSON")]])
    assert isinstance(failure(result).error, MalformedNotificationError)
    assert harness.dead_letters.messages[0].body == "no JSON"


@pytest.mark.parametrize("error", [AccessRefusedError("403"), NotFoundError("404"), ChatLimitError("quota")])
def test_a_blocked_text_is_given_back_at_once_at_the_slow_pace(delivery: Delivery, error: Exception) -> None:
    harness = ForwardHarness(delivery, answers=[error])
    texts = [text_message(payload("a")), text_message(payload("b"))]
    results = harness.process([texts])
    assert [outcome(result) for result in results] == ["retry"] * 2
    assert {retry(result).delay for result in results} == {120}
    assert len(harness.connect.calls) == 1
    assert harness.dead_letters.messages == []


@pytest.mark.parametrize("error", [UnavailableError("500"), AccessRefusedError("403")])
def test_a_text_is_given_up_by_the_age_of_its_queue_entry_with_its_last_reason(
    delivery: Delivery, error: Exception
) -> None:
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


def test_giving_up_counts_from_the_queue_and_not_from_the_sms_so_that_a_redriven_text_has_its_time(
    delivery: Delivery,
) -> None:
    harness = ForwardHarness(delivery)
    harness.connect.always = UnavailableError("500")
    (result,) = harness.process([[text_message(sent_at=NOON - timedelta(days=3), queued_at=NOON)]])
    assert outcome(result) == "retry"


def test_a_failed_text_that_is_redriven_goes_on_where_it_stopped(delivery: Delivery) -> None:
    long = "word " * 500
    text = payload(long, inboundMessageId="long")
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), RejectedError("400")])
    harness.process([[text_message(text)]])
    assert harness.ledger.outcome("long") == "failed"
    (result,) = harness.process([[text_message(text)]])
    assert outcome(result) == "forwarded"
    assert "".join(harness.connect.contents) == long
    assert len(harness.connect.tried) == 1 + 3, "more was tried again than the part that failed"


def test_a_text_that_fails_again_after_a_redrive_has_another_deduplication_id(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[RejectedError("400"), RejectedError("400")])
    text = payload(inboundMessageId="one")
    harness.process([[text_message(text)]])
    harness.process([[text_message(text)]])
    first, second = (dead.deduplication_id for dead in harness.dead_letters.messages)
    assert first != second


def test_a_long_text_resumes_after_the_part_that_connect_last_accepted(delivery: Delivery) -> None:
    long = "word " * 500
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), *[UnavailableError("500")] * 50])
    text = payload(long, inboundMessageId="long")
    (result,) = harness.process([[text_message(text)]])
    assert (outcome(result), result.parts) == ("retry", 1)
    harness.connect.answers.clear()
    (result,) = harness.process([[text_message(text)]])
    assert outcome(result) == "forwarded"
    assert "".join(harness.connect.contents) == long
    assert harness.ledger.record("long").state.parts_done == 3


def test_a_text_is_cut_as_it_was_begun_also_when_a_deploy_changed_the_limit_between_two_tries(
    delivery: Delivery,
) -> None:
    long = "word " * 500
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    text = payload(long, inboundMessageId="long")
    harness.process([[text_message(text)]])
    after = ForwardHarness(delivery, with_limits(part_length=100), ledger=harness.ledger)
    after.process([[text_message(text)]])
    assert "".join(harness.connect.contents + after.connect.contents) == long


def test_how_a_text_is_cut_is_kept_before_its_first_part_is_sent(delivery: Delivery) -> None:
    """For the answer may be lost, and Connect then take the part for one that it has."""
    long = "word " * 500
    text = payload(long, inboundMessageId="long")
    harness = ForwardHarness(delivery, with_limits(part_length=100), answers=[AccessRefusedError("403")])
    harness.process([[text_message(text)]])
    after = ForwardHarness(delivery, ledger=harness.ledger)
    after.clock.time += 3600
    after.process([[text_message(text)]])
    assert "".join(after.connect.contents) == long, "a late line would be in the first part"
    assert len(after.connect.contents) == 25


def test_a_text_begun_in_time_gets_no_late_line_when_its_last_part_is_late(delivery: Delivery) -> None:
    long = "word " * 500
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    text = payload(long, inboundMessageId="long")
    harness.process([[text_message(text)]])
    harness.clock.time += 3600
    harness.process([[text_message(text)]])
    assert "".join(harness.connect.contents) == long


def test_a_text_that_waited_longer_than_mark_late_after_says_when_it_was_sent(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.process([[text_message(payload("hi"), sent_at=NOON - timedelta(minutes=16))]])
    assert harness.connect.contents == ["(sent 2026-11-22 11:44 UTC)\nhi"]


def test_conversations_do_not_wait_for_each_other(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[AccessRefusedError("403")])
    results = harness.process(
        [[text_message(payload("a"))], [text_message(payload("b", originationNumber="+14255550199"))]]
    )
    assert sorted(outcome(result) for result in results) == ["forwarded", "retry"]


def test_a_disconnect_keyword_is_shown_and_then_ends_the_chat(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(payload(" stop "))]])
    assert harness.connect.contents == [" stop ", "DISCONNECT"]
    assert (outcome(result), result.parts) == ("forwarded", 2)


def test_a_disconnect_keyword_that_is_not_to_be_shown_only_ends_the_chat(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, with_chat(show_disconnect_keyword=False))
    results = harness.process([[text_message(payload(said)) for said in ("hello", "Stop", "hello again")]])
    assert harness.connect.contents == ["hello", "DISCONNECT", "hello again"]
    assert [result.new_chat for result in results] == [True, False, True]


def test_ending_a_chat_that_was_ended_before_is_nothing_to_do(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, with_chat(show_disconnect_keyword=False))
    texts = [text_message(payload(said, inboundMessageId=said)) for said in ("hello", "stop", "STOP")]
    harness.process([texts])
    assert [harness.ledger.outcome(text.key) for text in texts] == ["forwarded", "forwarded", "ignored"]
    assert harness.dead_letters.messages == []


@pytest.mark.parametrize("answer", [NotFoundError("404"), RejectedError("400"), NoOpenChat()])
def test_ending_a_chat_that_is_not_open_is_nothing_to_do(answer: NoOpenChat | Exception) -> None:
    """However the API of chat integration events may say so."""
    harness = ForwardHarness("integration-event", with_chat(show_disconnect_keyword=False), answers=[answer])
    (result,) = harness.process([[text_message(payload("STOP", inboundMessageId="one"))]])
    assert (outcome(result), harness.ledger.outcome("one")) == ("ignored", "ignored")
    assert harness.dead_letters.messages == []


def test_a_limiter_inside_a_transport_does_not_hide_a_refused_call() -> None:
    """Else a text that is throttled for ever is taken for untried, and is never given up."""
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


def test_a_failed_text_stays_in_the_queue_until_both_failed_queue_and_ledger_have_it(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    unknown = payload(destinationNumber="+12125550199", inboundMessageId="one")
    harness.dead_letters.broken = 1
    assert outcome(harness.process([[text_message(unknown)]])[0]) == "retry"
    harness.ledger.broken["record_failure"] = 1
    assert outcome(harness.process([[text_message(unknown)]])[0]) == "retry"
    assert outcome(harness.process([[text_message(unknown)]])[0]) == "failed"


def test_a_text_that_another_environment_finished_meanwhile_is_left_to_it(delivery: Delivery) -> None:
    """The lock is the queue's; where it was lost (a function outlived its visibility), the ledger's word counts."""
    long = "word " * 500
    harness = ForwardHarness(delivery)
    text = payload(long, inboundMessageId="long")
    other = ForwardHarness(delivery, ledger=harness.ledger)

    def meanwhile(_: ChatPart) -> Accepted:
        other.process([[text_message(text)]])
        return Accepted("c", False)

    harness.connect.answers = [meanwhile]
    (result,) = harness.process([[text_message(text)]])
    assert outcome(result) == "forwarded"
    assert len(harness.connect.contents) == 1, "parts that the ledger knows as delivered were sent again"


def test_a_text_that_another_environment_began_with_another_cut_is_shown_whole_in_that_one(delivery: Delivery) -> None:
    """A deploy lies between the two, and the lock was lost. The other one gets as far as its first part."""
    long = " ".join(f"word{n}" for n in range(40))
    text = payload(long, inboundMessageId="long")
    harness = ForwardHarness(delivery, with_limits(part_length=1024))
    other = ForwardHarness(
        delivery,
        with_limits(part_length=128),
        answers=[Accepted("c", True), AccessRefusedError("403")],
        ledger=harness.ledger,
    )

    def meanwhile(_: ChatPart) -> Accepted:
        other.process([[text_message(text)]])
        return Accepted("c", False)

    harness.connect.answers = [meanwhile]
    (result,) = harness.process([[text_message(text)]])
    assert (outcome(result), harness.ledger.outcome("long")) == ("forwarded", "forwarded")
    assert harness.connect.contents[0] == long
    assert "".join([*other.connect.contents, *harness.connect.contents[1:]]) == long


def test_conversations_of_a_batch_are_delivered_at_the_same_time(delivery: Delivery) -> None:
    """No call is answered before all ten are under way."""
    together = threading.Barrier(10, timeout=5)

    def answer(_: ChatPart) -> Accepted:
        together.wait()
        return Accepted("c", True)

    harness = ForwardHarness(delivery, answers=[answer] * 10)
    texts = [text_message(payload(str(n), originationNumber=f"+142555501{n:02}")) for n in range(10)]
    results = harness.process([[text] for text in texts])
    assert [outcome(result) for result in results] == ["forwarded"] * 10


def test_a_slow_conversation_stops_at_the_deadline_and_what_is_left_comes_back_at_once(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, call_seconds=4)
    results = harness.process([[text_message(payload(f"{n}")) for n in range(6)]])
    assert [outcome(result) for result in results] == ["forwarded"] * 3 + ["retry"] * 3
    assert [result.delay for result in results if isinstance(result, Retry)] == [0] * 3
    assert isinstance(retry(results[3]).error, OutOfTimeError)


def test_texts_for_which_there_is_no_turn_wait_a_little_longer_each_few_times_and_are_never_given_up_for_it(
    delivery: Delivery,
) -> None:
    harness = ForwardHarness(delivery, with_limits(connect_rate=1, batch_deadline=0.5))
    while harness.rate_limiter.acquire(deadline=harness.clock.now() + 0.5):
        pass
    waits = []
    for receives in (1, 4, 5, 9, 100):
        old = text_message(queued_at=NOON - timedelta(days=1), receive_count=receives)
        (result,) = harness.process([[old]])
        waits.append(retry(result).delay)
    assert waits == [5, 5, 10, 20, 300]
    assert harness.connect.calls == []


def test_throttling_halves_the_pace(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[ThrottledError("429")])
    before = harness.rate_limiter.rate
    harness.process([[text_message()]])
    assert harness.rate_limiter.rate == pytest.approx(before / 2, rel=0.05)


def test_a_defect_of_ours_holds_the_text_and_says_where_it_happened_without_what_was_texted(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, answers=[KeyError("my secret text")])
    (result,) = harness.process([[text_message(payload("my secret text"))]])
    held = retry(result)
    assert isinstance(held.error, UnexpectedError) and "secret" not in str(held.error)
    assert held.traceback and "secret" not in held.traceback
    assert "fakes.py" in held.traceback


def test_new_chats_are_the_customers_and_carry_the_facts(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    harness.process([[text_message(payload("hi", inboundMessageId="one", previousPublishedMessageId="prev"))]])
    ((name, attributes),) = harness.connect.sessions
    assert name == CUSTOMER
    assert attributes == {
        "queue": "sales",
        "originationNumber": CUSTOMER,
        "destinationNumber": "+12125550101",
        "inboundMessageId": "one",
        "messageKeyword": "KEYWORD_111122223333",
        "previousPublishedMessageId": "prev",
    }


def test_conversations_are_told_apart_by_customer(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    texts = [text_message(payload("hi", originationNumber=who)) for who in (CUSTOMER, OTHER_CUSTOMER, CUSTOMER)]
    first, other, again = (delivered(harness.process([[text]])[0]) for text in texts)
    assert [result.new_chat for result in (first, other, again)] == [True, True, False]
    assert first.contact == again.contact != other.contact


def test_a_text_goes_the_way_that_its_number_has_and_no_other_way(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(payload("word " * 500, inboundMessageId="long"))]])
    assert (outcome(result), harness.ledger.outcome("long")) == ("forwarded", "forwarded")
    assert "".join(harness.connect.contents) == "word " * 500 and len(harness.connect.contents) == 3
    assert harness.other.calls == []


def test_a_number_with_start_chat_delivery_is_held_where_the_function_cannot_start_chats() -> None:
    harness = ForwardHarness("start-chat")
    del harness.transports["start-chat"]
    (result,) = harness.process([[text_message(payload("hi"))]])
    assert isinstance(retry(result).error, UnexpectedError)
    assert harness.connect.calls == harness.other.calls == []
