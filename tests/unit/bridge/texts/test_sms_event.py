"""Inbound SMS: lenient with what may vary, clear about what must be there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedNotificationError
from bridge.processing.notification import SnsNotification
from bridge.texts import sms_event
from bridge.texts.sms_event import InboundSms
from testing.builders import BUSINESS_NUMBER, CUSTOMER, payload, record


def read(message: object, **sns: Any) -> SnsNotification:
    return SnsNotification.from_record(record(message, **sns))


def text(message: object, **sns: Any) -> InboundSms:
    """Raises MalformedNotificationError."""
    return sms_event.parse(read(message, **sns)).required()


def test_all_documented_fields_are_read() -> None:
    sms = text(payload("hi", inboundMessageId="one", previousPublishedMessageId="prev"))
    assert (sms.origination_number, sms.destination_number, sms.body) == (CUSTOMER, BUSINESS_NUMBER, "hi")
    assert (sms.text_key, sms.inbound_message_id) == ("one", "one")
    assert (sms.keyword, sms.previous_message_id) == ("KEYWORD_111122223333", "prev")


@pytest.mark.parametrize("absent", [None, ..., ""])
@pytest.mark.parametrize("name", ["messageKeyword", "previousPublishedMessageId", "inboundMessageId", "messageBody"])
def test_optional_fields_may_be_null_missing_or_empty(name: str, absent: object) -> None:
    sms = text(payload(**{name: absent}), MessageId="sns-id")
    if name == "inboundMessageId":
        assert sms.text_key == "sns-id"
    if name == "messageBody":
        assert sms.body == ""


def test_unknown_fields_do_no_harm() -> None:
    assert text(payload(rcsAgentId="x", nested={"a": [1]})).body == "Hello"


@pytest.mark.parametrize("name", ["originationNumber", "destinationNumber"])
@pytest.mark.parametrize("value", [None, ..., "", " ", 14255550182, ["+1"], {"a": 1}, True, "x" * 256])
def test_a_notification_without_both_numbers_is_malformed_and_says_which(name: str, value: object) -> None:
    with pytest.raises(MalformedNotificationError, match=name):
        text(payload(**{name: value}))


@pytest.mark.parametrize("sender", ["12345", "ACME", "agent-1a2b@rcs"])
def test_senders_that_are_not_e164_numbers_are_accepted(sender: str) -> None:
    assert text(payload(originationNumber=sender)).origination_number == sender


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("hello", "not JSON"),
        ("", "not JSON"),
        ("[1]", "not an object"),
        ('"text"', "not an object"),
        ("[" * 100_000, "not JSON"),
        (json.dumps(payload(7)), "messageBody is a number"),
        (json.dumps(payload([])), "messageBody is a list"),
    ],
)
def test_a_message_that_is_not_an_inbound_sms_is_malformed_and_says_why(message: str, reason: str) -> None:
    with pytest.raises(MalformedNotificationError, match=reason):
        text(message)


def test_a_text_that_quotes_the_topic_validation_notice_is_a_text() -> None:
    assert read("Successfully validated SNS topic for Amazon Pinpoint two-way SMS").is_notice
    assert not read(payload("Successfully validated SNS topic for x")).is_notice


def test_a_conversation_is_one_customer_and_one_business_number() -> None:
    def of(origination: str, destination: str) -> str:
        return text(payload(originationNumber=origination, destinationNumber=destination)).conversation_id

    assert of(CUSTOMER, BUSINESS_NUMBER) == of(f" {CUSTOMER} ", BUSINESS_NUMBER)
    assert (
        len(
            {
                of(CUSTOMER, BUSINESS_NUMBER),
                of(BUSINESS_NUMBER, CUSTOMER),
                of(CUSTOMER + "1", BUSINESS_NUMBER),
                of(CUSTOMER, "1" + BUSINESS_NUMBER),
            }
        )
        == 4
    )
    assert len(of(CUSTOMER, BUSINESS_NUMBER)) == 64


@given(st.text())
def test_every_text_key_is_valid_for_sqs_and_the_ledger(inbound_message_id: str) -> None:
    key = sms_event.parse(read(payload(inboundMessageId=inbound_message_id), MessageId="sns-id")).key
    assert 1 <= len(key) <= 128 and key.isascii() and key.isprintable() and " " not in key


def test_the_repr_of_a_text_holds_no_body_and_no_number() -> None:
    notification = read(payload("secret words"))
    parsed = sms_event.parse(notification)
    for printed in (repr(notification), repr(parsed), repr(parsed.content)):
        assert "secret" not in printed and CUSTOMER[1:] not in printed
