"""The promises, as far as one batch can keep them: order, once, and what is done with each kind of trouble."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from bridge.compose import Accepted, Part
from bridge.errors import (
    AccessRefusedError,
    ChatLimitError,
    MalformedNotificationError,
    NotFoundError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
    UnavailableError,
    UnexpectedError,
    UnknownNumberError,
)
from tests.unit.fakes import CONFIG, CUSTOMER, NOON, OTHER_CUSTOMER, entry, payload, with_chat, with_limits
from tests.unit.stages import Delivery, Stage


def test_texts_of_a_conversation_are_shown_in_their_order(delivery: Delivery) -> None:
    stage = Stage(delivery)
    reports = stage.courier.deliver([[entry(payload(f"text {n}")) for n in range(5)]])
    assert stage.connect.contents == [f"text {n}" for n in range(5)]
    assert [report.result for report in reports] == ["forwarded"] * 5
    assert [report.new_chat for report in reports] == [True, False, False, False, False]


def test_a_forwarded_text_is_noted_with_its_contact_parts_and_times(delivery: Delivery) -> None:
    stage = Stage(delivery)
    text = entry(payload("hi", inboundMessageId="one"))
    stage.courier.deliver([[text]])
    noted = stage.ledger.texts["one"]
    assert (noted.known.outcome, noted.known.contact, noted.known.new_chat) == ("forwarded", "contact-1", True)
    assert (noted.known.parts_done, noted.attempts) == (1, 1)
    assert noted.facts == text.facts


def test_a_text_that_came_again_after_success_is_not_shown_twice(delivery: Delivery) -> None:
    stage = Stage(delivery)
    text = payload("hi", inboundMessageId="one")
    stage.courier.deliver([[entry(text)]])
    (report,) = stage.courier.deliver([[entry(text)]])
    assert report.result == "duplicate"
    assert stage.connect.contents == ["hi"]
    assert stage.ledger.texts["one"].duplicates == 1


def test_a_transient_error_is_tried_again_within_the_batch(delivery: Delivery) -> None:
    stage = Stage(delivery, answers=[UnavailableError("500"), ThrottledError("429")])
    (report,) = stage.courier.deliver([[entry(payload("hi"))]])
    assert (report.result, report.attempts) == ("forwarded", 3)
    assert stage.connect.contents == ["hi"]


def test_a_text_that_keeps_failing_goes_back_at_the_deadline_with_all_its_followers_hidden_alike(
    delivery: Delivery,
) -> None:
    stage = Stage(delivery)
    stage.connect.always = UnavailableError("Connect answered 500")
    texts = [entry(payload(f"text {n}", inboundMessageId=f"t{n}")) for n in range(4)]
    reports = stage.courier.deliver([texts])
    assert [report.result for report in reports] == ["given back"] * 4
    assert [report.entry.text_key for report in reports] == ["t0", "t1", "t2", "t3"]
    assert {report.wait for report in reports} == {5}
    assert set(stage.connect.tried) == {"text 0"}, "a follower was tried"
    assert stage.clock.time - NOON.timestamp() < CONFIG.limits.batch_deadline
    assert stage.ledger.texts["t0"].error == "UnavailableError"
    assert set(stage.ledger.texts) == {"t0"}


def test_texts_before_the_one_that_fails_stay_delivered(delivery: Delivery) -> None:
    stage = Stage(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    reports = stage.courier.deliver([[entry(payload("a")), entry(payload("b")), entry(payload("c"))]])
    assert [report.result for report in reports] == ["forwarded", "given back", "given back"]


def test_the_wait_doubles_with_each_return_of_the_text_itself_up_to_the_longest(delivery: Delivery) -> None:
    stage = Stage(delivery)
    stage.connect.always = UnavailableError("500")
    text = entry(payload(inboundMessageId="one"), receive_count=40)  # it was a follower 39 times
    waits = [stage.courier.deliver([[text]])[0].wait for _ in range(8)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


def test_the_wait_also_doubles_while_the_ledger_can_be_read_and_not_written(delivery: Delivery) -> None:
    stage = Stage(delivery)
    stage.ledger.broken = {"part_done": 99, "given_back": 99}
    text = payload(inboundMessageId="one")
    waits = [stage.courier.deliver([[entry(text, receive_count=n)]])[0].wait for n in range(1, 9)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize("ledger_broken", [0, 99])
def test_the_wait_also_doubles_while_failed_takes_nothing(delivery: Delivery, ledger_broken: int) -> None:
    stage = Stage(delivery)
    stage.failed.broken = 99
    stage.ledger.broken = {"given_back": ledger_broken}
    text = payload(inboundMessageId="one", destinationNumber="+12125550199")
    waits = [stage.courier.deliver([[entry(text, receive_count=n)]])[0].wait for n in range(1, 5)]
    assert waits == [5, 10, 20, 40]


@pytest.mark.parametrize("timestamp", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_beyond_the_calendar_is_no_time_and_does_no_harm(delivery: Delivery, timestamp: str) -> None:
    stage = Stage(delivery)
    (report,) = stage.courier.deliver([[entry(payload("hi"), sent_at=timestamp)]])
    assert (report.result, stage.connect.contents) == ("forwarded", ["hi"])


def test_a_permanent_error_puts_the_untouched_text_into_failed_at_once_and_the_next_goes_on(delivery: Delivery) -> None:
    stage = Stage(delivery, answers=[RejectedError("400: no")])
    bad, good = entry(payload("bad", inboundMessageId="bad")), entry(payload("good"))
    reports = stage.courier.deliver([[bad, good]])
    assert [report.result for report in reports] == ["failed", "forwarded"]
    (dead,) = stage.failed.entries
    assert (dead.body, dead.error, dead.conversation) == (bad.body, reports[0].error, bad.group)
    assert dead.error.code == "RejectedError" and "400" in str(dead.error)
    assert dead.deduplication_id == dead.entry_id == bad.entry_id
    assert (stage.ledger.outcome("bad"), stage.ledger.texts["bad"].reason) == ("failed", str(dead.error))
    assert stage.connect.tried == ["bad", "good"]


def test_a_number_without_a_route_is_permanent_and_the_reason_does_not_say_the_whole_number(delivery: Delivery) -> None:
    stage = Stage(delivery)
    (report,) = stage.courier.deliver([[entry(payload(destinationNumber="+12125550199"))]])
    assert report.result == "failed" and isinstance(report.error, UnknownNumberError)
    assert "0199" in str(report.error) and "12125550199" not in str(report.error)
    assert stage.connect.calls == []


def test_an_entry_that_is_no_notification_is_permanent(delivery: Delivery) -> None:
    stage = Stage(delivery)
    (report,) = stage.courier.deliver([[entry(body="no JSON")]])
    assert report.result == "failed" and isinstance(report.error, MalformedNotificationError)
    assert stage.failed.entries[0].body == "no JSON"


@pytest.mark.parametrize("error", [AccessRefusedError("403"), NotFoundError("404"), ChatLimitError("quota")])
def test_a_blocked_text_is_given_back_at_once_at_the_slow_pace(delivery: Delivery, error: Exception) -> None:
    stage = Stage(delivery, answers=[error])
    texts = [entry(payload("a")), entry(payload("b"))]
    reports = stage.courier.deliver([texts])
    assert [report.result for report in reports] == ["given back"] * 2
    assert {report.wait for report in reports} == {120}
    assert len(stage.connect.calls) == 1
    assert stage.failed.entries == []


@pytest.mark.parametrize("error", [UnavailableError("500"), AccessRefusedError("403")])
def test_a_text_is_given_up_by_the_age_of_its_queue_entry_with_its_last_reason(
    delivery: Delivery, error: Exception
) -> None:
    stage = Stage(delivery)
    stage.connect.always = error
    old = entry(payload(inboundMessageId="old"), queued_at=NOON - timedelta(hours=6))
    (report,) = stage.courier.deliver([[old]])
    assert report.result == "failed" and report.gave_up
    assert str(error) in str(report.error) and "6.0 h" in str(report.error)
    assert stage.failed.entries[0].body == old.body
    assert stage.ledger.outcome("old") == "failed"


def test_an_old_text_is_tried_before_it_is_given_up(delivery: Delivery) -> None:
    stage = Stage(delivery)
    (report,) = stage.courier.deliver([[entry(queued_at=NOON - timedelta(days=3))]])
    assert report.result == "forwarded"


def test_giving_up_counts_from_the_queue_and_not_from_the_sms_so_that_a_redriven_text_has_its_time(
    delivery: Delivery,
) -> None:
    stage = Stage(delivery)
    stage.connect.always = UnavailableError("500")
    (report,) = stage.courier.deliver([[entry(sent_at=NOON - timedelta(days=3), queued_at=NOON)]])
    assert report.result == "given back"


def test_a_failed_text_that_is_redriven_goes_on_where_it_stopped(delivery: Delivery) -> None:
    long = "word " * 500
    text = payload(long, inboundMessageId="long")
    stage = Stage(delivery, answers=[Accepted("c", True), RejectedError("400")])
    stage.courier.deliver([[entry(text)]])
    assert stage.ledger.outcome("long") == "failed"
    (report,) = stage.courier.deliver([[entry(text)]])
    assert report.result == "forwarded"
    assert "".join(stage.connect.contents) == long
    assert len(stage.connect.tried) == 1 + 3, "more was tried again than the part that failed"


def test_a_text_that_fails_again_after_a_redrive_has_another_deduplication_id(delivery: Delivery) -> None:
    stage = Stage(delivery, answers=[RejectedError("400"), RejectedError("400")])
    text = payload(inboundMessageId="one")
    stage.courier.deliver([[entry(text)]])
    stage.courier.deliver([[entry(text)]])
    first, second = (dead.deduplication_id for dead in stage.failed.entries)
    assert first != second


def test_a_long_text_resumes_after_the_part_that_connect_last_accepted(delivery: Delivery) -> None:
    long = "word " * 500
    stage = Stage(delivery, answers=[Accepted("c", True), *[UnavailableError("500")] * 50])
    text = payload(long, inboundMessageId="long")
    (report,) = stage.courier.deliver([[entry(text)]])
    assert (report.result, report.parts) == ("given back", 1)
    stage.connect.answers.clear()
    (report,) = stage.courier.deliver([[entry(text)]])
    assert report.result == "forwarded"
    assert "".join(stage.connect.contents) == long
    assert stage.ledger.texts["long"].known.parts_done == 3


def test_a_text_is_cut_as_it_was_begun_also_when_a_deploy_changed_the_limit_between_two_tries(
    delivery: Delivery,
) -> None:
    long = "word " * 500
    stage = Stage(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    text = payload(long, inboundMessageId="long")
    stage.courier.deliver([[entry(text)]])
    after = Stage(delivery, with_limits(part_length=100))
    after.ledger = stage.ledger
    after.courier._ledger = stage.ledger
    after.courier.deliver([[entry(text)]])
    assert "".join(stage.connect.contents + after.connect.contents) == long


def test_how_a_text_is_cut_is_kept_before_its_first_part_is_sent(delivery: Delivery) -> None:
    """For the answer may be lost, and Connect then take the part for one that it has."""
    long = "word " * 500
    text = payload(long, inboundMessageId="long")
    stage = Stage(delivery, with_limits(part_length=100), answers=[AccessRefusedError("403")])
    stage.courier.deliver([[entry(text)]])
    after = Stage(delivery)
    after.courier._ledger = stage.ledger
    after.clock.time += 3600
    after.courier.deliver([[entry(text)]])
    assert "".join(after.connect.contents) == long, "a late line would be in the first part"
    assert len(after.connect.contents) == 25


def test_a_text_begun_in_time_gets_no_late_line_when_its_last_part_is_late(delivery: Delivery) -> None:
    long = "word " * 500
    stage = Stage(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    text = payload(long, inboundMessageId="long")
    stage.courier.deliver([[entry(text)]])
    stage.clock.time += 3600
    stage.courier.deliver([[entry(text)]])
    assert "".join(stage.connect.contents) == long


def test_a_text_that_waited_longer_than_mark_late_after_says_when_it_was_sent(delivery: Delivery) -> None:
    stage = Stage(delivery)
    stage.courier.deliver([[entry(payload("hi"), sent_at=NOON - timedelta(minutes=16))]])
    assert stage.connect.contents == ["(sent 2026-11-22 11:44 UTC)\nhi"]


def test_conversations_do_not_wait_for_each_other(delivery: Delivery) -> None:
    stage = Stage(delivery, answers=[AccessRefusedError("403")])
    reports = stage.courier.deliver([[entry(payload("a"))], [entry(payload("b", originationNumber="+14255550199"))]])
    assert sorted(report.result for report in reports) == ["forwarded", "given back"]


def test_a_disconnect_keyword_is_shown_and_then_ends_the_chat(delivery: Delivery) -> None:
    stage = Stage(delivery)
    (report,) = stage.courier.deliver([[entry(payload(" stop "))]])
    assert stage.connect.contents == [" stop ", "DISCONNECT"]
    assert (report.result, report.parts) == ("forwarded", 2)


def test_a_disconnect_keyword_that_is_not_to_be_shown_only_ends_the_chat(delivery: Delivery) -> None:
    stage = Stage(delivery, with_chat(show_disconnect_keyword=False))
    reports = stage.courier.deliver([[entry(payload(said)) for said in ("hello", "Stop", "hello again")]])
    assert stage.connect.contents == ["hello", "DISCONNECT", "hello again"]
    assert [report.new_chat for report in reports] == [True, False, True]


def test_ending_a_chat_that_was_ended_before_is_nothing_to_do(delivery: Delivery) -> None:
    stage = Stage(delivery, with_chat(show_disconnect_keyword=False))
    texts = [entry(payload(said, inboundMessageId=said)) for said in ("hello", "stop", "STOP")]
    stage.courier.deliver([texts])
    assert [stage.ledger.outcome(text.text_key) for text in texts] == ["forwarded", "forwarded", "ignored"]
    assert stage.failed.entries == []


@pytest.mark.parametrize("answer", [NotFoundError("404"), RejectedError("400"), Accepted(None, False)])
def test_ending_a_chat_that_is_not_open_is_nothing_to_do(answer: Accepted | Exception) -> None:
    """However the API of chat integration events may say so."""
    stage = Stage("integration-event", with_chat(show_disconnect_keyword=False), answers=[answer])
    (report,) = stage.courier.deliver([[entry(payload("STOP", inboundMessageId="one"))]])
    assert (report.result, stage.ledger.outcome("one")) == ("ignored", "ignored")
    assert stage.failed.entries == []


def test_no_call_is_made_when_the_ledger_cannot_be_read(delivery: Delivery) -> None:
    stage = Stage(delivery)
    stage.ledger.broken["read"] = 1
    (report,) = stage.courier.deliver([[entry(payload("hi"))]])
    assert report.result == "given back" and report.error and report.error.code == "LedgerError"
    assert stage.connect.calls == []


def test_a_failed_text_stays_in_the_queue_until_both_failed_queue_and_ledger_have_it(delivery: Delivery) -> None:
    stage = Stage(delivery)
    unknown = payload(destinationNumber="+12125550199", inboundMessageId="one")
    stage.failed.broken = 1
    assert stage.courier.deliver([[entry(unknown)]])[0].result == "given back"
    stage.ledger.broken["failed"] = 1
    assert stage.courier.deliver([[entry(unknown)]])[0].result == "given back"
    assert stage.courier.deliver([[entry(unknown)]])[0].result == "failed"


def test_a_text_that_another_environment_finished_meanwhile_is_left_to_it(delivery: Delivery) -> None:
    """The lock is the queue's; where it was lost (a function outlived its visibility), the ledger's word counts."""
    long = "word " * 500
    stage = Stage(delivery)
    text = payload(long, inboundMessageId="long")
    other = Stage(delivery)
    other.ledger = stage.ledger
    other.courier._ledger = stage.ledger

    def meanwhile(_: Part) -> Accepted:
        other.courier.deliver([[entry(text)]])
        return Accepted("c", False)

    stage.connect.answers = [meanwhile]
    (report,) = stage.courier.deliver([[entry(text)]])
    assert report.result == "forwarded"
    assert len(stage.connect.contents) == 1, "parts that the ledger knows as delivered were sent again"


def test_a_text_that_another_environment_began_with_another_cut_is_shown_whole_in_that_one(delivery: Delivery) -> None:
    """A deploy lies between the two, and the lock was lost. The other one gets as far as its first part."""
    long = " ".join(f"word{n}" for n in range(40))
    text = payload(long, inboundMessageId="long")
    stage = Stage(delivery, with_limits(part_length=1024))
    other = Stage(delivery, with_limits(part_length=128), answers=[Accepted("c", True), AccessRefusedError("403")])
    other.courier._ledger = stage.ledger

    def meanwhile(_: Part) -> Accepted:
        other.courier.deliver([[entry(text)]])
        return Accepted("c", False)

    stage.connect.answers = [meanwhile]
    (report,) = stage.courier.deliver([[entry(text)]])
    assert (report.result, stage.ledger.outcome("long")) == ("forwarded", "forwarded")
    assert stage.connect.contents[0] == long
    assert "".join([*other.connect.contents, *stage.connect.contents[1:]]) == long


def test_conversations_of_a_batch_are_delivered_at_the_same_time(delivery: Delivery) -> None:
    """No call is answered before all ten are under way."""
    together = threading.Barrier(10, timeout=5)

    def answer(_: Part) -> Accepted:
        together.wait()
        return Accepted("c", True)

    stage = Stage(delivery, answers=[answer] * 10)
    texts = [entry(payload(str(n), originationNumber=f"+142555501{n:02}")) for n in range(10)]
    reports = stage.courier.deliver([[text] for text in texts])
    assert [report.result for report in reports] == ["forwarded"] * 10


def test_a_slow_conversation_stops_at_the_deadline_and_what_is_left_comes_back_at_once(delivery: Delivery) -> None:
    stage = Stage(delivery, call_seconds=4)
    reports = stage.courier.deliver([[entry(payload(f"{n}")) for n in range(6)]])
    assert [report.result for report in reports] == ["forwarded"] * 3 + ["given back"] * 3
    assert [report.wait for report in reports] == [0] * 6
    assert isinstance(reports[3].error, OutOfTimeError)


def test_texts_for_which_there_is_no_turn_wait_a_little_longer_each_few_times_and_are_never_given_up_for_it(
    delivery: Delivery,
) -> None:
    stage = Stage(delivery, with_limits(connect_rate=1, batch_deadline=0.5))
    while stage.pacer.take(until=stage.clock.now() + 0.5):
        pass
    waits = []
    for receives in (1, 4, 5, 9, 100):
        old = entry(queued_at=NOON - timedelta(days=1), receive_count=receives)
        (report,) = stage.courier.deliver([[old]])
        assert report.result == "given back"
        waits.append(report.wait)
    assert waits == [5, 5, 10, 20, 300]
    assert stage.connect.calls == []


def test_throttling_halves_the_pace(delivery: Delivery) -> None:
    stage = Stage(delivery, answers=[ThrottledError("429")])
    before = stage.pacer.rate
    stage.courier.deliver([[entry()]])
    assert stage.pacer.rate == pytest.approx(before / 2, rel=0.05)


def test_a_defect_of_ours_holds_the_text_and_says_where_it_happened_without_what_was_texted(delivery: Delivery) -> None:
    stage = Stage(delivery, answers=[KeyError("my secret text")])
    (report,) = stage.courier.deliver([[entry(payload("my secret text"))]])
    assert report.result == "given back" and isinstance(report.error, UnexpectedError)
    assert "secret" not in str(report.error) and report.defect and "secret" not in report.defect
    assert "fakes.py" in report.defect


def test_new_chats_are_the_customers_and_carry_the_facts(delivery: Delivery) -> None:
    stage = Stage(delivery)
    stage.courier.deliver([[entry(payload("hi", inboundMessageId="one", previousPublishedMessageId="prev"))]])
    ((name, attributes),) = stage.connect.sessions
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
    stage = Stage(delivery)
    texts = [entry(payload("hi", originationNumber=who)) for who in (CUSTOMER, OTHER_CUSTOMER, CUSTOMER)]
    first, other, again = (stage.courier.deliver([[text]])[0] for text in texts)
    assert [report.new_chat for report in (first, other, again)] == [True, True, False]
    assert first.contact == again.contact != other.contact


def test_a_text_goes_the_way_that_its_number_has_and_no_other_way(delivery: Delivery) -> None:
    stage = Stage(delivery)
    (report,) = stage.courier.deliver([[entry(payload("word " * 500, inboundMessageId="long"))]])
    assert (report.result, stage.ledger.outcome("long")) == ("forwarded", "forwarded")
    assert "".join(stage.connect.contents) == "word " * 500 and len(stage.connect.contents) == 3
    assert stage.other.calls == []


def test_a_number_with_start_chat_delivery_is_held_where_the_function_cannot_start_chats() -> None:
    stage = Stage("start-chat")
    stage.courier._start_chat = None
    (report,) = stage.courier.deliver([[entry(payload("hi"))]])
    assert report.result == "given back" and isinstance(report.error, UnexpectedError)
    assert stage.connect.calls == stage.other.calls == []
