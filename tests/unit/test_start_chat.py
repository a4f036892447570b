"""Delivery through the public chat APIs: one chat per conversation, nothing twice, a new chat when one has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from bridge import forward
from bridge.answering import Party
from bridge.chats import Chat
from bridge.compose import Accepted, Part, new_session
from bridge.config import StartChatRoute
from bridge.errors import (
    AccessRefusedError,
    ChatLimitError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.notification import InboundSms, Notification
from bridge.pacing import Pacer
from bridge.settings import ForwardSettings
from bridge.start_chat import ChatAgents, StartChat
from tests.unit.fakes import ARN, CONFIG, CUSTOMER, OURS, FakeClock, payload, record

FLOW = StartChatRoute(instance_id="instance", contact_flow_id="flow", chat_minutes=1500, first_text="message")
TOPIC = "arn:aws:sns:us-east-1:111122223333:streaming"


def refusal(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Call",
    )


ENDED = refusal("AccessDeniedException", 403)


class Connect:
    """Both services, with the client tokens and endings that they document."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.shown: list[tuple[str, str]] = []
        self.over: set[str] = set()
        self.trouble: dict[str, list[Exception | None]] = {}
        self._started: dict[str, str] = {}
        self._said: set[str] = set()

    def start_chat_contact(self, **request: Any) -> dict[str, Any]:
        self._call("start", request)
        token = request["ClientToken"]
        new = token not in self._started
        contact = self._started.setdefault(token, f"contact-{len(self._started) + 1}")
        if new and "InitialMessage" in request:
            self.shown.append((contact, request["InitialMessage"]["Content"]))
        return {"ContactId": contact, "ParticipantId": "p", "ParticipantToken": f"participant/{contact}"}

    def create_participant_connection(self, **request: Any) -> dict[str, Any]:
        self._call("connect", request)
        contact = request["ParticipantToken"].removeprefix("participant/")
        self._open(contact)
        expiry = self.clock.time + 86_400
        return {
            "ConnectionCredentials": {
                "ConnectionToken": f"connection/{contact}/{len(self.calls)}",
                "Expiry": datetime.fromtimestamp(expiry, UTC).isoformat().replace("+00:00", "Z"),
            }
        }

    def get_attachment(self, **request: Any) -> dict[str, Any]:
        self._call("attachment", request)
        self._open(request["ConnectionToken"].split("/")[1])
        return {"Url": f"https://example.com/{request['AttachmentId']}?for={request['UrlExpiryInSeconds']}"}

    def send_message(self, **request: Any) -> dict[str, Any]:
        self._call("send", request)
        contact = request["ConnectionToken"].split("/")[1]
        self._open(contact)
        if request.get("ClientToken") not in self._said:
            self.shown.append((contact, request["Content"]))
        self._said.add(request.get("ClientToken", ""))
        return {"Id": "m"}

    def disconnect_participant(self, **request: Any) -> dict[str, Any]:
        self._call("disconnect", request)
        contact = request["ConnectionToken"].split("/")[1]
        self._open(contact)
        self.over.add(contact)
        return {}

    def _call(self, name: str, request: dict[str, Any]) -> None:
        self.calls.append(name)
        self.requests.append(request)
        planned = self.trouble.get(name)
        if planned and (exc := planned.pop(0)):
            raise exc

    def _open(self, contact: str) -> None:
        if contact in self.over:
            raise ENDED


class Memory:
    """The table of open chats, as a dictionary with its conditions."""

    def __init__(self) -> None:
        self.chats: dict[str, Chat] = {}
        self.parties: dict[str, tuple[str, Party]] = {}

    def latest(self, conversation: str) -> Chat | None:
        return self.chats.get(conversation)

    def started(self, conversation: str, party: Party, chat: Chat) -> None:
        self.parties[chat.contact] = conversation, party
        self.chats[conversation] = chat

    def connected(self, conversation: str, chat: Chat) -> None:
        self.chats[conversation] = chat

    def ended(self, conversation: str, contact: str) -> None:
        chat = self.chats[conversation]
        if chat.contact == contact:
            self.chats[conversation] = replace(chat, ended=True)

    def contact(self, contact: str) -> Party | None:
        return self.parties[contact][1] if contact in self.parties else None

    def conversation(self, contact: str) -> str | None:
        return self.parties[contact][0] if contact in self.parties else None

    def remember_options(self, contact: str, options: tuple[str, ...]) -> None:
        conversation, party = self.parties[contact]
        self.parties[contact] = conversation, replace(party, options=options)


