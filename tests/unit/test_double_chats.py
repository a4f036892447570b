"""The double's public chat APIs, its agents, its notifications and its phones, asked by real botocore clients."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from rich.console import Console

from ops.sandbox import chats_table
from sandbox.double.app import create_app
from sandbox.double.chats import find
from sandbox.double.connect import ContactCentre
from sandbox.double.model import target_json
from sandbox.double.streaming import Done, SnsPublisher
from tests.unit.test_double import World

CUSTOMER, OTHER = "+14255550182", "+14255550183"
OURS, OURS_TOO = "+12125550101", "+12125550102"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef"
ARN_TOO = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-fedcba9876543210fedcba9876543210"
TOPIC = "arn:aws:sns:us-east-1:111122223333:agents"
INSTANCE = "12345678-1234-1234-1234-123456789012"
FLOW = f"arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}/contact-flow/{INSTANCE}"
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"
EVENT = "application/vnd.amazonaws.connect.event."
SERVICES = ("connect", "connectparticipant", "pinpoint-sms-voice-v2")


@functools.cache
def client(service: str) -> Any:
    """One for all tests: to load the model of `connect` takes a while."""
    session: Any = boto3
    return session.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


class Chats(World):
    """The double with clients for all that it plays, and in place of SNS a list."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[tuple[dict[str, Any], float]] = []
        self.centre = ContactCentre(clock=self.clock, monotonic=self.clock, publish=self._publish)
        self.app = create_app(self.centre, cut=self.cut.append)
        self.connect, self.participant, self.sms = (client(service) for service in SERVICES)
        self.control("POST", "numbers", json=[{"number": OURS, "arn": ARN}, {"number": OURS_TOO, "arn": ARN_TOO}])
        self.control("POST", "settings", json={"rates": {"*": [1000, 1000]}, "recipient_rate": 1000})

    def _publish(self, entry: dict[str, Any], delay: float, done: Done) -> None:
        self.published.append((entry, delay))
        done(None)

    def start(self, *, customer: str = CUSTOMER, **more: Any) -> dict[str, Any]:
        request = {
            "InstanceId": INSTANCE,
            "ContactFlowId": FLOW,
            "ParticipantDetails": {"DisplayName": "Ana"},
            "Attributes": {"originationNumber": customer, "destinationNumber": OURS},
            "ChatStreamingConfiguration": {"StreamingEndpointArn": TOPIC},
        }
        request |= more
        return self.connect.start_chat_contact(**{k: v for k, v in request.items() if v})  # type: ignore[no-any-return]

    def join(self, started: dict[str, Any], **more: Any) -> str:
        """The connection token."""
        request = {"Type": ["CONNECTION_CREDENTIALS"], "ConnectParticipant": True} | more
        answer = self.participant.create_participant_connection(ParticipantToken=started["ParticipantToken"], **request)
        return str(answer["ConnectionCredentials"]["ConnectionToken"])

    def chat(self, **how: Any) -> tuple[str, str]:
        """A chat that has begun: its contact and a connection token."""
        started = self.start(**how)
        return started["ContactId"], self.join(started)

    def say(self, token: str, content: str = "hello", **more: Any) -> dict[str, Any]:
        request = {"ContentType": "text/plain", "Content": content} | more
        return self.participant.send_message(ConnectionToken=token, **request)  # type: ignore[no-any-return]

    def text(self, body: str = "hi", *, to: str = CUSTOMER, origin: str = ARN, **more: Any) -> str:
        answer = self.sms.send_text_message(
            DestinationPhoneNumber=to, OriginationIdentity=origin, MessageBody=body, **more
        )
        return str(answer["MessageId"])

    def act(self, action: str, chat: str, **more: Any) -> dict[str, Any]:
        return self.control("POST", "agent", json={"action": action, "chat": chat, **more})  # type: ignore[no-any-return]

    def cannot(self, action: str, chat: str, **more: Any) -> str:
        response = self.http("POST", "/_double/agent", json={"action": action, "chat": chat, **more})
        assert response.status_code == 400
        return str(response.json()["error"])

    def chats(self) -> list[dict[str, Any]]:
        return self.control("GET", "chats")["chats"]  # type: ignore[no-any-return]

    def phone(self, number: str = CUSTOMER) -> list[str]:
        return [text["body"] for text in self.control("GET", "phone", params={"number": number})["texts"]]

    def told(self) -> list[tuple[str, str | None]]:
        """Kind (the last word of an event's type) and content of every notification."""
        bodies = [entry["body"] for entry, _ in self.published]
        return [(body["ContentType"].removeprefix(EVENT), body.get("Content")) for body in bodies]


@pytest.fixture
def world() -> Iterator[Chats]:
    world = Chats()
    for service in SERVICES:
        client(service).meta.events.register(f"before-send.{service}", world.answer)
    yield world
    for service in SERVICES:
        client(service).meta.events.unregister(f"before-send.{service}", world.answer)


