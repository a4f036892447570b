"""Delivering a text: its parts, each once, through the transport of its number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.config import Delivery
from bridge.errors import (
    AccessRefusedError,
    AnswerLostError,
    BridgeError,
    ChatLimitError,
    NotFoundError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
    UnavailableError,
    UnexpectedError,
    UnknownNumberError,
)
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, NoOpenChat
from testing.builders import CUSTOMER, OTHER_CUSTOMER, payload, text_message, with_chat, with_limits
from testing.chat_services import ChatServices
from testing.clock import NOON
from testing.fakes import FakeTransport, delivered, failure, outcome, retry
from testing.harness import ForwardHarness


def test_a_forwarded_text_is_recorded_with_contact_parts_and_times(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    text = text_message(payload("hi", inboundMessageId="one"))
    harness.process([[text]])
    recorded = harness.ledger.record("one")
    assert (recorded.outcome, recorded.state.contact) == ("forwarded", "contact-1")
    assert recorded.attributes["new_chat"] is True
    assert (recorded.state.parts_done, recorded.attempts) == (1, 1)
    assert recorded.metadata == text.metadata


def test_a_number_without_a_route_fails_without_naming_the_whole_number(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(payload(destinationNumber="+12125550199"))]])
    error = failure(result).error
    assert isinstance(error, UnknownNumberError)
    assert "0199" in str(error) and "12125550199" not in str(error)
    assert harness.connect.calls == []


def test_a_redriven_text_resumes_after_its_last_accepted_part(delivery: Delivery) -> None:
    long = "word " * 500
    text = payload(long, inboundMessageId="long")
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), RejectedError("400")])
    harness.process([[text_message(text)]])
    assert harness.ledger.outcome("long") == "failed"
    (result,) = harness.process([[text_message(text)]])
    assert outcome(result) == "forwarded"
    assert "".join(harness.connect.contents) == long
    assert len(harness.connect.tried) == 1 + 3, "more was tried again than the part that failed"


def test_a_long_text_resumes_after_its_last_accepted_part(delivery: Delivery) -> None:
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


def test_a_begun_text_keeps_its_split_when_a_deploy_changes_the_limit(
    delivery: Delivery,
) -> None:
    long = "word " * 500
    harness = ForwardHarness(delivery, answers=[Accepted("c", True), AccessRefusedError("403")])
    text = payload(long, inboundMessageId="long")
    harness.process([[text_message(text)]])
    after = ForwardHarness(delivery, with_limits(part_length=100), ledger=harness.ledger)
    after.process([[text_message(text)]])
    assert "".join(harness.connect.contents + after.connect.contents) == long


def test_the_split_is_saved_before_the_first_part_is_sent(delivery: Delivery) -> None:
    """If the response is lost, Connect would drop a part of another split as a duplicate."""
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


def test_a_disconnect_keyword_is_shown_and_then_ends_the_chat(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    _, result = harness.process([[text_message(payload("hello")), text_message(payload(" stop "))]])
    assert harness.connect.contents == ["hello", " stop ", "DISCONNECT"]
    assert (outcome(result), result.parts) == ("forwarded", 2)


def test_a_disconnect_keyword_without_an_open_chat_starts_none() -> None:
    harness = ForwardHarness("start-chat")
    texts = [text_message(payload(said, inboundMessageId=said)) for said in ("stop", "hello")]
    ignored, shown = harness.process([texts])
    assert (outcome(ignored), ignored.parts) == ("ignored", 0)
    assert "no chat was open" in (harness.ledger.record("stop").reason or "")
    assert (harness.connect.contents, delivered(shown).new_chat) == (["hello"], True)


def test_a_shown_disconnect_keyword_is_forwarded_by_integration_event() -> None:
    """Connect starts a chat with it, or shows it in the open one: the bridge cannot tell before it calls."""
    harness = ForwardHarness("integration-event")
    (result,) = harness.process([[text_message(payload("stop"))]])
    assert (outcome(result), harness.connect.contents) == ("forwarded", ["stop", "DISCONNECT"])


def test_a_text_whose_answers_were_lost_is_marked_as_perhaps_shown_again() -> None:
    harness = ForwardHarness("integration-event", answers=[AnswerLostError("no answer")] * 2)
    (result,) = harness.process([[text_message(payload("hi", inboundMessageId="one"))]])
    assert delivered(result).possible_duplicates == 2
    recorded = harness.ledger.record("one").attributes
    assert (recorded["possible_duplicates"], "lost_answers" in recorded) == ("2", False)


def test_lost_answers_are_remembered_between_batches_and_marked_once() -> None:
    harness = ForwardHarness("integration-event", answers=[AnswerLostError("no answer")] * 5)
    text = payload("word " * 500, inboundMessageId="long")
    (result,) = harness.process([[text_message(text)]])
    assert (retry(result).possible_duplicates, harness.ledger.record("long").attributes["lost_answers"]) == (0, "4")
    (result,) = harness.process([[text_message(text)]])
    assert (delivered(result).parts, result.possible_duplicates) == (3, 5)
    recorded = harness.ledger.record("long").attributes
    assert (recorded["possible_duplicates"], "lost_answers" in recorded) == ("5", False)


@pytest.mark.parametrize("error", [UnavailableError("500"), ThrottledError("429")])
def test_a_call_that_was_refused_marks_nothing(error: Exception) -> None:
    harness = ForwardHarness("integration-event", answers=[error] * 2)
    (result,) = harness.process([[text_message(payload("hi", inboundMessageId="one"))]])
    assert delivered(result).possible_duplicates == 0
    assert "possible_duplicates" not in harness.ledger.record("one").attributes


def test_a_repeated_end_of_a_chat_is_not_marked_as_shown_again() -> None:
    harness = ForwardHarness("integration-event", with_chat(show_disconnect_keyword=False))
    harness.process([[text_message(payload("hello"))]])
    harness.connect.answers = [AnswerLostError("no answer")]
    (result,) = harness.process([[text_message(payload("STOP", inboundMessageId="one"))]])
    assert delivered(result).possible_duplicates == 0


def test_an_accepted_part_that_is_not_recorded_is_a_possible_duplicate() -> None:
    harness = ForwardHarness("integration-event")
    harness.ledger.broken["record_part"] = 1
    (result,) = harness.process([[text_message(payload("hi"))]])
    assert (retry(result).possible_duplicates, harness.connect.contents) == (1, ["hi"])


def test_a_text_that_failed_after_a_lost_answer_is_marked_when_it_is_redriven() -> None:
    harness = ForwardHarness("integration-event", answers=[AnswerLostError("no answer"), RejectedError("400")])
    text = payload("hi", inboundMessageId="one")
    harness.process([[text_message(text)]])
    assert (harness.ledger.outcome("one"), harness.ledger.record("one").attributes["lost_answers"]) == ("failed", "1")
    (result,) = harness.process([[text_message(text)]])
    assert delivered(result).possible_duplicates == 1


def test_with_client_tokens_only_another_chat_can_show_a_text_again() -> None:
    harness = ForwardHarness("start-chat")
    assert isinstance(harness.connect, ChatServices)
    harness.process([[text_message(payload("hello"))]])
    harness.connect.lost = ["send"] * 3
    (result,) = harness.process([[text_message(payload("again"))]])
    assert (harness.connect.contents, result.possible_duplicates) == (["hello", "again"], 0)
    harness.connect.lost = ["send"] * 4
    text = payload("and again", inboundMessageId="three")
    (result,) = harness.process([[text_message(text)]])
    harness.connect.over.add("contact-1")
    (result,) = harness.process([[text_message(text)]])
    assert harness.connect.contents == ["hello", "again", "and again", "and again"]
    assert delivered(result).possible_duplicates == 1
    assert harness.ledger.record("three").attributes["possible_duplicates"] == "1"


@pytest.mark.parametrize("call", ["start", "connect"])
def test_a_lost_answer_of_a_started_chat_marks_nothing(call: str) -> None:
    harness = ForwardHarness("start-chat")
    assert isinstance(harness.connect, ChatServices)
    harness.connect.lost = [call]
    (result,) = harness.process([[text_message(payload("hello"))]])
    assert (delivered(result).possible_duplicates, harness.connect.contents) == (0, ["hello"])


def test_a_disconnect_keyword_that_is_not_to_be_shown_only_ends_the_chat(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, with_chat(show_disconnect_keyword=False))
    results = harness.process([[text_message(payload(said)) for said in ("hello", "Stop", "hello again")]])
    assert harness.connect.contents == ["hello", "DISCONNECT", "hello again"]
    assert [delivered(result).new_chat for result in results] == [True, False, True]


def test_ending_a_chat_twice_is_not_an_error(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery, with_chat(show_disconnect_keyword=False))
    texts = [text_message(payload(said, inboundMessageId=said)) for said in ("hello", "stop", "STOP")]
    harness.process([texts])
    assert [harness.ledger.outcome(text.key) for text in texts] == ["forwarded", "forwarded", "ignored"]
    assert harness.dead_letters.messages == []


@pytest.mark.parametrize("answer", [NotFoundError("404"), RejectedError("400"), NoOpenChat()])
def test_ending_a_chat_that_is_not_open_is_not_an_error(answer: NoOpenChat | Exception) -> None:
    """In each form in which Connect may answer."""
    harness = ForwardHarness("integration-event", with_chat(show_disconnect_keyword=False), answers=[answer])
    (result,) = harness.process([[text_message(payload("STOP", inboundMessageId="one"))]])
    assert (outcome(result), harness.ledger.outcome("one")) == ("ignored", "ignored")
    assert harness.dead_letters.messages == []


def test_a_text_that_another_environment_finished_is_not_sent_again(delivery: Delivery) -> None:
    """If a function outlives its visibility timeout, it has lost the message group. The ledger then decides."""
    long = "word " * 500
    harness = ForwardHarness(delivery)
    text = payload(long, inboundMessageId="long")
    other = ForwardHarness(delivery, ledger=harness.ledger)

    def run_other_environment(_: ChatPart) -> Accepted:
        other.process([[text_message(text)]])
        return Accepted("c", False)

    harness.connect.answers = [run_other_environment]
    (result,) = harness.process([[text_message(text)]])
    assert outcome(result) == "forwarded"
    assert len(harness.connect.contents) == 1, "parts that the ledger knows as delivered were sent again"


def test_a_text_another_environment_began_is_shown_whole_in_its_split(delivery: Delivery) -> None:
    """After a deployment, and after the visibility timeout. The other environment delivers its first part."""
    long = " ".join(f"word{n}" for n in range(40))
    text = payload(long, inboundMessageId="long")
    harness = ForwardHarness(delivery, with_limits(part_length=1024))
    other = ForwardHarness(
        delivery,
        with_limits(part_length=128),
        answers=[Accepted("c", True), AccessRefusedError("403")],
        ledger=harness.ledger,
    )

    def run_other_environment(_: ChatPart) -> Accepted:
        other.process([[text_message(text)]])
        return Accepted("c", False)

    harness.connect.answers = [run_other_environment]
    (result,) = harness.process([[text_message(text)]])
    assert (outcome(result), harness.ledger.outcome("long")) == ("forwarded", "forwarded")
    assert harness.connect.contents[0] == long
    assert "".join([*other.connect.contents, *harness.connect.contents[1:]]) == long


def test_new_chats_have_the_customers_name_and_contact_attributes(delivery: Delivery) -> None:
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


def test_each_customer_has_a_conversation(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    texts = [text_message(payload("hi", originationNumber=who)) for who in (CUSTOMER, OTHER_CUSTOMER, CUSTOMER)]
    first, other, again = (delivered(harness.process([[text]])[0]) for text in texts)
    assert [result.new_chat for result in (first, other, again)] == [True, True, False]
    assert first.contact == again.contact != other.contact


def test_a_text_goes_through_the_transport_of_its_number_only(delivery: Delivery) -> None:
    harness = ForwardHarness(delivery)
    (result,) = harness.process([[text_message(payload("word " * 500, inboundMessageId="long"))]])
    assert (outcome(result), harness.ledger.outcome("long")) == ("forwarded", "forwarded")
    assert "".join(harness.connect.contents) == "word " * 500 and len(harness.connect.contents) == 3
    assert harness.other.calls == []


def test_a_start_chat_number_is_retried_where_the_function_cannot_start_chats() -> None:
    harness = ForwardHarness("start-chat")
    del harness.transports["start-chat"]
    (result,) = harness.process([[text_message(payload("hi"))]])
    assert isinstance(retry(result).error, UnexpectedError)
    assert harness.connect.calls == harness.other.calls == []


def test_only_retries_after_throttling_in_a_row_count_as_throttled() -> None:
    """Otherwise one 429 after an outage would be taken for the chat limit."""
    harness = ForwardHarness("integration-event")
    connect, text = harness.connect, payload("hi", inboundMessageId="one")
    assert isinstance(connect, FakeTransport)
    calls = connect.calls

    def throttled_before(error: BridgeError, *, batches: int) -> list[int]:
        before = []
        for _ in range(batches):
            harness.connect.always = error
            harness.process([[text_message(text)]])
            before.append(calls[-1].throttled_before)
        return before

    assert throttled_before(UnavailableError("500"), batches=9) == [0] * 9
    assert throttled_before(ThrottledError("429"), batches=3) == [0, 1, 2]
    assert throttled_before(ChatLimitError("429"), batches=2) == [3, 4]
    assert throttled_before(UnavailableError("500"), batches=2) == [5, 0]


def test_an_accepted_part_ends_the_row_of_throttled_retries() -> None:
    harness = ForwardHarness("integration-event", answers=[ThrottledError("429")] * 4)
    connect, text = harness.connect, payload("word " * 300, inboundMessageId="one")
    assert isinstance(connect, FakeTransport)
    harness.process([[text_message(text)]])
    connect.answers = [Accepted("contact-1"), OutOfTimeError("no token")]
    harness.process([[text_message(text)]])
    assert [request.throttled_before for request in connect.calls[4:6]] == [1, 0]
    assert "throttled" not in harness.ledger.record("one").attributes
