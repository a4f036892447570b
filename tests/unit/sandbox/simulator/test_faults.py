"""Injected faults."""

from __future__ import annotations

import functools

import pytest
from botocore.exceptions import ClientError

from sandbox.simulator.faults import Fault, FaultKind, Faults
from testing.simulator import CUSTOMER, OTHER, SimulatorHarness, refusal


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttle", "ThrottlingException", 429),
        ("error", "InternalServiceException", 500),
        ("refuse", "AccessDeniedException", 403),
        ("not-found", "ResourceNotFoundException", 404),
        ("chat-limit", "ThrottlingException", 429),
    ],
)
def test_a_fault_applies_to_the_given_number_of_calls(
    simulator: SimulatorHarness, fault: str, code: str, status: int
) -> None:
    simulator.control("POST", "faults", json={"fault": fault, "times": 2})
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            simulator.send_event()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    simulator.send_event()
    assert simulator.status()["faults"] == []
    assert simulator.status()["accepted"] == 1


def test_a_fault_without_a_count_stays_until_it_is_removed(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "faults", json={"fault": "refuse"})
    assert {refusal(simulator.send_event) for _ in range(5)} == {"AccessDeniedException"}
    simulator.control("DELETE", "faults")
    simulator.send_event()


def test_a_fault_can_be_of_one_customer_or_operation(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "faults", json={"fault": "refuse", "source": CUSTOMER})
    simulator.control("POST", "faults", json={"fault": "error", "operation": "StartChatContact"})
    assert refusal(simulator.send_event) == "AccessDeniedException"
    simulator.send_event(source="+14255550183")


def test_a_quota_error_outside_the_api_model_can_be_chosen(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"chat_limit": 0, "chat_limit_error": "LimitExceededException"})
    with pytest.raises(ClientError) as caught:
        simulator.send_event()
    assert caught.value.response["Error"]["Code"] == "LimitExceededException"


def test_shares_are_of_all_calls_and_the_same_for_the_same_seed() -> None:
    def drawn() -> list[FaultKind | None]:
        faults = Faults()
        faults.add(Fault(fault=FaultKind.THROTTLE, share=0.3, seed=7))
        faults.add(Fault(fault=FaultKind.ERROR, share=0.1, seed=8))
        hits = (faults.draw(operation="x", source=None) for _ in range(10_000))
        return [hit.fault if hit else None for hit in hits]

    first = drawn()
    assert first == drawn()
    assert first.count(FaultKind.THROTTLE) == pytest.approx(3000, abs=150)
    assert first.count(FaultKind.ERROR) == pytest.approx(1000, abs=100)


@pytest.mark.parametrize(
    ("fault", "started", "said", "texted"),
    [
        ("throttle", "TooManyRequestsException", "ThrottlingException", "ThrottlingException"),
        ("error", "InternalServiceException", "InternalServerException", "InternalServerException"),
        ("refuse", "AccessDeniedException", "AccessDeniedException", "AccessDeniedException"),
        ("chat-limit", "LimitExceededException", None, None),
    ],
)
def test_a_fault_has_the_error_code_of_its_operation(
    simulator: SimulatorHarness, fault: str, started: str, said: str | None, texted: str | None
) -> None:
    _, token = simulator.chat()
    simulator.control("POST", "faults", json={"fault": fault})
    assert refusal(simulator.start) == started
    for call, code in ((functools.partial(simulator.send_message, token), said), (simulator.send_text, texted)):
        if code:
            assert refusal(call) == code
        else:
            call()


@pytest.mark.parametrize(
    ("fault", "operation", "status"),
    [("throttle", "chat", 429), ("error", "chat", 500), ("throttle", "text", 400), ("error", "text", 500)],
)
def test_a_fault_has_the_status_of_its_protocol(
    simulator: SimulatorHarness, fault: str, operation: str, status: int
) -> None:
    _, token = simulator.chat()
    simulator.control("POST", "faults", json={"fault": fault})
    with pytest.raises(ClientError) as caught:
        simulator.send_message(token) if operation == "chat" else simulator.send_text()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_fault_of_one_customer_applies_however_a_call_names_them(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat()
    _, other = simulator.chat(customer=OTHER)
    simulator.control("POST", "faults", json={"fault": "refuse", "source": CUSTOMER})
    assert {refusal(simulator.send_message, token), refusal(simulator.send_text), refusal(simulator.start)} == {
        "AccessDeniedException"
    }
    simulator.send_message(other)
    simulator.send_text(to=OTHER)
    simulator.start(customer=OTHER)


def test_a_fault_of_one_operation_does_not_affect_others(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat()
    simulator.control("POST", "faults", json={"fault": "error", "operation": "SendTextMessage", "times": 1})
    simulator.send_message(token)
    assert refusal(simulator.send_text) == "InternalServerException"