def refusal(call: Any, *arguments: Any, **request: Any) -> str:
    """Code of the error, and its Reason where it has one."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **request)
    error = caught.value.response
    assert error["Error"]["Message"]
    return f"{error['Error']['Code']} {dict(error).get('Reason', '')}".rstrip()


# Starting a chat


def test_a_started_chat_takes_messages_once_its_customer_is_connected(world: Chats) -> None:
    started = world.start()
    assert world.chats()[0]["connected"] is False
    token = world.join(started)
    world.say(token, "hello")
    (chat,) = world.chats()
    assert (chat["contact"], chat["connected"], chat["delivery"]) == (started["ContactId"], True, "start-chat")
    assert (chat["source"], chat["destination"], chat["display_name"]) == (CUSTOMER, ARN, "Ana")
    assert [(m["role"], m["content"]) for m in chat["messages"]] == [("CUSTOMER", "hello")]


def test_the_same_client_token_starts_no_second_chat_and_another_one_does(world: Chats) -> None:
    first, again = world.start(ClientToken="text-1"), world.start(ClientToken="text-1")
    assert {k: v for k, v in again.items() if k != "ResponseMetadata"} == {
        k: v for k, v in first.items() if k != "ResponseMetadata"
    }
    assert world.start(ClientToken="text-2")["ContactId"] != first["ContactId"]
    assert len(world.chats()) == 2
    assert world.control("GET", "status")["repeated"] == 1


def test_a_chat_that_has_ended_is_still_what_its_client_token_answers(world: Chats) -> None:
    contact, token = world.chat(ClientToken="text-1")
    world.participant.disconnect_participant(ConnectionToken=token)
    assert world.start(ClientToken="text-1")["ContactId"] == contact


def test_an_initial_message_is_said_when_the_flow_begins(world: Chats) -> None:
    started = world.start(InitialMessage={"ContentType": "text/plain", "Content": "first"})
    assert world.chats()[0]["messages"] == []
    world.say(world.join(started), "second")
    assert [m["content"] for m in world.chats()[0]["messages"]] == ["first", "second"]
    journal = world.control("GET", "journal")["entries"]
    assert [e["content"] for e in journal if e["type"] == "MESSAGE"] == ["first", "second"]
    assert world.chats()[0]["messages"][0]["n"] == journal[0]["n"]


@pytest.mark.parametrize(
    "more",
    [
        {"SupportedMessagingContentTypes": ["text/markdown"]},
        {"SupportedMessagingContentTypes": ["text/plain", "text/html"]},
        {"Attributes": {"a key": "x"}},
        {"Attributes": {"a": "é" * 16384}},
        {"ChatDurationInMinutes": 59},
        {"ChatDurationInMinutes": 10081},
        {"InitialMessage": {"ContentType": "text/markdown", "Content": "x"}},
        {"InitialMessage": {"ContentType": "text/plain", "Content": "é" * 8193}},
        {"ChatStreamingConfiguration": {"StreamingEndpointArn": f"{TOPIC}.fifo"}},
        {"ClientToken": "x" * 501},
        {"ParticipantDetails": {"DisplayName": "x" * 257}},
    ],
    ids=str,
)
def test_a_chat_that_the_api_forbids_is_not_started(world: Chats, more: dict[str, Any]) -> None:
    assert refusal(world.start, **more) == "InvalidRequestException"
    assert world.chats() == []


def test_a_chat_over_the_quota_is_a_limit_and_the_quota_is_of_both_kinds(world: Chats) -> None:
    world.control("POST", "settings", json={"chat_limit": 2})
    world.send()
    world.start()
    assert refusal(world.start, customer=OTHER) == "LimitExceededException"
    assert refusal(world.send, source=OTHER) == "ThrottlingException"


def test_a_chat_lasts_as_long_as_was_asked_for(world: Chats) -> None:
    _, short = world.chat(ChatDurationInMinutes=60)
    _, usual = world.chat()
    world.clock.now += 3600
    assert refusal(world.say, short) == "AccessDeniedException"
    world.say(usual)


# Tokens


def test_a_participant_token_is_of_use_for_five_minutes(world: Chats) -> None:
    late, in_time = world.start(), world.start(customer=OTHER)
    world.clock.now += 299
    world.join(in_time)
    world.clock.now += 1
    assert refusal(world.join, late) == "AccessDeniedException"
    assert [chat["ended"] for chat in world.chats()] == [True, False]


def test_once_connected_the_participant_token_refreshes_the_connection_for_the_whole_chat(world: Chats) -> None:
    started = world.start()
    first = world.join(started)
    world.clock.now += 86400
    assert refusal(world.say, first) == "AccessDeniedException"
    world.say(world.join(started))
    assert [item["content_type"] for item in world.chats()[0]["events"]] == [f"{EVENT}participant.joined"]


def test_the_life_of_tokens_is_a_setting(world: Chats) -> None:
    world.control("POST", "settings", json={"connection_token_seconds": 2})
    started = world.start()
    answer = world.participant.create_participant_connection(
        ParticipantToken=started["ParticipantToken"], Type=["CONNECTION_CREDENTIALS"], ConnectParticipant=True
    )["ConnectionCredentials"]
    assert answer["Expiry"] == "1970-01-12T13:46:42.000Z"
    world.clock.now += 2
    assert refusal(world.say, answer["ConnectionToken"]) == "AccessDeniedException"


def test_an_ended_chat_and_a_bad_token_are_refused_alike(world: Chats) -> None:
    contact, token = world.chat()
    calls = [
        (world.participant.send_message, {"ContentType": "text/plain", "Content": "x"}),
        (world.participant.send_event, {"ContentType": f"{EVENT}typing"}),
        (world.participant.get_transcript, {}),
        (world.participant.disconnect_participant, {}),
    ]
    world.act("end", contact)
    for call, request in calls:
        assert refusal(call, ConnectionToken=token, **request) == "AccessDeniedException"
        assert refusal(call, ConnectionToken="nonsense", **request) == "AccessDeniedException"


def test_without_connect_participant_or_streaming_the_flow_does_not_begin(world: Chats) -> None:
    started = world.start()
    assert refusal(world.say, world.join(started, ConnectParticipant=False)) == "AccessDeniedException"
    unstreamed = world.start(ChatStreamingConfiguration=None)
    assert refusal(world.say, world.join(unstreamed)) == "AccessDeniedException"
    world.say(world.join(unstreamed, Type=["CONNECTION_CREDENTIALS", "WEBSOCKET"]))
    assert "has not begun" in world.cannot("reply", started["ContactId"], text="x")


# What a customer says


def test_the_same_client_token_is_shown_once_and_answers_the_same_id(world: Chats) -> None:
    _, token = world.chat()
    first, again = world.say(token, "hello", ClientToken="text-1-0"), world.say(token, "hello", ClientToken="text-1-0")
    assert again["Id"] == first["Id"]
    assert world.say(token, "hello", ClientToken="text-2-0")["Id"] != first["Id"]
    assert [m["content"] for m in world.chats()[0]["messages"]] == ["hello", "hello"]
    assert [c for _, c in world.told() if c] == ["hello", "hello"]
    assert len([e for e in world.control("GET", "journal")["entries"] if e["operation"] == "SendMessage"]) == 2


def test_a_call_that_failed_is_made_again_under_the_same_client_token(world: Chats) -> None:
    _, token = world.chat()
    world.control("POST", "faults", json={"fault": "error", "times": 1, "operation": "SendMessage"})
    assert refusal(world.say, token, ClientToken="text-1") == "InternalServerException"
    world.say(token, ClientToken="text-1")
    world.say(token, ClientToken="text-1")
    assert [m["content"] for m in world.chats()[0]["messages"]] == ["hello"]


@pytest.mark.parametrize(
    "more",
    [
        {"ContentType": "text/markdown"},
        {"ContentType": INTERACTIVE},
        {"Content": ""},
        {"Content": "x" * 16385},
        {"Content": "é" * 8193},
    ],
    ids=lambda more: str(more)[:40],
)
def test_a_message_that_the_chat_does_not_take_breaks_validation(world: Chats, more: dict[str, Any]) -> None:
    _, token = world.chat()
    assert refusal(world.say, token, **more) == "ValidationException"


def test_the_content_types_of_a_chat_are_those_it_was_started_with(world: Chats) -> None:
    _, token = world.chat(SupportedMessagingContentTypes=["text/plain", "text/markdown"])
    world.say(token, "**x**", ContentType="text/markdown")
    world.say(token, "x" * 16384)


def test_events_of_the_customer_are_taken_and_read_receipts_name_a_message(world: Chats) -> None:
    _, token = world.chat()
    world.participant.send_event(ConnectionToken=token, ContentType=f"{EVENT}typing")
    read = functools.partial(world.participant.send_event, ConnectionToken=token, ContentType=f"{EVENT}message.read")
    assert refusal(read) == "ValidationException"
    read(Content='{"messageId": "m"}')
    assert refusal(world.participant.send_event, ConnectionToken=token, ContentType=f"{EVENT}chat.ended") == (
        "ValidationException"
    )
    assert [kind for kind, _ in world.told()] == ["participant.joined", "typing", "message.read"]


def test_a_customer_who_leaves_ends_the_chat(world: Chats) -> None:
    _, token = world.chat()
    world.participant.disconnect_participant(ConnectionToken=token)
    assert world.chats()[0]["ended"] is True
    assert [kind for kind, _ in world.told()] == ["participant.joined", "participant.left", "chat.ended"]


def test_a_transcript_comes_in_pages_and_without_what_is_for_agents(world: Chats) -> None:
    contact, token = world.chat()
    for n in range(3):
        world.say(token, str(n))
    world.act("say", contact, text="whisper", role="SUPERVISOR", visibility="AGENT")
    get = functools.partial(world.participant.get_transcript, ConnectionToken=token)
    everything = get()
    assert everything["InitialContactId"] == contact
    assert [item.get("Content") for item in everything["Transcript"]] == ["2", "1", "0", None]
    first = get(ScanDirection="FORWARD", SortOrder="ASCENDING", MaxResults=3)
    rest = get(ScanDirection="FORWARD", SortOrder="ASCENDING", MaxResults=3, NextToken=first["NextToken"])
    assert [item.get("Content") for item in first["Transcript"] + rest["Transcript"]] == [None, "0", "1", "2"]
    assert "NextToken" not in rest


# Rates and faults


@pytest.mark.parametrize(
    ("operation", "burst", "rate"),
    [("SendMessage", 15, 10), ("SendEvent", 15, 10), ("GetTranscript", 12, 8)],
)
def test_each_operation_has_a_rate_of_its_own(world: Chats, operation: str, burst: int, rate: int) -> None:
    _, token = world.chat()
    world.control("POST", "settings", json={"rates": {operation: [rate, burst]}})
    calls = {
        "SendMessage": functools.partial(world.say, token),
        "SendEvent": functools.partial(
            world.participant.send_event, ConnectionToken=token, ContentType=f"{EVENT}typing"
        ),
        "GetTranscript": functools.partial(world.participant.get_transcript, ConnectionToken=token),
    }
    call = calls.pop(operation)
    for calls_in_hand in (burst, rate):
        for _ in range(calls_in_hand):
            call()
        assert refusal(call) == "ThrottlingException"
        world.clock.now += 1
    for other in calls.values():
        other()


def test_rates_of_the_start_are_what_aws_documents() -> None:
    rates = ContactCentre().settings.rates
    assert {rates["StartChatContact"], rates["StartContactStreaming"]} == {(5, 8)}
    assert (rates["CreateParticipantConnection"], rates["DisconnectParticipant"]) == ((6, 9), (3, 5))
    assert {rates["SendMessage"], rates["SendEvent"]} == {(10, 15)}
    assert {rates["SendTextMessage"], rates["DescribePhoneNumbers"], rates["UpdatePhoneNumber"]} == {(1, 1)}


def test_a_chat_started_too_fast_is_429_whatever_it_is_called(world: Chats) -> None:
    world.control("POST", "settings", json={"rates": {"StartChatContact": [5, 1]}})
    world.start()
    with pytest.raises(ClientError) as caught:
        world.start()
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    world.control("POST", "settings", json={"start_chat_throttle_error": "ThrottlingException"})
    world.start()
    assert refusal(world.start) == "ThrottlingException"


def test_an_operation_that_is_not_played_has_no_rate(world: Chats) -> None:
    response = world.http("POST", "/_double/settings", json={"rates": {"ListQueues": [1, 1]}})
    assert (response.status_code, "no operation ListQueues" in response.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("fault", "started", "said", "texted"),
    [
        ("throttle", "TooManyRequestsException", "ThrottlingException", "ThrottlingException"),
        ("error", "InternalServiceException", "InternalServerException", "InternalServerException"),
        ("refuse", "AccessDeniedException", "AccessDeniedException", "AccessDeniedException"),
        ("chat-limit", "LimitExceededException", None, None),
    ],
)
def test_faults_are_of_every_operation_and_speak_its_language(
    world: Chats, fault: str, started: str, said: str | None, texted: str | None
) -> None:
    _, token = world.chat()
    world.control("POST", "faults", json={"fault": fault})
    assert refusal(world.start) == started
    for call, code in ((functools.partial(world.say, token), said), (world.text, texted)):
        if code:
            assert refusal(call) == code
        else:
            call()


@pytest.mark.parametrize(
    ("fault", "operation", "status"),
    [("throttle", "chat", 429), ("error", "chat", 500), ("throttle", "text", 400), ("error", "text", 500)],
)
def test_a_fault_has_the_status_of_its_protocol(world: Chats, fault: str, operation: str, status: int) -> None:
    _, token = world.chat()
    world.control("POST", "faults", json={"fault": fault})
    with pytest.raises(ClientError) as caught:
        world.say(token) if operation == "chat" else world.text()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_fault_can_be_of_one_customer_whichever_way_a_call_names_them(world: Chats) -> None:
    _, token = world.chat()
    _, other = world.chat(customer=OTHER)
    world.control("POST", "faults", json={"fault": "refuse", "source": CUSTOMER})
    assert {refusal(world.say, token), refusal(world.text), refusal(world.start)} == {"AccessDeniedException"}
    world.say(other)
    world.text(to=OTHER)
    world.start(customer=OTHER)


def test_a_fault_of_one_operation_leaves_the_others_alone(world: Chats) -> None:
    _, token = world.chat()
    world.control("POST", "faults", json={"fault": "error", "operation": "SendTextMessage", "times": 1})
    world.say(token)
    assert refusal(world.text) == "InternalServerException"


# Streaming


def test_a_notification_is_as_documented(world: Chats) -> None:
    contact, _ = world.chat()
    world.act("reply", CUSTOMER, text="How can I help?")
    entry, _ = world.published[-1]
    assert entry["topic"] == TOPIC
    body = dict(entry["body"])
    assert (body.pop("Id"), body.pop("ParticipantId")) == (world.chats()[0]["messages"][0]["id"], entry_id(world))
    assert body == {
        "AbsoluteTime": "1970-01-12T13:46:40.000Z",
        "Content": "How can I help?",
        "ContentType": "text/plain",
        "Type": "MESSAGE",
        "DisplayName": "Agent 1",
        "ParticipantRole": "AGENT",
        "InitialContactId": contact,
        "ContactId": contact,
    }
    assert entry["attributes"] == {
        "InitialContactId": contact,
        "ContactId": contact,
        "ParticipantRole": "AGENT",
        "Type": "MESSAGE",
        "ContentType": "text/plain",
        "MessageVisibility": "ALL",
        "InstanceId": INSTANCE,
        "AccountId": "111122223333",
    }


def entry_id(world: Chats) -> str:
    """Of the agent who joined."""
    joined = [e["body"] for e, _ in world.published if e["body"].get("ParticipantRole") == "AGENT"]
    return str(joined[0]["ParticipantId"])


def test_a_customer_s_own_messages_come_back(world: Chats) -> None:
    _, token = world.chat(InitialMessage={"ContentType": "text/plain", "Content": "first"})
    world.say(token, "second")
    echoes = [e["body"]["Content"] for e, _ in world.published if e["attributes"].get("ParticipantRole") == "CUSTOMER"
              and e["body"]["Type"] == "MESSAGE"]  # fmt: skip
    assert echoes == ["first", "second"]


def test_streaming_can_be_added_to_a_contact_and_to_two_topics_at_most(world: Chats) -> None:
    started = world.start(ChatStreamingConfiguration=None)
    contact = started["ContactId"]

    def stream(topic: str, **more: Any) -> Any:
        return world.connect.start_contact_streaming(
            InstanceId=INSTANCE,
            ContactId=contact,
            ChatStreamingConfiguration={"StreamingEndpointArn": topic},
            **more,
        )["StreamingId"]

    assert stream(TOPIC, ClientToken="a") == stream(TOPIC, ClientToken="a")
    stream(f"{TOPIC}-too")
    assert refusal(stream, f"{TOPIC}-three") == "LimitExceededException"
    assert refusal(stream, f"{TOPIC}.fifo") == "InvalidRequestException"
    world.say(world.join(started), "hello")
    assert [entry["topic"] for entry, _ in world.published if entry["body"].get("Content") == "hello"] == [
        TOPIC,
        f"{TOPIC}-too",
    ]
    world.act("end", contact)
    assert refusal(stream, TOPIC) == "ResourceNotFoundException"


def test_a_transfer_changes_the_contact_and_not_the_initial_one(world: Chats) -> None:
    contact, token = world.chat()
    world.act("reply", contact, text="one moment")
    moved = world.act("transfer", contact)
    assert (moved["contact"], moved["contact_id"] != contact) == (contact, True)
    world.act("reply", moved["contact_id"], text="here I am")
    world.say(token, "thanks")
    reply = next(entry for entry, _ in world.published if entry["body"].get("Content") == "here I am")
    assert (reply["body"]["InitialContactId"], reply["body"]["ContactId"]) == (contact, moved["contact_id"])
    assert reply["attributes"]["ContactId"] == moved["contact_id"]
    assert reply["body"]["DisplayName"] == "Agent 2"
    assert [kind for kind, content in world.told() if not content] == [
        "participant.joined",
        "participant.joined",
        "participant.left",
        "transfer.succeeded",
        "participant.joined",
    ]


def test_a_goodbye_follows_the_agent_s_leaving_and_the_chat_goes_on(world: Chats) -> None:
    contact, token = world.chat()
    world.act("reply", contact, text="bye")
    world.act("leave", contact)
    world.act("say", contact, text="How did we do?", role="CUSTOM_BOT")
    world.say(token, "well")
    assert [(m["role"], m["content"]) for m in world.chats()[0]["messages"]] == [
        ("AGENT", "bye"),
        ("CUSTOM_BOT", "How did we do?"),
        ("CUSTOMER", "well"),
    ]
    assert world.told()[-3:] == [("participant.left", None), ("text/plain", "How did we do?"), ("text/plain", "well")]
    assert "no agent is in chat" in world.cannot("leave", contact)


def test_an_end_by_the_agent_is_told_by_nobody_in_particular(world: Chats) -> None:
    contact, _ = world.chat()
    world.act("end", contact)
    entry, _ = world.published[-1]
    assert entry["body"]["ContentType"] == f"{EVENT}chat.ended"
    assert "ParticipantRole" not in entry["body"] | entry["attributes"]
    assert "has ended" in world.cannot("reply", contact, text="too late")


def test_a_chat_whose_time_is_over_tells_of_its_end(world: Chats) -> None:
    world.chat()
    world.clock.now += 90000
    world.control("GET", "chats")
    assert world.told()[-1] == ("chat.ended", None)


def test_agents_send_interactive_messages_files_and_events(world: Chats) -> None:
    contact, token = world.chat()
    world.say(token, "hello")
    menu = json.dumps({"templateType": "QuickReply", "version": "1.0", "data": {}})
    world.act("reply", contact, text=menu, content_type=INTERACTIVE)
    world.act("attach", contact, text="bill.pdf", content_type="application/pdf")
    world.act("event", contact, text="typing")
    world.act("event", contact, text="read")
    interactive, attached, typing, read = (entry["body"] for entry, _ in world.published[-4:])
    assert (interactive["ContentType"], interactive["Content"]) == (INTERACTIVE, menu)
    (file,) = attached["Attachments"]
    assert (attached["Type"], file["AttachmentName"], file["Status"]) == ("ATTACHMENT", "bill.pdf", "APPROVED")
    assert (typing["ContentType"], "Content" in typing) == (f"{EVENT}typing", False)
    assert json.loads(read["Content"]) == {"messageId": world.chats()[0]["messages"][0]["id"]}
    link = world.participant.get_attachment(ConnectionToken=token, AttachmentId=file["AttachmentId"])["Url"]
    assert link.startswith("https://") and "/bill.pdf?" in link


def test_a_notification_can_come_twice_and_late(world: Chats) -> None:
    contact, _ = world.chat()
    world.act("reply", contact, text="again", copies=2, delay=3)
    assert world.published[-1] == world.published[-2]
    assert world.published[-1][1] == 3
    world.act("reply", contact, text="never", copies=0)
    assert world.published[-1][0]["body"]["Content"] == "again"


def test_an_earlier_notification_can_be_published_again(world: Chats) -> None:
    contact, _ = world.chat()
    world.act("end", contact)
    ended = world.control("GET", "notifications")["notifications"][-1]
    world.control("POST", "notifications", json={"n": ended["n"], "delay": 1})
    assert [delay for entry, delay in world.published if entry["n"] == ended["n"]] == [0, 1]
    assert world.published[-1][0]["body"] == ended["body"]
    assert world.control("GET", "notifications")["notifications"][-1]["published"] == 2
    response = world.http("POST", "/_double/notifications", json={"n": ended["n"] + 1})
    assert response.json()["error"] == f"there is no notification {ended['n'] + 1}; the last one is {ended['n']}"


def test_shares_of_notifications_come_twice_and_late_the_same_ones_for_the_same_seed(world: Chats) -> None:
    def disturbed() -> list[tuple[str, float]]:
        trouble = {"notify_twice": 0.5, "notify_late": 0.5, "notify_late_seconds": 2, "notify_seed": 7}
        world.control("POST", "settings", json=trouble)
        _, token = world.chat()
        world.published.clear()
        for n in range(40):
            world.say(token, str(n))
        return [(entry["body"]["Content"], delay) for entry, delay in world.published]

    first = disturbed()
    assert first == disturbed()
    assert 45 < len(first) < 75
    assert {delay for _, delay in first} == {0, 2}


class Sns:
    """In place of a client of SNS; what is told to fail does."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def publish(self, **request: Any) -> None:
        if "fail" in request["Message"]:
            raise ClientError({"Error": {"Code": "NotFound", "Message": "no such topic"}}, "Publish")
        self.published.append(request)


