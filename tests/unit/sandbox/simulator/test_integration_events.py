"""SendChatIntegrationEvent: chats that begin, end and refuse requests."""

from __future__ import annotations

from typing import Any

import pytest

from testing.simulator import ARN, DISCONNECT, MESSAGE, TYPING, SimulatorHarness, refusal


def test_a_first_message_starts_a_chat_and_the_next_joins_it(simulator: SimulatorHarness) -> None:
    first, second = simulator.send_event(), simulator.send_event()
    assert first["NewChatCreated"] is True
    assert second["NewChatCreated"] is False
    assert first["InitialContactId"] == second["InitialContactId"]


def test_another_customer_or_number_has_a_chat_of_its_own(simulator: SimulatorHarness) -> None:
    simulator.send_event()
    assert simulator.send_event(source="+14255550183")["NewChatCreated"] is True
    assert simulator.send_event(destination=ARN + "2")["NewChatCreated"] is True
    assert simulator.status()["chats"] == 3


def test_details_of_a_new_session_are_used_only_for_a_new_chat(simulator: SimulatorHarness) -> None:
    simulator.send_event(
        NewSessionDetails={"ParticipantDetails": {"DisplayName": "Ana"}, "Attributes": {"queue": "sales"}}
    )
    simulator.send_event(
        NewSessionDetails={"ParticipantDetails": {"DisplayName": "Bea"}, "Attributes": {"not a key": "x"}}
    )
    (chat,) = simulator.chats()
    assert chat["display_name"] == "Ana"
    assert chat["attributes"] == {"queue": "sales"}


def test_a_disconnect_ends_the_chat_and_the_next_message_starts_another(simulator: SimulatorHarness) -> None:
    first = simulator.send_event()
    assert simulator.send_event(Event=DISCONNECT)["InitialContactId"] == first["InitialContactId"]
    assert simulator.send_event()["InitialContactId"] != first["InitialContactId"]
    assert [chat["ended"] for chat in simulator.chats()] == [True, False]


@pytest.mark.parametrize("event", [DISCONNECT, TYPING])
def test_an_event_without_a_chat_is_refused(simulator: SimulatorHarness, event: dict[str, str]) -> None:
    assert refusal(simulator.send_event, Event=event) == "ResourceNotFoundException"


@pytest.mark.parametrize("event", [DISCONNECT, TYPING])
def test_an_event_without_a_chat_can_get_an_answer_without_a_contact(
    simulator: SimulatorHarness, event: dict[str, str]
) -> None:
    simulator.control("POST", "settings", json={"without_chat": "ignored"})
    answer = simulator.send_event(Event=event)
    assert "InitialContactId" not in answer
    assert answer["NewChatCreated"] is False


def test_a_chat_ends_by_itself_after_25_hours(simulator: SimulatorHarness) -> None:
    first = simulator.send_event()
    simulator.clock.now += 25 * 3600 - 1
    assert simulator.send_event()["InitialContactId"] == first["InitialContactId"]
    simulator.clock.now += 1
    assert simulator.send_event()["NewChatCreated"] is True
    assert simulator.chats()[0]["ended_at"] == 1_000_000 + 25 * 3600


@pytest.mark.parametrize(
    "request_",
    [
        {"source": ""},
        {"source": "1" * 256},
        {"source": 14255550182},
        {"destination": "+12125550101"},
        {"destination": "arn:aws:sns:us-east-1:111122223333:topic"},
        {"destination": "x" * 256},
        {"Subtype": "connect:fax"},
        {"Event": {}},
        {"Event": {"Type": "SHOUT"}},
        {"Event": {**MESSAGE, "Content": ""}},
        {"Event": {**MESSAGE, "Content": "x" * 1025}},
        {"Event": {**MESSAGE, "Content": "😀" * 513}},
        {"Event": {**MESSAGE, "ContentType": "text/markdown"}},
        {"Event": {"Type": "MESSAGE", "ContentType": "text/plain"}},
        {"Event": {"Type": "MESSAGE", "Content": "x"}},
        {"Event": {"Type": "EVENT"}},
        {"Event": {"Type": "EVENT", "ContentType": "text/plain"}},
        {"NewSessionDetails": {"SupportedMessagingContentTypes": ["text/markdown"]}},
        {"NewSessionDetails": {"SupportedMessagingContentTypes": ["text/plain", "text/html"]}},
        {"NewSessionDetails": {"SupportedMessagingContentTypes": "text/plain"}},
        {"NewSessionDetails": {"ParticipantDetails": {}}},
        {"NewSessionDetails": {"ParticipantDetails": {"DisplayName": "x" * 257}}},
        {"NewSessionDetails": {"StreamingConfiguration": {"StreamingEndpointArn": "x" * 351}}},
        {"NewSessionDetails": {"Attributes": {"a key": "x"}}},
        {"NewSessionDetails": {"Attributes": {"n": 1}}},
        {"NewSessionDetails": {"Attributes": {"a": "é" * 16384}}},
    ],
    ids=str,
)
def test_what_the_api_forbids_is_an_invalid_request(simulator: SimulatorHarness, request_: dict[str, Any]) -> None:
    assert refusal(simulator.send_event, **request_) == "InvalidRequestException"
    assert simulator.journal() == []


def test_requests_at_the_limits_are_accepted(simulator: SimulatorHarness) -> None:
    simulator.send_event(Event={**MESSAGE, "Content": "😀" * 512})
    simulator.send_event(source="+14255550183", NewSessionDetails={"Attributes": {"a-B_9": "é" * 16381 + "x"}})


def test_half_a_surrogate_pair_comes_back_as_it_was_sent(simulator: SimulatorHarness) -> None:
    simulator.send_event(Event={**MESSAGE, "Content": "broken \ud83d"})
    assert simulator.journal()[0]["content"] == "broken \ud83d"