class Desk:
    def __init__(self, *, first_text: str = "message") -> None:
        self.clock = FakeClock()
        self.connect, self.memory = Connect(self.clock), Memory()
        pacer = Pacer(rate=1000, environments=1, monotonic=self.clock.now, sleep=self.clock.sleep)
        client: Any = self.connect
        memory: Any = self.memory
        self.channel = StartChat(
            connect=client,
            participant=client,
            chats=memory,
            starting=pacer,
            connecting=pacer,
            ending=pacer,
            streaming_topic_arn=TOPIC,
            now=self.clock.now,
        )
        self.agents = ChatAgents(participant=client, chats=memory)
        self.route = replace(CONFIG.routes[OURS], start_chat=replace(FLOW, first_text=first_text))  # type: ignore[arg-type]

    def send(self, said: str | Part, *, key: str = "text", number: int = 0, until: float | None = None) -> Accepted:
        part = Part("MESSAGE", said) if isinstance(said, str) else said
        sms = text(key)
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


def text(key: str) -> InboundSms:
    return Notification.from_record(record(payload("hi", inboundMessageId=key))).inbound_sms()


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
        "ChatStreamingConfiguration": {"StreamingEndpointArn": TOPIC},
        "ClientToken": "one:1",
    }
    assert start["Attributes"]["queue"] == "sales" and "hi" not in start["Attributes"].values()
    assert connection["ConnectParticipant"] is True
    assert (message["Content"], message["ClientToken"]) == ("hello", "one-0")
    party = desk.memory.contact("contact-1")
    assert party == Party(customer=CUSTOMER, ours=OURS, ours_arn=ARN)


def test_later_texts_go_to_the_open_chat() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    assert desk.send("again", key="two") == Accepted("contact-1", False)
    assert desk.connect.calls == ["start", "connect", "send", "send"]


def test_the_connection_is_renewed_before_its_token_expires() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.clock.time += 23.5 * 3600
    desk.send("next day", key="two")
    assert desk.connect.calls == ["start", "connect", "send", "connect", "send"]
    assert desk.contents[-1] == ("contact-1", "next day")


def test_a_chat_that_has_ended_is_replaced_by_a_new_one_and_the_text_is_sent_there_once() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    desk.connect.over.add("contact-1")
    assert desk.send("are you there?", key="two") == Accepted("contact-2", True)
    assert desk.contents == [("contact-1", "hello"), ("contact-2", "are you there?")]
    assert desk.connect.requests[-3]["ClientToken"] == "two:2"


def test_a_retry_opens_no_second_chat_and_shows_nothing_twice() -> None:
    desk = Desk()
    desk.connect.trouble = {"start": [ReadTimeoutError(endpoint_url="x")]}
    for _ in range(2):
        try:
            desk.send("hello", key="one")
        except UnavailableError:
            continue
    desk.send("hello", key="one")
    assert {request.get("ClientToken") for request in desk.connect.requests if "ContactFlowId" in request} == {"one:1"}
    assert desk.contents == [("contact-1", "hello")]


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


def test_access_denied_without_a_token_is_somebodys_configuration_and_no_ended_chat() -> None:
    desk = Desk()
    desk.connect.trouble = {"start": [ENDED]}
    with pytest.raises(AccessRefusedError):
        desk.send("hello")
    assert desk.connect.calls == ["start"]


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
    desk.memory.remember_options("contact-1", ("Sales", "Service"))
    for key in ("two", "three"):
        desk.send(" 2. ", key=key)
    assert [content for _, content in desk.contents] == ["hello", "Service", " 2. "]


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
    desk.memory.ended(text("one").conversation, "contact-1")
    desk.agents.tell_agent("contact-1", "[not delivered]")
    desk.agents.tell_agent("unknown", "[not delivered]")
    assert desk.contents == [("contact-1", "hello"), ("contact-1", "[not delivered]")]


def test_a_file_has_a_link_while_its_chat_is_open() -> None:
    desk = Desk()
    desk.send("hello", key="one")
    assert desk.agents.attachment_link("contact-1", "a1") == "https://example.com/a1?for=300"
    assert desk.agents.attachment_link("unknown", "a1") is None
    desk.connect.trouble["attachment"] = [refusal("AccessDeniedException", 403)]
    with pytest.raises(AccessRefusedError):
        desk.agents.attachment_link("contact-1", "a1")
    desk.memory.ended(text("one").conversation, "contact-1")
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
        streaming_topic_arn=TOPIC,
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