def test_a_publisher_keeps_a_chat_s_order_but_for_what_is_to_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    sns, done, over = Sns(), list[str | None](), threading.Event()
    monkeypatch.setattr("sandbox.double.streaming.boto3.client", lambda *_, **__: sns)
    publish = SnsPublisher("http://127.0.0.1:9", account="111122223333")

    def count(error: str | None) -> None:
        done.append(error)
        if len(done) == 23:
            over.set()

    def entry(content: str) -> dict[str, Any]:
        return {
            "topic": TOPIC,
            "body": {"InitialContactId": "c", "Content": content},
            "attributes": {"Type": "MESSAGE"},
        }

    publish(entry("late"), 0.3, count)
    for n in range(20):
        publish(entry(str(n)), 0, count)
    publish(entry("fail"), 0, count)
    publish(entry("after"), 0, count)
    assert over.wait(10)
    said = [json.loads(request["Message"])["Content"] for request in sns.published]
    assert said == [*map(str, range(20)), "after", "late"]
    assert sns.published[0]["TopicArn"] == TOPIC
    assert sns.published[0]["MessageAttributes"] == {"Type": {"DataType": "String", "StringValue": "MESSAGE"}}
    assert [error for error in done if error] == [
        "An error occurred (NotFound) when calling the Publish operation: no such topic"
    ]


