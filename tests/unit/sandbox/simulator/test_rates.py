"""Rates and quotas of the operations."""

from __future__ import annotations

import functools

import pytest
from botocore.exceptions import ClientError

from sandbox.simulator.contact_centre import ContactCentre, TokenBucket
from sandbox.simulator.settings import Settings
from testing.simulator import DISCONNECT, EVENT, Clock, SimulatorHarness, refusal


def test_calls_over_the_burst_are_throttled_until_the_rate_allows_more(simulator: SimulatorHarness) -> None:
    for _ in range(26):
        simulator.send_event()
    assert refusal(simulator.send_event) == "ThrottlingException"
    simulator.clock.now += 1
    for _ in range(17):
        simulator.send_event()
    assert refusal(simulator.send_event) == "ThrottlingException"
    assert simulator.status()["accepted"] == 43


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=2, clock=clock)
    clock.now += 3600
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_chat_over_the_quota_is_refused_while_others_go_on(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"chat_limit": 1})
    simulator.send_event()
    assert refusal(simulator.send_event, source="+14255550183") == "ThrottlingException"
    simulator.send_event()
    simulator.send_event(Event=DISCONNECT)
    simulator.send_event(source="+14255550183")


@pytest.mark.parametrize(
    ("operation", "burst", "rate"), [("SendMessage", 15, 10), ("SendEvent", 15, 10), ("GetTranscript", 12, 8)]
)
def test_each_operation_has_a_rate_of_its_own(
    simulator: SimulatorHarness, operation: str, burst: int, rate: int
) -> None:
    _, token = simulator.chat()
    simulator.control("POST", "settings", json={"rates": {operation: [rate, burst]}})
    calls = {
        "SendMessage": functools.partial(simulator.send_message, token),
        "SendEvent": functools.partial(
            simulator.participant.send_event, ConnectionToken=token, ContentType=f"{EVENT}typing"
        ),
        "GetTranscript": functools.partial(simulator.participant.get_transcript, ConnectionToken=token),
    }
    call = calls.pop(operation)
    for calls_allowed in (burst, rate):
        for _ in range(calls_allowed):
            call()
        assert refusal(call) == "ThrottlingException"
        simulator.clock.now += 1
    for other in calls.values():
        other()


def test_default_rates_are_what_aws_documents() -> None:
    rates = ContactCentre().settings.rates
    assert {rates["StartChatContact"], rates["StartContactStreaming"]} == {(5, 8)}
    assert (rates["CreateParticipantConnection"], rates["DisconnectParticipant"]) == ((6, 9), (3, 5))
    assert {rates["SendMessage"], rates["SendEvent"]} == {(10, 15)}
    assert {rates["SendTextMessage"], rates["DescribePhoneNumbers"], rates["UpdatePhoneNumber"]} == {(1, 1)}


def test_a_throttled_start_chat_is_429_with_either_error_code(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"rates": {"StartChatContact": [5, 1]}})
    simulator.start()
    with pytest.raises(ClientError) as caught:
        simulator.start()
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    simulator.control("POST", "settings", json={"start_chat_throttle_error": "ThrottlingException"})
    simulator.start()
    assert refusal(simulator.start) == "ThrottlingException"


def test_an_unknown_operation_has_no_rate(simulator: SimulatorHarness) -> None:
    response = simulator.http("POST", "/_simulator/settings", json={"rates": {"ListQueues": [1, 1]}})
    assert (response.status_code, "no operation ListQueues" in response.json()["error"]) == (400, True)


def test_default_settings_are_the_default_quotas_of_connect() -> None:
    assert Settings().model_dump(include={"rate", "burst", "chat_limit", "chat_seconds"}) == {
        "rate": 17,
        "burst": 26,
        "chat_limit": 500,
        "chat_seconds": 25 * 3600,
    }


def test_service_quotas_returns_the_quotas_of_the_settings(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"chat_limit": 7, "rate": 3})
    response = simulator.http(
        "POST",
        "/",
        headers={"x-amz-target": "ServiceQuotasV20190624.ListServiceQuotas", "authorization": "AWS4-HMAC-SHA256"},
        content=b'{"ServiceCode": "connect"}',
    )
    assert {quota["QuotaName"]: quota["Value"] for quota in response.json()["Quotas"]} == {
        "Concurrent active chats per instance": 7,
        "Rate of SendChatIntegrationEvent API requests": 3,
    }
