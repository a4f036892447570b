"""The transport of start-chat delivery: one chat per conversation, nothing twice, a new chat after one has ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge import forward
from bridge.aws.chat_sessions import ChatSession
from bridge.aws.start_chat import StartChat
from bridge.errors import (
    AccessRefusedError,
    AnswerLostError,
    BridgeError,
    ChatLimitError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.processing.rate_limiter import RateLimiter
from bridge.replies.participants import Participants
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, NoOpenChat
from testing.builders import ARN, BUSINESS_NUMBER, CONFIG, CUSTOMER, OTHER_CUSTOMER, starting_chats
from testing.chat_services import ENDED, refusal
from testing.harness import STREAMING_TOPIC, StartChatHarness, inbound_sms


def test_the_first_text_starts_a_chat_connects_the_customer_and_is_sent_there() -> None:
    harness = StartChatHarness()
    assert harness.send("hello", key="one") == Accepted("contact-1", True)
    assert harness.connect.calls == ["start", "connect", "send"]
    start, connection, message = harness.connect.requests
    assert start == {
        "InstanceId": "instance",
        "ContactFlowId": "flow",
        "ParticipantDetails": {"DisplayName": CUSTOMER},
        "Attributes": start["Attributes"],
        "ChatDurationInMinutes": 1500,
        "SupportedMessagingContentTypes": ["text/plain"],
        "ChatStreamingConfiguration": {"StreamingEndpointArn": STREAMING_TOPIC},
        "ClientToken": "one:1",
    }
    assert start["Attributes"]["queue"] == "sales" and "hi" not in start["Attributes"].values()
    assert connection["ConnectParticipant"] is True
    assert (message["Content"], message["ClientToken"]) == ("hello", "one-0")
    participants = harness.chats.participants("contact-1")
    assert participants == Participants(
        customer_number=CUSTOMER, business_number=BUSINESS_NUMBER, business_number_arn=ARN
    )


def test_later_texts_go_to_the_open_chat() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    assert harness.send("again", key="two") == Accepted("contact-1", False)
    assert harness.connect.calls == ["start", "connect", "send", "send"]
    assert harness.contents == [("contact-1", "hello"), ("contact-1", "again")]


def test_each_conversation_has_a_chat_of_its_own() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    assert harness.send("hello", key="two", customer=OTHER_CUSTOMER) == Accepted("contact-2", True)
    assert harness.send("again", key="three", customer=OTHER_CUSTOMER) == Accepted("contact-2", False)


@pytest.mark.parametrize("hours", [23.5, 24.5])
def test_an_expiring_connection_token_is_replaced(hours: float) -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.clock.time += hours * 3600
    assert harness.send("next day", key="two") == Accepted("contact-1", False)
    assert harness.connect.calls == ["start", "connect", "send", "connect", "send"]
    assert harness.contents == [("contact-1", "hello"), ("contact-1", "next day")]


def test_a_text_for_an_ended_chat_starts_a_new_one_and_is_sent_there_once() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.connect.over.add("contact-1")
    assert harness.send("are you there?", key="two") == Accepted("contact-2", True)
    assert harness.send("and now?", key="three") == Accepted("contact-2", False)
    assert harness.contents == [("contact-1", "hello"), ("contact-2", "are you there?"), ("contact-2", "and now?")]
    assert [*harness.connect.started] == ["one:1", "two:2"]


def test_a_long_text_continues_in_new_chats_when_chats_end_between_parts() -> None:
    harness = StartChatHarness()
    for number in range(3):
        assert harness.send(f"part {number}", key="long", number=number) == Accepted(f"contact-{number + 1}", True)
        harness.connect.over.add(f"contact-{number + 1}")
    assert [content for _, content in harness.contents] == ["part 0", "part 1", "part 2"]
    assert [*harness.connect.started] == ["long:1", "long:2", "long:3"]


@pytest.mark.parametrize("first_text", ["message", "initial-message"])
@pytest.mark.parametrize("call", ["start", "connect", "send"])
def test_a_lost_answer_opens_no_second_chat_and_shows_nothing_twice(call: str, first_text: str) -> None:
    harness = StartChatHarness(first_text=first_text)
    harness.connect.lost = [call, call]
    for number, said in enumerate(("hello", "again")):
        assert harness.send_until_accepted(said, key="one", number=number).contact == "contact-1"
    assert harness.connect.lost == []
    assert len(harness.connect.started) == 1
    assert harness.contents == [("contact-1", "hello"), ("contact-1", "again")]


def test_a_text_is_in_two_chats_only_if_the_first_ended_unrecorded() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.connect.lost = ["send"]
    with pytest.raises(UnavailableError):
        harness.send("again", key="two")
    harness.connect.over.add("contact-1")
    harness.send("again", key="two")
    assert harness.contents[1:] == [("contact-1", "again"), ("contact-2", "again")]


@pytest.mark.parametrize(("before", "after"), [("message", "initial-message"), ("initial-message", "message")])
@pytest.mark.parametrize("call", ["start", "connect"])
def test_a_text_is_shown_when_a_deploy_changes_first_text_after_a_lost_answer(
    call: str, before: str, after: str
) -> None:
    harness = StartChatHarness(first_text=before)
    harness.connect.lost = [call]
    with pytest.raises(UnavailableError):
        harness.send("hello", key="one")
    harness.route = starting_chats(first_text=after).routes[BUSINESS_NUMBER]
    contact = harness.send_until_accepted("hello", key="one").contact
    harness.send("again", key="two")
    assert [said for said in harness.contents if said[0] == contact] == [(contact, "hello"), (contact, "again")]


def test_equal_parts_of_a_text_are_all_shown() -> None:
    harness = StartChatHarness()
    for number in range(3):
        harness.send("ha ha", key="one", number=number)
    assert harness.contents == [("contact-1", "ha ha")] * 3


def test_a_chat_that_was_started_and_not_connected_is_used() -> None:
    harness = StartChatHarness()
    harness.connect.errors = {"connect": [refusal("InternalServerException", 500)]}
    with pytest.raises(UnavailableError):
        harness.send("hello", key="one")
    assert harness.send("hello", key="one") == Accepted("contact-1", False)
    assert harness.connect.calls.count("start") == 1


def test_a_text_sent_as_initial_message_is_not_sent_again() -> None:
    harness = StartChatHarness(first_text="initial-message")
    harness.connect.errors = {"connect": [refusal("InternalServerException", 500)]}
    with pytest.raises(UnavailableError):
        harness.send("hello", key="one")
    assert harness.send("hello", key="one") == Accepted("contact-1", True)
    harness.send("more", key="one", number=1)
    assert harness.contents == [("contact-1", "hello"), ("contact-1", "more")]


def test_a_chat_that_ended_before_the_customer_was_connected_is_replaced() -> None:
    harness = StartChatHarness(first_text="initial-message")
    harness.connect.errors = {"connect": [refusal("InternalServerException", 500)]}
    with pytest.raises(UnavailableError):
        harness.send("hello", key="one")
    harness.connect.over.add("contact-1")  # five minutes later
    assert harness.send("hello", key="one") == Accepted("contact-2", True)
    assert harness.send("more", key="two") == Accepted("contact-2", False)


def test_access_denied_without_a_token_does_not_mean_an_ended_chat() -> None:
    harness = StartChatHarness()
    harness.connect.errors = {"start": [ENDED]}
    with pytest.raises(AccessRefusedError):
        harness.send("hello")
    assert harness.connect.calls == ["start"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("InternalServerException", 500),
        ("ValidationException", 400),
        ("ResourceNotFoundException", 404),
        ("SomethingNew", 403),
    ],
)
def test_no_other_error_means_an_ended_chat(code: str, status: int) -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.connect.errors = {"send": [refusal(code, status)]}
    with pytest.raises(BridgeError):
        harness.send("again", key="two")
    assert harness.send("again", key="two") == Accepted("contact-1", False)
    assert harness.connect.calls.count("start") == 1


def test_only_a_lost_answer_of_a_message_counts_as_one_that_may_show_it_again() -> None:
    for call, error in (("start", UnavailableError), ("connect", UnavailableError), ("send", AnswerLostError)):
        harness = StartChatHarness()
        harness.connect.lost = [call]
        with pytest.raises(UnavailableError) as raised:
            harness.send("hello")
        assert type(raised.value) is error


@pytest.mark.parametrize(
    ("name", "code", "status", "expected"),
    [
        ("start", "LimitExceededException", 429, ChatLimitError),
        ("start", "InvalidRequestException", 400, RejectedError),
        ("send", "ThrottlingException", 429, ThrottledError),
        ("send", "InternalServerException", 500, UnavailableError),
        ("send", "ValidationException", 400, RejectedError),
    ],
)
def test_errors_have_the_same_class_as_those_of_integration_events(
    name: str, code: str, status: int, expected: type[Exception]
) -> None:
    harness = StartChatHarness()
    harness.connect.errors = {name: [refusal(code, status)]}
    with pytest.raises(expected):
        harness.send("hello")


def test_a_disconnect_ends_the_chat_and_the_next_text_starts_another() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    assert harness.send(ChatPart("DISCONNECT"), key="two") == Accepted("contact-1", False)
    assert harness.send(ChatPart("DISCONNECT"), key="three") == NoOpenChat()
    assert harness.send("hello again", key="four") == Accepted("contact-2", True)


def test_disconnecting_an_ended_chat_is_not_an_error() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.connect.over.add("contact-1")
    assert harness.send(ChatPart("DISCONNECT"), key="two") == NoOpenChat()


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFoundException"])
def test_a_rejected_disconnect_means_that_no_chat_is_open(code: str) -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.connect.errors = {"disconnect": [refusal(code, 400)]}
    assert harness.send(ChatPart("DISCONNECT"), key="two") == NoOpenChat()


def test_the_number_of_an_option_is_sent_as_its_title_until_the_next_reply() -> None:
    """A customer who thinks again may choose again, and the retry of an answer that was accepted stays the same."""
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.chats.save_options("contact-1", ("Sales", "Service"))
    harness.connect.lost = ["send"]
    for key, answer in (("two", " 2. "), ("three", "1")):
        harness.send_until_accepted(answer, key=key)
    harness.chats.save_options("contact-1", ())  # as reply does before a reply without options
    harness.send_until_accepted("1", key="four")
    assert [content for _, content in harness.contents] == ["hello", "Service", "Sales", "1"]


@pytest.mark.parametrize("limited", ["connection", "disconnect"])
def test_customers_are_connected_and_disconnected_within_connects_rates(limited: str) -> None:
    harness = StartChatHarness(rates={limited: 2})
    began = harness.clock.time
    for n in range(6):
        while True:
            try:
                harness.send("hello", key=f"{n}", customer=f"+1425555018{n}")
            except OutOfTimeError:  # a text that has to start a chat does not wait for a token in its batch
                harness.clock.time += 0.5
            else:
                break
        harness.send(ChatPart("DISCONNECT"), key=f"{n}", number=1, customer=f"+1425555018{n}")
    assert harness.clock.time - began == 2, "two at once, then one in half a second"


@pytest.mark.parametrize(
    ("name", "limiter"),
    [("start", "_start_limiter"), ("connect", "_connection_limiter"), ("disconnect", "_disconnect_limiter")],
)
def test_a_429_lowers_the_rate_of_the_operation_called_alone(name: str, limiter: str) -> None:
    harness = StartChatHarness()
    limiters: dict[str, RateLimiter] = {
        name: of for name, of in vars(harness.transport).items() if isinstance(of, RateLimiter)
    }
    harness.connect.errors = {name: [refusal("TooManyRequestsException", 429)]}
    with pytest.raises(ThrottledError):
        harness.send("hello")
        harness.send(ChatPart("DISCONNECT"))
    assert {name for name, of in limiters.items() if of.rate < 1000} == {limiter}


def test_a_text_that_cannot_start_its_chat_now_returns_at_once() -> None:
    """Texts for open chats wait in the same batch."""
    harness = StartChatHarness(rates={"start": 2})
    began, tokens = harness.clock.time, []
    for n in range(6):
        try:
            harness.send("hello", key=f"{n}", customer=f"+1425555018{n}")
        except OutOfTimeError as exc:
            tokens.append(exc.retry_after)
    assert harness.connect.calls.count("start") == 2
    assert tokens == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert harness.clock.time == began


def test_an_instance_that_starts_no_chat_for_a_minute_is_full() -> None:
    """StartChatContact may answer a full instance with a 429: messages in open chats are accepted all the time."""
    harness = StartChatHarness()
    harness.send("hello", key="open")
    harness.connect.errors = {"start": [refusal("ThrottlingException", 429)] * 40}
    for n in range(12):
        with pytest.raises(ThrottledError):
            harness.send("hello", key=f"{n}", customer=f"+142555502{n:02}")
        harness.clock.time += 5
    harness.send("more", key="open-2")
    harness.clock.time += 5
    with pytest.raises(ChatLimitError):
        harness.send("hello", key="late", customer="+14255550299")
    harness.clock.time += 60
    with pytest.raises(ThrottledError):
        harness.send("hello", key="later", customer="+14255550299")


def test_no_chat_is_started_after_the_deadline() -> None:
    harness = StartChatHarness()
    with pytest.raises(OutOfTimeError):
        harness.send("hello", deadline=harness.clock.time)
    assert harness.connect.calls == []


def test_no_chat_is_ended_after_the_deadline() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    with pytest.raises(OutOfTimeError):
        harness.send(ChatPart("DISCONNECT"), key="two", deadline=harness.clock.time)
    assert harness.send(ChatPart("DISCONNECT"), key="two") == Accepted("contact-1", False)


def test_the_agent_is_told_only_in_the_open_chat() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    harness.agents.tell_agent("contact-1", "[not delivered]")
    harness.chats.record_end(inbound_sms("one").conversation_id, "contact-1")
    harness.agents.tell_agent("contact-1", "[not delivered]")
    harness.send("again", key="two")
    harness.agents.tell_agent("contact-1", "[not delivered]")
    harness.agents.tell_agent("unknown", "[not delivered]")
    assert harness.contents == [("contact-1", "hello"), ("contact-1", "[not delivered]"), ("contact-2", "again")]


def test_a_file_has_a_link_while_its_chat_is_open() -> None:
    harness = StartChatHarness()
    harness.send("hello", key="one")
    assert harness.agents.attachment_link("contact-1", "a1") == "https://example.com/a1?for=300"
    assert harness.agents.attachment_link("unknown", "a1") is None
    harness.connect.errors["attachment"] = [refusal("AccessDeniedException", 403)]
    with pytest.raises(AccessRefusedError):
        harness.agents.attachment_link("contact-1", "a1")
    harness.chats.record_end(inbound_sms("one").conversation_id, "contact-1")
    assert harness.agents.attachment_link("contact-1", "a1") is None


def test_the_repr_of_a_chat_session_holds_no_token() -> None:
    chat = ChatSession(generation=1, contact="c", participant_token="secret", connection_token="secret")
    assert "secret" not in repr(chat)


def test_each_operation_of_connect_has_a_rate_limiter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    limits = replace(
        CONFIG.limits,
        max_concurrency=4,
        start_chat_rate=4,
        connection_rate=8,
        message_rate=12,
        disconnect_rate=16,
    )
    nobody: Any = None
    transport = forward._start_chat(
        replace(CONFIG, limits=limits), nobody, nobody, table="chats", topic=STREAMING_TOPIC
    )
    assert isinstance(transport, StartChat)
    limiters = (
        *(transport._start_limiter, transport._connection_limiter),
        *(transport._message_limiter, transport._disconnect_limiter),
    )
    assert [limiter.rate for limiter in limiters] == [1, 2, 3, 4]