# Chats of integration events


def test_connect_texts_the_agent_s_replies_of_an_integration_event_by_itself(world: Chats) -> None:
    world.send()
    world.act("reply", CUSTOMER, text="How can I help?")
    world.act("say", CUSTOMER, text="whisper", visibility="AGENT")
    (text,) = world.control("GET", "phone", params={"number": CUSTOMER})["texts"]
    assert (text["from"], text["to"], text["body"], text["by"]) == (OURS, CUSTOMER, "How can I help?", "Connect")
    assert world.published == []
    assert [(m["role"], m["content"]) for m in world.chats()[0]["messages"]][:2] == [
        ("CUSTOMER", "hello"),
        ("AGENT", "How can I help?"),
    ]
    assert world.control("GET", "status")["accepted"] == 1


def test_a_streamed_chat_of_an_integration_event_is_left_to_who_reads_the_topic(world: Chats) -> None:
    world.send(NewSessionDetails={"StreamingConfiguration": {"StreamingEndpointArn": TOPIC}})
    world.act("reply", CUSTOMER, text="hi")
    assert world.phone() == []
    assert world.told() == [
        ("participant.joined", None),
        ("text/plain", "hello"),
        ("participant.joined", None),
        ("text/plain", "hi"),
    ]


def test_a_started_chat_is_not_texted_by_connect(world: Chats) -> None:
    contact, _ = world.chat()
    world.act("reply", contact, text="hi")
    assert world.phone() == []


