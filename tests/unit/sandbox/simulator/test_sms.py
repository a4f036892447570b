"""SendTextMessage."""

from __future__ import annotations

from typing import Any

import pytest

from testing.simulator import ARN, BUSINESS_NUMBER, CUSTOMER, OTHER, OTHER_BUSINESS_NUMBER, SimulatorHarness, refusal


def test_a_text_reaches_the_phone_from_the_number_it_was_sent_from(simulator: SimulatorHarness) -> None:
    message = simulator.send_text("hello", Context={"contact": "1"})
    simulator.send_text("other", to=OTHER, origin=OTHER_BUSINESS_NUMBER)
    (text,) = simulator.control("GET", "phone", params={"number": CUSTOMER})["texts"]
    assert (text["from"], text["origination"], text["body"], text["message_id"]) == (
        BUSINESS_NUMBER,
        ARN,
        "hello",
        message,
    )
    assert (text["context"], text["by"]) == ({"contact": "1"}, "SendTextMessage")
    assert simulator.phone(OTHER) == ["other"]
    assert len(simulator.control("GET", "phone")["texts"]) == 2


def test_a_repeated_call_sends_the_text_twice(simulator: SimulatorHarness) -> None:
    assert simulator.send_text() != simulator.send_text()
    assert simulator.phone() == ["hi", "hi"]


def test_a_dry_run_sends_nothing(simulator: SimulatorHarness) -> None:
    simulator.send_text(DryRun=True)
    assert simulator.phone() == []


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
    simulator: SimulatorHarness, settings: dict[str, Any], refused: str
) -> None:
    simulator.control("POST", "settings", json=settings)
    assert refusal(simulator.send_text) == refused
    assert simulator.phone() == []
    if "spending_limit" not in settings:
        simulator.send_text(to="+12065550100")


def test_the_spending_limit_counts_parts(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"spending_limit": 3})
    simulator.send_text("x" * 161)
    assert refusal(simulator.send_text, "x" * 161).startswith("ServiceQuotaExceededException")
    simulator.send_text("x" * 160)


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
def test_the_length_limit_depends_on_the_alphabet(simulator: SimulatorHarness, body: str, taken: bool) -> None:
    if taken:
        simulator.send_text(body)
        assert simulator.phone() == [body]
    else:
        assert refusal(simulator.send_text, body) == "ValidationException INVALID_PARAMETER"


def test_a_blank_text_or_one_over_the_limit_of_the_model_is_refused(simulator: SimulatorHarness) -> None:
    assert refusal(simulator.send_text, " \n") == "ValidationException FIELD_VALIDATION_FAILED"
    assert refusal(simulator.send_text, "x" * 1601) == "ValidationException FIELD_VALIDATION_FAILED"
    assert refusal(simulator.send_text, to="not a number") == "ValidationException FIELD_VALIDATION_FAILED"
    assert refusal(simulator.send_text, to="+1x2065550100") == "ValidationException INVALID_PARAMETER"


def test_one_phone_receives_one_text_a_second(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"recipient_rate": 1})
    simulator.send_text()
    assert refusal(simulator.send_text) == "ThrottlingException"
    simulator.send_text(to=OTHER)
    simulator.clock.now += 1
    simulator.send_text()


def test_an_account_sends_one_text_a_second_by_default(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"rates": {"SendTextMessage": [1, 1]}})
    simulator.send_text()
    assert refusal(simulator.send_text, to=OTHER) == "ThrottlingException"


def test_a_text_is_sent_only_from_an_active_business_number(simulator: SimulatorHarness) -> None:
    assert refusal(simulator.send_text, origin="+12125550199") == "ResourceNotFoundException"
    simulator.control("POST", "numbers", json=[{"number": "+12125550103", "arn": f"{ARN}3", "status": "PENDING"}])
    assert refusal(simulator.send_text, origin="+12125550103") == "ConflictException RESOURCE_NOT_ACTIVE"
    simulator.control("POST", "numbers", json=[])
    request = {"DestinationPhoneNumber": CUSTOMER, "MessageBody": "x"}
    assert refusal(simulator.sms.send_text_message, **request) == "ConflictException NO_ORIGINATION_IDENTITIES_FOUND"
    simulator.send_text(origin="+12125550199")  # a simulator without numbers accepts every number
