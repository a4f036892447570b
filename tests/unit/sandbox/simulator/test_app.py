"""The simulator over HTTP: unknown and unsigned requests, the journal, the controls."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from testing.simulator import (
    ARN,
    BUSINESS_NUMBER,
    CUSTOMER,
    DISCONNECT,
    MESSAGE,
    OTHER_BUSINESS_NUMBER,
    TYPING,
    SimulatorHarness,
    refusal,
)


def test_the_journal_holds_accepted_calls_in_order(simulator: SimulatorHarness) -> None:
    simulator.send_event()
    refusal(simulator.send_event, Event={**MESSAGE, "ContentType": "text/html"})
    simulator.send_event(Event=TYPING)
    simulator.send_event(Event=DISCONNECT)
    entries = simulator.journal()
    assert [(e["n"], e["type"], e["new_chat"]) for e in entries] == [
        (1, "MESSAGE", True),
        (2, "EVENT", False),
        (3, "DISCONNECT", False),
    ]
    assert entries[0]["content"] == "hello"
    assert entries[0]["source"] == CUSTOMER
    assert entries[0]["destination"] == ARN
    assert simulator.control("GET", "journal", params={"after": 2})["entries"] == entries[2:]
    assert simulator.status()["accepted"] == 3
    assert simulator.status()["refused"] == {"InvalidRequestException": 1}


def test_a_member_outside_the_api_model_is_refused_by_name(simulator: SimulatorHarness) -> None:
    body = {"SourceId": CUSTOMER, "DestinationId": ARN, "Event": {**MESSAGE, "Colour": "red"}, "InstanceId": "x"}
    headers = {"authorization": "AWS4-HMAC-SHA256 ..."}
    response = simulator.http("POST", "/chat-integration-event", json=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["Message"] == "Event.Colour is not a member; InstanceId is not a member"


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"7", b'{"Event": [], "SourceId": {}, "DestinationId": null}'])
def test_a_body_of_another_shape_is_refused(simulator: SimulatorHarness, body: bytes) -> None:
    headers = {"authorization": "AWS4-HMAC-SHA256 ..."}
    response = simulator.http("POST", "/chat-integration-event", content=body, headers=headers)
    assert (response.status_code, response.headers["x-amzn-errortype"].split(":")[0]) == (
        400,
        "InvalidRequestException",
    )


def test_an_unsigned_call_is_refused(simulator: SimulatorHarness) -> None:
    assert simulator.http("POST", "/chat-integration-event", json={}).status_code == 403


def test_an_operation_that_is_not_simulated_is_an_error_with_its_name(simulator: SimulatorHarness) -> None:
    with pytest.raises(ClientError, match="the simulator has no operation ListQueues"):
        simulator.connect.list_queues(InstanceId="12345678-1234-1234-1234-123456789012")
    assert simulator.http("GET", "/nowhere").json() == {"message": "the simulator has no operation GET /nowhere"}


def test_an_sms_operation_that_is_not_simulated_is_an_error_with_its_name(simulator: SimulatorHarness) -> None:
    with pytest.raises(ClientError, match="the simulator has no operation DescribeKeywords"):
        simulator.sms.describe_keywords()
    response = simulator.http("POST", "/", headers={"x-amz-target": "PinpointSMSVoiceV2.Nothing"}, content=b"{}")
    assert "the simulator has no operation PinpointSMSVoiceV2.Nothing" in response.text


def test_an_unsigned_text_is_refused_and_participants_need_no_signature(simulator: SimulatorHarness) -> None:
    target = {"x-amz-target": "PinpointSMSVoiceV2.SendTextMessage"}
    assert "AccessDeniedException" in simulator.http("POST", "/", headers=target, content=b"{}").text
    _, token = simulator.chat()
    message = {"ContentType": "text/plain", "Content": "x"}
    assert simulator.http("POST", "/participant/message", headers={"x-amz-bearer": token}, json=message).is_success


def test_reset_restores_settings_and_removes_chats_and_faults(simulator: SimulatorHarness) -> None:
    simulator.send_event()
    simulator.control("POST", "faults", json={"fault": "refuse"})
    simulator.control("POST", "settings", json={"rate": 1, "chat_limit": 3})
    status = simulator.control("POST", "reset")
    assert (status["accepted"], status["chats"], status["faults"], status["refused"]) == (0, 0, [], {})
    assert (status["rate"], status["burst"], status["chat_limit"]) == (17, 26, 500)
    assert simulator.send_event()["NewChatCreated"] is True


def test_reset_removes_texts_and_notifications_and_keeps_the_numbers(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat()
    simulator.send_text()
    simulator.control("POST", "reset")
    status = simulator.status()
    assert (status["texts"], status["notifications"], status["accepted"]) == (0, 0, 0)
    assert refusal(simulator.send_message, token) == "AccessDeniedException"
    assert [number["number"] for number in simulator.control("GET", "numbers")["numbers"]] == [
        BUSINESS_NUMBER,
        OTHER_BUSINESS_NUMBER,
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"fault": "earthquake"}),
        ("faults", {"fault": "error", "times": 0}),
        ("faults", {"fault": "error", "share": 1.5}),
        ("faults", {"fault": "error", "times": 1, "share": 0.5}),
        ("faults", {"fault": "error", "often": True}),
        ("settings", {"rate": 0}),
        ("settings", {"speed": 9}),
        ("settings", [1]),
        ("agent", {"action": "dance", "chat": "x"}),
        ("agent", {"action": "reply", "chat": "x", "colour": "red"}),
        ("numbers", [{"number": "555", "arn": ARN}]),
        ("numbers", [{"number": BUSINESS_NUMBER, "arn": "arn:aws:sns:us-east-1:111122223333:topic"}]),
        ("notifications", {"n": 1, "copies": 0}),
        ("settings", {"notify_twice": 2}),
        ("settings", {"rates": {"SendMessage": [0, 1]}}),
    ],
)
def test_an_invalid_control_is_refused_with_a_reason(simulator: SimulatorHarness, path: str, body: Any) -> None:
    response = simulator.http("POST", f"/_simulator/{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]