def test_an_agent_s_end_lets_the_next_text_start_another_chat(world: Chats) -> None:
    first = world.send()["InitialContactId"]
    world.act("end", first[:8])
    assert world.send()["NewChatCreated"] is True
    assert world.act("reply", CUSTOMER, text="hi")["contact"] != first


# Finding a chat


def test_a_chat_is_found_by_number_id_or_an_unambiguous_beginning(world: Chats) -> None:
    contact, _ = world.chat()
    other, _ = world.chat(customer=OTHER)
    chats = world.centre.chats
    assert [find(chats, one).contact for one in (contact, contact[:13], CUSTOMER, OTHER)] == [
        contact,
        contact,
        contact,
        other,
    ]
    assert world.cannot("end", "nonsense") == "there is no chat nonsense"
    assert world.cannot("end", "+14255550199") == "there is no chat +14255550199"
    world.chat(customer=OTHER)
    assert "means several chats" in world.cannot("end", OTHER)
    world.act("end", other)
    world.act("end", OTHER)
    assert "has ended" in world.cannot("end", OTHER)


def test_the_table_of_chats_fits_a_terminal(world: Chats) -> None:
    contact, token = world.chat()
    world.say(token, "a text that is far too long for one line of a terminal of eighty columns\nand more [bold]")
    world.start(customer=OTHER)
    world.send()
    console = Console(width=80, record=True)
    with console.capture() as shown:
        console.print(chats_table(world.chats(), {ARN: OURS}))
    lines = shown.get().splitlines()
    assert len(lines) == 4
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].split()[:4] == [contact[:8], CUSTOMER, OURS, "active"]
    assert [line.split()[3] for line in lines[1:]] == ["active", "waiting", "active"]


