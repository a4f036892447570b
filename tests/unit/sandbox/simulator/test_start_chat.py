"""Chats of StartChatContact: starting them, tokens, messages and events of the customer, transcripts."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from testing.simulator import ARN, CUSTOMER, EVENT, INTERACTIVE, OTHER, TOPIC, SimulatorHarness, refusal


def test_a_started_chat_accepts_messages_once_its_customer_is_connected(simulator: SimulatorHarness) -> None:
    started = simulator.start()
    assert simulator.chats()[0]["connected"] is False
    token = simulator.join(started)
    simulator.send_message(token, "hello")
    (chat,) = simulator.chats()
    assert (chat["contact"], chat["connected"], chat["delivery"]) == (started["ContactId"], True, "start-chat")
    assert (chat["source"], chat["destination"], chat["display_name"]) == (CUSTOMER, ARN, "Ana")
    assert [(m["role"], m["content"]) for m in chat["messages"]] == [("CUSTOMER", "hello")]


def test_the_same_client_token_starts_no_second_chat_and_another_one_does(simulator: SimulatorHarness) -> None:
    first, again = simulator.start(ClientToken="text-1"), simulator.start(ClientToken="text-1")
    assert {k: v for k, v in again.items() if k != "ResponseMetadata"} == {
        k: v for k, v in first.items() if k != "ResponseMetadata"
    }
    assert simulator.start(ClientToken="text-2")["ContactId"] != first["ContactId"]
    assert len(simulator.chats()) == 2
    assert simulator.status()["repeated"] == 1


def test_a_client_token_of_an_ended_chat_still_returns_that_chat(simulator: SimulatorHarness) -> None:
    contact, token = simulator.chat(ClientToken="text-1")
    simulator.participant.disconnect_participant(ConnectionToken=token)
    assert simulator.start(ClientToken="text-1")["ContactId"] == contact


def test_an_initial_message_is_shown_when_the_flow_begins(simulator: SimulatorHarness) -> None:
    started = simulator.start(InitialMessage={"ContentType": "text/plain", "Content": "first"})
    assert simulator.chats()[0]["messages"] == []
    simulator.send_message(simulator.join(started), "second")
    assert [m["content"] for m in simulator.chats()[0]["messages"]] == ["first", "second"]
    journal = simulator.journal()
    assert [e["content"] for e in journal if e["type"] == "MESSAGE"] == ["first", "second"]
    assert simulator.chats()[0]["messages"][0]["n"] == journal[0]["n"]


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
def test_a_chat_that_the_api_forbids_is_not_started(simulator: SimulatorHarness, more: dict[str, Any]) -> None:
    assert refusal(simulator.start, **more) == "InvalidRequestException"
    assert simulator.chats() == []


def test_the_quota_of_active_chats_counts_chats_of_both_apis(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"chat_limit": 2})
    simulator.send_event()
    simulator.start()
    assert refusal(simulator.start, customer=OTHER) == "LimitExceededException"
    assert refusal(simulator.send_event, source=OTHER) == "ThrottlingException"


def test_a_chat_lasts_as_long_as_its_request_says(simulator: SimulatorHarness) -> None:
    _, short = simulator.chat(ChatDurationInMinutes=60)
    _, usual = simulator.chat()
    simulator.clock.now += 3600
    assert refusal(simulator.send_message, short) == "AccessDeniedException"
    simulator.send_message(usual)


def test_a_participant_token_expires_after_five_minutes(simulator: SimulatorHarness) -> None:
    late, in_time = simulator.start(), simulator.start(customer=OTHER)
    simulator.clock.now += 299
    simulator.join(in_time)
    simulator.clock.now += 1
    assert refusal(simulator.join, late) == "AccessDeniedException"
    assert [chat["ended"] for chat in simulator.chats()] == [True, False]


def test_after_connecting_a_participant_token_is_valid_for_the_whole_chat(simulator: SimulatorHarness) -> None:
    started = simulator.start()
    first = simulator.join(started)
    simulator.clock.now += 86400
    assert refusal(simulator.send_message, first) == "AccessDeniedException"
    simulator.send_message(simulator.join(started))
    assert [item["content_type"] for item in simulator.chats()[0]["events"]] == [f"{EVENT}participant.joined"]


def test_the_expiry_of_tokens_is_a_setting(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"connection_token_seconds": 2})
    started = simulator.start()
    answer = simulator.participant.create_participant_connection(
        ParticipantToken=started["ParticipantToken"], Type=["CONNECTION_CREDENTIALS"], ConnectParticipant=True
    )["ConnectionCredentials"]
    assert answer["Expiry"] == "1970-01-12T13:46:42.000Z"
    simulator.clock.now += 2
    assert refusal(simulator.send_message, answer["ConnectionToken"]) == "AccessDeniedException"


def test_an_ended_chat_and_an_unknown_token_have_the_same_error(simulator: SimulatorHarness) -> None:
    contact, token = simulator.chat()
    calls = [
        (simulator.participant.send_message, {"ContentType": "text/plain", "Content": "x"}),
        (simulator.participant.send_event, {"ContentType": f"{EVENT}typing"}),
        (simulator.participant.get_transcript, {}),
        (simulator.participant.disconnect_participant, {}),
    ]
    simulator.act("end", contact)
    for call, request in calls:
        assert refusal(call, ConnectionToken=token, **request) == "AccessDeniedException"
        assert refusal(call, ConnectionToken="nonsense", **request) == "AccessDeniedException"


def test_without_connect_participant_or_streaming_the_flow_does_not_begin(simulator: SimulatorHarness) -> None:
    started = simulator.start()
    assert refusal(simulator.send_message, simulator.join(started, ConnectParticipant=False)) == "AccessDeniedException"
    unstreamed = simulator.start(ChatStreamingConfiguration=None)
    assert refusal(simulator.send_message, simulator.join(unstreamed)) == "AccessDeniedException"
    simulator.send_message(simulator.join(unstreamed, Type=["CONNECTION_CREDENTIALS", "WEBSOCKET"]))
    assert "has not begun" in simulator.act_error("reply", started["ContactId"], text="x")


def test_a_repeated_client_token_is_shown_once_and_returns_the_same_id(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat()
    first, again = (
        simulator.send_message(token, "hello", ClientToken="text-1-0"),
        simulator.send_message(token, "hello", ClientToken="text-1-0"),
    )
    assert again["Id"] == first["Id"]
    assert simulator.send_message(token, "hello", ClientToken="text-2-0")["Id"] != first["Id"]
    assert [m["content"] for m in simulator.chats()[0]["messages"]] == ["hello", "hello"]
    assert [c for _, c in simulator.notified() if c] == ["hello", "hello"]
    assert len([e for e in simulator.journal() if e["operation"] == "SendMessage"]) == 2


def test_a_failed_call_can_be_retried_with_the_same_client_token(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat()
    simulator.control("POST", "faults", json={"fault": "error", "times": 1, "operation": "SendMessage"})
    assert refusal(simulator.send_message, token, ClientToken="text-1") == "InternalServerException"
    simulator.send_message(token, ClientToken="text-1")
    simulator.send_message(token, ClientToken="text-1")
    assert [m["content"] for m in simulator.chats()[0]["messages"]] == ["hello"]


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
def test_a_message_that_the_chat_does_not_support_is_a_validation_error(
    simulator: SimulatorHarness, more: dict[str, Any]
) -> None:
    _, token = simulator.chat()
    assert refusal(simulator.send_message, token, **more) == "ValidationException"


def test_the_content_types_of_a_chat_are_those_it_was_started_with(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat(SupportedMessagingContentTypes=["text/plain", "text/markdown"])
    simulator.send_message(token, "**x**", ContentType="text/markdown")
    simulator.send_message(token, "x" * 16384)


def test_events_of_the_customer_are_accepted_and_receipts_name_a_message(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat()
    simulator.participant.send_event(ConnectionToken=token, ContentType=f"{EVENT}typing")
    read = functools.partial(
        simulator.participant.send_event, ConnectionToken=token, ContentType=f"{EVENT}message.read"
    )
    assert refusal(read) == "ValidationException"
    read(Content='{"messageId": "m"}')
    assert refusal(simulator.participant.send_event, ConnectionToken=token, ContentType=f"{EVENT}chat.ended") == (
        "ValidationException"
    )
    assert [kind for kind, _ in simulator.notified()] == ["participant.joined", "typing", "message.read"]


def test_a_customer_who_leaves_ends_the_chat(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat()
    simulator.participant.disconnect_participant(ConnectionToken=token)
    assert simulator.chats()[0]["ended"] is True
    assert [kind for kind, _ in simulator.notified()] == ["participant.joined", "participant.left", "chat.ended"]


def test_a_transcript_has_pages_and_no_messages_for_agents_only(simulator: SimulatorHarness) -> None:
    contact, token = simulator.chat()
    for n in range(3):
        simulator.send_message(token, str(n))
    simulator.act("say", contact, text="whisper", role="SUPERVISOR", visibility="AGENT")
    get = functools.partial(simulator.participant.get_transcript, ConnectionToken=token)
    everything = get()
    assert everything["InitialContactId"] == contact
    assert [item.get("Content") for item in everything["Transcript"]] == ["2", "1", "0", None]
    first = get(ScanDirection="FORWARD", SortOrder="ASCENDING", MaxResults=3)
    rest = get(ScanDirection="FORWARD", SortOrder="ASCENDING", MaxResults=3, NextToken=first["NextToken"])
    assert [item.get("Content") for item in first["Transcript"] + rest["Transcript"]] == [None, "0", "1", "2"]
    assert "NextToken" not in rest
