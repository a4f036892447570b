"""Delivery through the public chat APIs: one chat per conversation, nothing twice, a new chat when one has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bridge import forward
from bridge.answering import Party
from bridge.chats import Chat
from bridge.compose import Accepted, Part, new_session
from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    ChatLimitError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
)
from bridge.notification import InboundSms, Notification
from bridge.pacing import Pacer
from bridge.settings import ForwardSettings
from bridge.start_chat import ChatAgents, StartChat
from tests.model.table import Table
from tests.unit.chat_services import ENDED, ChatServices, refusal
from tests.unit.fakes import ARN, CONFIG, CUSTOMER, OTHER_CUSTOMER, OURS, FakeClock, payload, record
from tests.unit.stages import STREAMING_TOPIC, open_chats, start_chat, starting_chats


class Desk:
    """The way into the chat as it is, over open chats in a table."""

    def __init__(self, *, rates: Mapping[str, float] | None = None, **how: Any) -> None:
        self.clock = FakeClock()
        self.connect = ChatServices(self.clock)
        self.chats = open_chats(Table(by="chat_key"), self.clock)
        self.channel = start_chat(self.connect, self.chats, self.clock, **rates or {})
        self.agents = ChatAgents(participant=self.connect, chats=self.chats)
        self.route = starting_chats(**how).routes[OURS]

    def send(
        self,
        said: str | Part,
        *,
        key: str = "text",
        number: int = 0,
        customer: str = CUSTOMER,
        until: float | None = None,
    ) -> Accepted:
        part = Part("MESSAGE", said) if isinstance(said, str) else said
        sms = text(key, customer=customer)
        return self.channel.send(
            part,
            number=number,
            sms=sms,
            route=self.route,
            session=new_session(sms, self.route, CONFIG.chat),
            until=self.clock.time + 10 if until is None else until,
        )

    @property
    def contents(self) -> list[tuple[str, str]]:
        return self.connect.shown

    def send_until_taken(self, said: str, *, key: str, number: int = 0) -> Accepted:
        """As often as it takes."""
        while True:
            try:
                return self.send(said, key=key, number=number)
            except TransientError:
                continue


def text(key: str, *, customer: str = CUSTOMER) -> InboundSms:
    sms = payload("hi", inboundMessageId=key, originationNumber=customer)
    return Notification.from_record(record(sms)).inbound_sms()


def test_the_first_text_starts_a_chat_connects_the_customer_and_is_sent_there() -> None:
    desk = Desk()
    assert desk.send("hello", key="one") == Accepted("contact-1", True)
    assert desk.connect.calls == ["start", "connect", "send"]
    start, connection, message = desk.connect.requests
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
    party = desk.chats.contact("contact-1")
    assert party == Party(customer=CUSTOMER, ours=OURS, ours_arn=ARN)


def test_later_texts_go_to_the_open_chat() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    assert desk.send("again", key="two") == Accepted("contact-1", False)
    assert desk.connect.calls == ["start", "connect", "send", "send"]
    assert desk.contents == [("contact-1", "hello"), ("contact-1", "again")]


def test_each_conversation_has_a_chat_of_its_own() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    assert desk.send("hello", key="two", customer=OTHER_CUSTOMER) == Accepted("contact-2", True)
    assert desk.send("again", key="three", customer=OTHER_CUSTOMER) == Accepted("contact-2", False)


@pytest.mark.parametrize("hours", [23.5, 24.5])
def test_a_chat_that_outlives_its_connection_token_goes_on_with_another_one(hours: float) -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.clock.time += hours * 3600
    assert desk.send("next day", key="two") == Accepted("contact-1", False)
    assert desk.connect.calls == ["start", "connect", "send", "connect", "send"]
    assert desk.contents == [("contact-1", "hello"), ("contact-1", "next day")]


def test_a_chat_that_has_ended_is_replaced_by_a_new_one_and_the_text_is_sent_there_once() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.connect.over.add("contact-1")
    assert desk.send("are you there?", key="two") == Accepted("contact-2", True)
    assert desk.send("and now?", key="three") == Accepted("contact-2", False)
    assert desk.contents == [("contact-1", "hello"), ("contact-2", "are you there?"), ("contact-2", "and now?")]
    assert [*desk.connect.started] == ["one:1", "two:2"]


def test_a_long_text_whose_chats_end_between_its_parts_goes_on_in_new_ones() -> None:
    desk = Desk()
    for number in range(3):
        assert desk.send(f"part {number}", key="long", number=number) == Accepted(f"contact-{number + 1}", True)
        desk.connect.over.add(f"contact-{number + 1}")
    assert [content for _, content in desk.contents] == ["part 0", "part 1", "part 2"]
    assert [*desk.connect.started] == ["long:1", "long:2", "long:3"]


@pytest.mark.parametrize("first_text", ["message", "initial-message"])
@pytest.mark.parametrize("call", ["start", "connect", "send"])
def test_a_lost_answer_opens_no_second_chat_and_shows_nothing_twice(call: str, first_text: str) -> None:
    desk = Desk(first_text=first_text)
    desk.connect.lost = [call, call]
    for number, said in enumerate(("hello", "again")):
        assert desk.send_until_taken(said, key="one", number=number).contact == "contact-1"
    assert desk.connect.lost == []
    assert len(desk.connect.started) == 1
    assert desk.contents == [("contact-1", "hello"), ("contact-1", "again")]


def test_a_text_is_in_two_chats_only_where_the_first_ended_before_it_was_noted() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.connect.lost = ["send"]
    with pytest.raises(UnavailableError):
        desk.send("again", key="two")
    desk.connect.over.add("contact-1")
    desk.send("again", key="two")
    assert desk.contents[1:] == [("contact-1", "again"), ("contact-2", "again")]


@pytest.mark.parametrize(("before", "after"), [("message", "initial-message"), ("initial-message", "message")])
@pytest.mark.parametrize("call", ["start", "connect"])
def test_a_text_is_shown_also_when_a_deploy_changed_how_chats_begin_after_a_lost_answer(
    call: str, before: str, after: str
) -> None:
    desk = Desk(first_text=before)
    desk.connect.lost = [call]
    with pytest.raises(UnavailableError):
        desk.send("hello", key="one")
    desk.route = starting_chats(first_text=after).routes[OURS]
    contact = desk.send("hello", key="one").contact
    desk.send("again", key="two")
    assert [said for said in desk.contents if said[0] == contact] == [(contact, "hello"), (contact, "again")]


def test_equal_parts_of_a_text_are_all_shown() -> None:
    desk = Desk()
    for number in range(3):
        desk.send("ha ha", key="one", number=number)
    assert desk.contents == [("contact-1", "ha ha")] * 3


def test_a_chat_whose_start_was_noted_and_no_more_is_gone_on_with() -> None:
    desk = Desk()
    desk.connect.trouble = {"connect": [refusal("InternalServerException", 500)]}
    with pytest.raises(UnavailableError):
        desk.send("hello", key="one")
    assert desk.send("hello", key="one") == Accepted("contact-1", False)
    assert desk.connect.calls.count("start") == 1


def test_the_text_that_starts_a_chat_can_go_with_its_start_and_is_not_sent_again() -> None:
    desk = Desk(first_text="initial-message")
    desk.connect.trouble = {"connect": [refusal("InternalServerException", 500)]}
    with pytest.raises(UnavailableError):
        desk.send("hello", key="one")
    assert desk.send("hello", key="one") == Accepted("contact-1", True)
    desk.send("more", key="one", number=1)
    assert desk.contents == [("contact-1", "hello"), ("contact-1", "more")]


def test_a_chat_that_began_with_its_text_and_ended_before_the_customer_was_connected_is_replaced() -> None:
    desk = Desk(first_text="initial-message")
    desk.connect.trouble = {"connect": [refusal("InternalServerException", 500)]}
    with pytest.raises(UnavailableError):
        desk.send("hello", key="one")
    desk.connect.over.add("contact-1")  # five minutes later
    assert desk.send("hello", key="one") == Accepted("contact-2", True)
    assert desk.send("more", key="two") == Accepted("contact-2", False)


def test_access_denied_without_a_token_is_somebodys_configuration_and_no_ended_chat() -> None:
    desk = Desk()
    desk.connect.trouble = {"start": [ENDED]}
    with pytest.raises(AccessRefusedError):
        desk.send("hello")
    assert desk.connect.calls == ["start"]


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
def test_no_other_answer_is_taken_for_an_ended_chat(code: str, status: int) -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.connect.trouble = {"send": [refusal(code, status)]}
    with pytest.raises(BridgeError):
        desk.send("again", key="two")
    assert desk.send("again", key="two") == Accepted("contact-1", False)
    assert desk.connect.calls.count("start") == 1


def test_a_new_chat_that_is_over_at_once_is_blocked_and_not_replaced_again_and_again() -> None:
    desk = Desk()
    desk.connect.trouble = {"connect": [ENDED]}
    with pytest.raises(AccessRefusedError):
        desk.send("hello", key="one")
    assert desk.connect.calls == ["start", "connect"]
    assert desk.send("hello", key="one") == Accepted("contact-2", True)


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
def test_other_answers_mean_what_they_mean_on_the_other_path(
    name: str, code: str, status: int, expected: type[Exception]
) -> None:
    desk = Desk()
    desk.connect.trouble = {name: [refusal(code, status)]}
    with pytest.raises(expected):
        desk.send("hello")


def test_a_disconnect_ends_the_chat_and_the_next_text_starts_another() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    assert desk.send(Part("DISCONNECT"), key="two") == Accepted("contact-1", False)
    assert desk.send(Part("DISCONNECT"), key="three") == Accepted(None, False)
    assert desk.send("hello again", key="four") == Accepted("contact-2", True)


def test_ending_a_chat_that_ended_by_itself_is_nothing_to_do() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.connect.over.add("contact-1")
    assert desk.send(Part("DISCONNECT"), key="two") == Accepted(None, False)


def test_a_number_is_the_option_that_was_offered_and_only_once() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.chats.remember_options("contact-1", ("Sales", "Service"))
    desk.connect.lost = ["send"]
    for key in ("two", "three"):
        desk.send_until_taken(" 2. ", key=key)
    assert [content for _, content in desk.contents] == ["hello", "Service", " 2. "]


@pytest.mark.parametrize("pace", ["starting", "connecting", "ending"])
def test_chats_are_started_connected_and_ended_no_faster_than_connect_allows(pace: str) -> None:
    desk = Desk(rates={pace: 2})
    began = desk.clock.time
    for n in range(6):
        desk.send("hello", key=f"{n}", customer=f"+1425555018{n}")
        desk.send(Part("DISCONNECT"), key=f"{n}", number=1, customer=f"+1425555018{n}")
    assert desk.clock.time - began == 2, "two at once, then one in half a second"


@pytest.mark.parametrize(
    ("name", "pace"), [("start", "_starting"), ("connect", "_connecting"), ("disconnect", "_ending")]
)
def test_a_429_halves_the_pace_of_what_was_called(name: str, pace: str) -> None:
    desk = Desk()
    pacer: Pacer = getattr(desk.channel, pace)
    before = pacer.rate
    desk.connect.trouble = {name: [refusal("TooManyRequestsException", 429)]}
    with pytest.raises(ThrottledError):
        desk.send("hello")
        desk.send(Part("DISCONNECT"))
    assert pacer.rate == before / 2


def test_no_chat_is_started_after_the_deadline() -> None:
    desk = Desk()
    with pytest.raises(OutOfTimeError):
        desk.send("hello", until=desk.clock.time)
    assert desk.connect.calls == []


def test_no_chat_is_ended_after_the_deadline() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    with pytest.raises(OutOfTimeError):
        desk.send(Part("DISCONNECT"), key="two", until=desk.clock.time)
    assert desk.send(Part("DISCONNECT"), key="two") == Accepted("contact-1", False)


def test_the_agent_is_told_in_the_open_chat_and_nowhere_else() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.agents.tell_agent("contact-1", "[not delivered]")
    desk.chats.ended(text("one").conversation, "contact-1")
    desk.agents.tell_agent("contact-1", "[not delivered]")
    desk.send("again", key="two")
    desk.agents.tell_agent("contact-1", "[not delivered]")
    desk.agents.tell_agent("unknown", "[not delivered]")
    assert desk.contents == [("contact-1", "hello"), ("contact-1", "[not delivered]"), ("contact-2", "again")]


def test_a_file_has_a_link_while_its_chat_is_open() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    assert desk.agents.attachment_link("contact-1", "a1") == "https://example.com/a1?for=300"
    assert desk.agents.attachment_link("unknown", "a1") is None
    desk.connect.trouble["attachment"] = [refusal("AccessDeniedException", 403)]
    with pytest.raises(AccessRefusedError):
        desk.agents.attachment_link("contact-1", "a1")
    desk.chats.ended(text("one").conversation, "contact-1")
    assert desk.agents.attachment_link("contact-1", "a1") is None


def test_what_is_printed_of_a_chat_holds_no_token() -> None:
    chat = Chat(generation=1, contact="c", participant_token="secret", connection_token="secret")
    assert "secret" not in repr(chat)


def test_each_of_connects_apis_has_a_pace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = ForwardSettings(
        conversations_queue_url="",
        failed_queue_url="",
        ledger_table="",
        chats_table="chats",
        streaming_topic_arn=STREAMING_TOPIC,
    )
    limits = replace(
        CONFIG.limits,
        max_concurrency=4,
        start_chat_rate=4,
        connection_rate=8,
        message_rate=12,
        disconnect_rate=16,
    )
    nobody: Any = None
    made = forward._start_chat(settings, replace(CONFIG, limits=limits), nobody, nobody)
    assert made
    channel, sending = made
    assert isinstance(channel, StartChat)
    paces = (channel._starting, channel._connecting, sending, channel._ending)
    assert [pace.rate for pace in paces] == [1, 2, 3, 4]