# SMS


def test_a_text_reaches_the_phone_from_the_number_it_was_sent_from(world: Chats) -> None:
    message = world.text("hello", Context={"contact": "1"})
    world.text("other", to=OTHER, origin=OURS_TOO)
    (text,) = world.control("GET", "phone", params={"number": CUSTOMER})["texts"]
    assert (text["from"], text["origination"], text["body"], text["message_id"]) == (OURS, ARN, "hello", message)
    assert (text["context"], text["by"]) == ({"contact": "1"}, "SendTextMessage")
    assert world.phone(OTHER) == ["other"]
    assert len(world.control("GET", "phone")["texts"]) == 2


def test_a_repeated_text_is_texted_twice(world: Chats) -> None:
    assert world.text() != world.text()
    assert world.phone() == ["hi", "hi"]


def test_a_dry_run_reaches_nobody(world: Chats) -> None:
    world.text(DryRun=True)
    assert world.phone() == []


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"opted_out": [CUSTOMER]}, "ConflictException DESTINATION_PHONE_NUMBER_OPTED_OUT"),
        ({"unverified": [CUSTOMER]}, "ConflictException DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
        ({"blocked": ["+1425"]}, "ConflictException DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"),
        ({"spending_limit": 0}, "ServiceQuotaExceededException MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
    ],
)
def test_a_phone_that_may_not_be_texted_is_refused_with_the_reason(
    world: Chats, settings: dict[str, Any], refused: str
) -> None:
    world.control("POST", "settings", json=settings)
    assert refusal(world.text) == refused
    assert world.phone() == []
    if "spending_limit" not in settings:
        world.text(to="+12065550100")


def test_the_spending_limit_counts_parts(world: Chats) -> None:
    world.control("POST", "settings", json={"spending_limit": 3})
    world.text("x" * 161)
    assert refusal(world.text, "x" * 161).startswith("ServiceQuotaExceededException")
    world.text("x" * 160)


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ("x" * 1530, True),
        ("x" * 1531, False),
        ("€" * 765, True),
        ("€" * 765 + "x", False),
        ("я" * 630, True),
        ("я" * 631, False),
        ("x" * 630 + "я", False),
        ("😀" * 315, True),
        ("😀" * 316, False),
    ],
    ids=lambda value: f"{len(value)} {value[:1]}" if isinstance(value, str) else "",
)
def test_a_text_is_as_long_as_its_alphabet_lets_it(world: Chats, body: str, taken: bool) -> None:
    if taken:
        world.text(body)
        assert world.phone() == [body]
    else:
        assert refusal(world.text, body) == "ValidationException INVALID_PARAMETER"


def test_a_blank_text_or_one_over_the_model_s_limit_is_refused_by_the_model(world: Chats) -> None:
    assert refusal(world.text, " \n") == "ValidationException FIELD_VALIDATION_FAILED"
    assert refusal(world.text, "x" * 1601) == "ValidationException FIELD_VALIDATION_FAILED"
    assert refusal(world.text, to="not a number") == "ValidationException FIELD_VALIDATION_FAILED"
    assert refusal(world.text, to="+1x2065550100") == "ValidationException INVALID_PARAMETER"


def test_one_phone_gets_one_text_a_second(world: Chats) -> None:
    world.control("POST", "settings", json={"recipient_rate": 1})
    world.text()
    assert refusal(world.text) == "ThrottlingException"
    world.text(to=OTHER)
    world.clock.now += 1
    world.text()


def test_an_account_sends_one_text_a_second_until_that_is_raised(world: Chats) -> None:
    world.control("POST", "settings", json={"rates": {"SendTextMessage": [1, 1]}})
    world.text()
    assert refusal(world.text, to=OTHER) == "ThrottlingException"


def test_a_text_is_sent_only_from_a_number_of_ours_that_is_active(world: Chats) -> None:
    assert refusal(world.text, origin="+12125550199") == "ResourceNotFoundException"
    world.control("POST", "numbers", json=[{"number": "+12125550103", "arn": f"{ARN}3", "status": "PENDING"}])
    assert refusal(world.text, origin="+12125550103") == "ConflictException RESOURCE_NOT_ACTIVE"
    world.control("POST", "numbers", json=[])
    request = {"DestinationPhoneNumber": CUSTOMER, "MessageBody": "x"}
    assert refusal(world.sms.send_text_message, **request) == "ConflictException NO_ORIGINATION_IDENTITIES_FOUND"
    world.text(origin="+12125550199")  # a double that was told of no numbers cannot know better


def test_numbers_are_described_by_id_and_by_channel_and_updated(world: Chats) -> None:
    role = "arn:aws:iam::111122223333:role/two-way"
    phone_id = ARN.rpartition("/")[2]
    updated = world.sms.update_phone_number(
        PhoneNumberId=phone_id, TwoWayEnabled=True, TwoWayChannelArn=TOPIC, TwoWayChannelRole=role
    )
    assert (updated["PhoneNumber"], updated["TwoWayChannelArn"]) == (OURS, TOPIC)
    (found,) = world.sms.describe_phone_numbers(Filters=[{"Name": "two-way-channel-arn", "Values": [TOPIC]}])[
        "PhoneNumbers"
    ]
    assert (found["PhoneNumberId"], found["TwoWayChannelRole"]) == (phone_id, role)
    world.control("POST", "numbers", json=[{"number": OURS, "arn": ARN}])
    (found,) = world.sms.describe_phone_numbers(PhoneNumberIds=[phone_id])["PhoneNumbers"]
    assert found["TwoWayEnabled"] is True
    off = world.sms.update_phone_number(PhoneNumberId=phone_id, TwoWayEnabled=False)
    assert "TwoWayChannelArn" not in off


def test_numbers_are_described_a_page_at_a_time(world: Chats) -> None:
    first = world.sms.describe_phone_numbers(MaxResults=1)
    rest = world.sms.describe_phone_numbers(MaxResults=1, NextToken=first["NextToken"])
    assert [page["PhoneNumbers"][0]["PhoneNumber"] for page in (first, rest)] == [OURS, OURS_TOO]
    assert "NextToken" not in rest
    assert refusal(world.sms.describe_phone_numbers, NextToken="x") == "ValidationException INVALID_NEXT_TOKEN"


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        ({"TwoWayEnabled": True}, "ValidationException TWO_WAY_CHANNEL_NOT_PRESENT"),
        ({"TwoWayEnabled": True, "TwoWayChannelArn": f"{TOPIC}.fifo"}, "ValidationException INVALID_ARN"),
        ({"PhoneNumberId": "phone-unknown"}, "ResourceNotFoundException"),
        ({"PhoneNumberId": f"{ARN}3", "TwoWayEnabled": False}, "ConflictException PHONE_NUMBER_ASSOCIATED_TO_POOL"),
        ({"PhoneNumberId": f"{ARN}4", "TwoWayEnabled": False}, "ConflictException RESOURCE_NOT_ACTIVE"),
        (
            {"PhoneNumberId": f"{ARN}5", "TwoWayEnabled": True, "TwoWayChannelArn": TOPIC},
            "ValidationException TWO_WAY_NOT_SUPPORTED_IN_COUNTRY",
        ),
    ],
    ids=str,
)
def test_a_number_that_cannot_be_updated_so_is_refused(world: Chats, request_: dict[str, Any], refused: str) -> None:
    pooled = {"number": "+12125550103", "arn": f"{ARN}3", "pool": "pool-1"}
    pending = {"number": "+12125550104", "arn": f"{ARN}4", "status": "PENDING"}
    one_way = {"number": "+12125550105", "arn": f"{ARN}5", "two_way_possible": False}
    world.control("POST", "numbers", json=[{"number": OURS, "arn": ARN}, pooled, pending, one_way])
    assert refusal(world.sms.update_phone_number, **{"PhoneNumberId": ARN, **request_}) == refused


def test_what_is_not_said_of_a_known_number_stays(world: Chats) -> None:
    world.sms.update_phone_number(PhoneNumberId=ARN, TwoWayEnabled=True, TwoWayChannelArn=TOPIC)
    world.control("POST", "numbers", json=[{"number": OURS, "arn": ARN, "status": "PENDING"}])
    (found,) = world.sms.describe_phone_numbers(PhoneNumberIds=[ARN])["PhoneNumbers"]
    assert (found["Status"], found["TwoWayChannelArn"]) == ("PENDING", TOPIC)


def test_a_role_that_is_not_named_stays_until_two_way_is_off(world: Chats) -> None:
    world.control("POST", "settings", json={"rates": {"*": [100, 100]}})
    role = "arn:aws:iam::111122223333:role/two-way"
    on = {"PhoneNumberId": ARN, "TwoWayEnabled": True, "TwoWayChannelArn": TOPIC}
    world.sms.update_phone_number(**on, TwoWayChannelRole=role)
    assert world.sms.update_phone_number(**on)["TwoWayChannelRole"] == role
    world.sms.update_phone_number(PhoneNumberId=ARN, TwoWayEnabled=False)
    assert "TwoWayChannelRole" not in world.sms.update_phone_number(**on)


def test_numbers_have_tags_as_aws_writes_them(world: Chats) -> None:
    world.control("POST", "settings", json={"rates": {"*": [100, 100]}})
    tag = functools.partial(world.sms.tag_resource, ResourceArn=ARN)
    tag(Tags=[{"Key": "a", "Value": "arn:aws:sns:us-east-1:111122223333:topic"}, {"Key": "b", "Value": ""}])
    tag(Tags=[{"Key": "b", "Value": "=2C @"}])
    world.sms.untag_resource(ResourceArn=ARN, TagKeys=["a", "never"])
    assert world.sms.list_tags_for_resource(ResourceArn=ARN)["Tags"] == [{"Key": "b", "Value": "=2C @"}]
    assert refusal(tag, Tags=[{"Key": "c", "Value": "a,b"}]) == "ValidationException INVALID_PARAMETER"
    assert refusal(tag, Tags=[{"Key": "aws:c", "Value": ""}]) == "ValidationException INVALID_PARAMETER"
    too_many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
    assert refusal(tag, Tags=too_many) == "ServiceQuotaExceededException TAGS_PER_RESOURCE"


def test_a_pool_has_two_way_settings_of_its_own(world: Chats) -> None:
    world.control("POST", "pools", json=[{"id": "pool-1", "two_way": True, "channel": TOPIC}])
    (pool,) = world.sms.describe_pools(PoolIds=["pool-1"])["Pools"]
    assert (pool["TwoWayEnabled"], pool["TwoWayChannelArn"]) == (True, TOPIC)
    world.clock.now += 1
    assert refusal(world.sms.describe_pools, PoolIds=["pool-2"]) == "ResourceNotFoundException"


def test_the_account_has_a_tier_and_a_spending_limit(world: Chats) -> None:
    world.control("POST", "settings", json={"spend_limit": 1, "account_tier": "SANDBOX"})
    (limit,) = world.sms.describe_spend_limits()["SpendLimits"]
    assert (limit["EnforcedLimit"], limit["MaxLimit"], limit["Overridden"]) == (1, 100, True)
    (tier,) = world.sms.describe_account_attributes()["AccountAttributes"]
    assert tier == {"Name": "ACCOUNT_TIER", "Value": "SANDBOX"}


def test_an_sms_operation_that_is_not_played_says_so(world: Chats) -> None:
    with pytest.raises(ClientError, match="the double does not play DescribeKeywords"):
        world.sms.describe_keywords()
    response = world.http("POST", "/", headers={"x-amz-target": "PinpointSMSVoiceV2.Nothing"}, content=b"{}")
    assert "the double does not play PinpointSMSVoiceV2.Nothing" in response.text


def test_an_unsigned_text_is_refused_and_participants_need_no_signature(world: Chats) -> None:
    target = {"x-amz-target": "PinpointSMSVoiceV2.SendTextMessage"}
    assert "AccessDeniedException" in world.http("POST", "/", headers=target, content=b"{}").text
    _, token = world.chat()
    message = {"ContentType": "text/plain", "Content": "x"}
    assert world.http("POST", "/participant/message", headers={"x-amz-bearer": token}, json=message).is_success


def test_only_a_json_service_speaks_json() -> None:
    with pytest.raises(ValueError, match="does not speak json"):
        target_json("connectparticipant")


def test_reset_forgets_chats_texts_and_notifications_and_keeps_our_numbers(world: Chats) -> None:
    _, token = world.chat()
    world.text()
    world.control("POST", "reset")
    status = world.control("GET", "status")
    assert (status["texts"], status["notifications"], status["accepted"]) == (0, 0, 0)
    assert refusal(world.say, token) == "AccessDeniedException"
    assert [number["number"] for number in world.control("GET", "numbers")["numbers"]] == [OURS, OURS_TOO]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("agent", {"action": "dance", "chat": "x"}),
        ("agent", {"action": "reply", "chat": "x", "colour": "red"}),
        ("numbers", [{"number": "555", "arn": ARN}]),
        ("numbers", [{"number": OURS, "arn": "arn:aws:sns:us-east-1:111122223333:topic"}]),
        ("notifications", {"n": 1, "copies": 0}),
        ("settings", {"notify_twice": 2}),
        ("settings", {"rates": {"SendMessage": [0, 1]}}),
    ],
)
def test_a_control_that_makes_no_sense_is_refused_with_a_reason(world: Chats, path: str, body: Any) -> None:
    response = world.http("POST", f"/_double/{path}", json=body)
    assert (response.status_code, bool(response.json()["error"])) == (400, True)


def test_what_an_action_needs_is_said(world: Chats) -> None:
    contact, _ = world.chat()
    assert world.cannot("reply", contact) == "text is missing"
    assert "one of typing, delivered, read" in world.cannot("event", contact, text="dancing")


# Instances


FLOW_ID = FLOW.rpartition("/")[2]


def with_instance(world: Chats, **more: Any) -> dict[str, Any]:
    instance = {"id": INSTANCE, "flows": [{"id": FLOW_ID}], "numbers": [{"arn": ARN, "flow": FLOW_ID}]} | more
    world.control("POST", "instances", json=[instance])
    return instance


def test_an_instance_and_its_flows_are_described(world: Chats) -> None:
    with_instance(world, flows=[{"id": FLOW_ID}, {"id": "saved", "status": "SAVED"}])
    assert world.connect.describe_instance(InstanceId=INSTANCE)["Instance"]["InstanceStatus"] == "ACTIVE"
    flow = world.connect.describe_contact_flow(InstanceId=INSTANCE, ContactFlowId=FLOW_ID)["ContactFlow"]
    assert (flow["Type"], flow["State"], flow["Status"]) == ("CONTACT_FLOW", "ACTIVE", "PUBLISHED")
    describe = functools.partial(world.connect.describe_contact_flow, InstanceId=INSTANCE)
    assert refusal(describe, ContactFlowId="saved") == "ContactFlowNotPublishedException"
    assert refusal(describe, ContactFlowId="nothing") == "ResourceNotFoundException"
    assert refusal(world.connect.describe_instance, InstanceId="nothing") == "ResourceNotFoundException"


def test_imported_numbers_are_listed_with_the_arn_that_they_came_with_and_their_flow(world: Chats) -> None:
    with_instance(world, numbers=[{"arn": ARN, "flow": FLOW_ID}, {"arn": ARN_TOO, "status": "IN_PROGRESS"}])
    first = world.connect.list_phone_numbers_v2(MaxResults=1)
    rest = world.connect.list_phone_numbers_v2(MaxResults=1, NextToken=first["NextToken"])
    (one,), (two,) = first["ListPhoneNumbersSummaryList"], rest["ListPhoneNumbersSummaryList"]
    assert (one["SourcePhoneNumberArn"], one["InstanceId"]) == (ARN, INSTANCE)
    status = world.connect.describe_phone_number(PhoneNumberId=two["PhoneNumberId"])["ClaimedPhoneNumberSummary"]
    assert status["PhoneNumberStatus"]["Status"] == "IN_PROGRESS"
    flow_of = functools.partial(
        world.connect.get_flow_association, InstanceId=INSTANCE, ResourceType="SMS_PHONE_NUMBER"
    )
    assert flow_of(ResourceId=ARN)["FlowId"].endswith(FLOW_ID)
    assert refusal(flow_of, ResourceId=ARN_TOO) == "ResourceNotFoundException"


def test_a_number_that_is_not_imported_and_a_flow_that_is_not_there_take_no_chats(world: Chats) -> None:
    with_instance(world, numbers=[])
    event = {"Type": "MESSAGE", "ContentType": "text/plain", "Content": "hello"}
    send = functools.partial(
        world.connect.send_chat_integration_event, SourceId=CUSTOMER, Subtype="connect:sms", Event=event
    )
    assert refusal(send, DestinationId=ARN) == "ResourceNotFoundException"
    with_instance(world, flows=[])
    send(DestinationId=ARN)
    assert refusal(world.start) == "ResourceNotFoundException"


def test_connects_quotas_are_those_of_the_settings(world: Chats) -> None:
    world.control("POST", "settings", json={"chat_limit": 7, "rate": 3})
    response = world.http(
        "POST",
        "/",
        headers={"x-amz-target": "ServiceQuotasV20190624.ListServiceQuotas", "authorization": "AWS4-HMAC-SHA256"},
        content=b'{"ServiceCode": "connect"}',
    )
    assert {quota["QuotaName"]: quota["Value"] for quota in response.json()["Quotas"]} == {
        "Concurrent active chats per instance": 7,
        "Rate of SendChatIntegrationEvent API requests": 3,
    }
