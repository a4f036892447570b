"""The chat messages of a text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.processing.notification import SnsNotification
from bridge.processing.state import SplitPlan
from bridge.texts import chat_messages, sms_event
from bridge.texts.chat_messages import ATTRIBUTES_LIMIT, ChatPart
from bridge.texts.sms_event import InboundSms
from testing.builders import BUSINESS_NUMBER, CONFIG, CUSTOMER, payload, record, with_chat
from testing.clock import NOON

PLAN = SplitPlan(limit=1024)
ROUTE = CONFIG.routes[BUSINESS_NUMBER]


def sms(body: object = "Hello", **changes: object) -> InboundSms:
    return sms_event.parse(SnsNotification.from_record(record(payload(body, **changes)))).required()


@pytest.mark.parametrize("body", [None, "", " ", "\n\t "])
def test_an_empty_text_is_shown_as_the_configured_line(body: object) -> None:
    assert chat_messages.chat_parts(sms(body), PLAN, CONFIG.chat) == (ChatPart("MESSAGE", "(empty message)"),)


def test_a_text_is_shown_as_it_was_written_white_space_and_all() -> None:
    assert chat_messages.chat_parts(sms("  two\nlines "), PLAN, CONFIG.chat) == (ChatPart("MESSAGE", "  two\nlines "),)


def test_half_a_surrogate_pair_is_shown_as_the_replacement_character() -> None:
    assert chat_messages.chat_parts(sms("a\ud83db"), PLAN, CONFIG.chat) == (ChatPart("MESSAGE", "a\ufffdb"),)


def plan(body: str, *, late_by: timedelta = timedelta(), **chat: object) -> SplitPlan:
    config = with_chat(**chat)
    return chat_messages.split_plan(
        sms(body), sent_at=NOON - late_by, now=NOON.timestamp(), chat=config.chat, limits=config.limits
    )


@pytest.mark.parametrize("body", ["STOP", "stop", " Stop\n", "ſtop"])
def test_a_disconnect_keyword_is_matched_trimmed_and_casefolded(body: str) -> None:
    assert plan(body).ends_chat


@pytest.mark.parametrize("body", ["STOP it", "stopp", "", "S T O P"])
def test_a_text_that_only_contains_the_keyword_ends_nothing(body: str) -> None:
    assert not plan(body).ends_chat


def test_without_keywords_nothing_ends_a_chat() -> None:
    assert not plan("STOP", disconnect_keywords=()).ends_chat


@pytest.mark.parametrize(("minutes", "prefix"), [(0, ""), (15, ""), (15.1, "(sent 2026-11-22 11:44 UTC)\n")])
def test_only_a_late_text_says_when_it_was_sent(minutes: float, prefix: str) -> None:
    assert plan("hi", late_by=timedelta(minutes=minutes)).prefix == prefix


def test_a_text_without_a_time_is_never_late() -> None:
    assert (
        chat_messages.split_plan(
            sms(), sent_at=None, now=NOON.timestamp(), chat=CONFIG.chat, limits=CONFIG.limits
        ).prefix
        == ""
    )


def test_the_late_line_counts_against_the_limit() -> None:
    late = SplitPlan(limit=30, prefix="(sent 2026-11-22 11:44 UTC)\n")
    parts = chat_messages.chat_parts(sms("hello world"), late, CONFIG.chat)
    assert "".join(part.content for part in parts) == late.prefix + "hello world"
    assert all(len(part.content) <= 30 for part in parts)


def test_attributes_of_the_sms_override_those_of_the_route() -> None:
    route = replace(ROUTE, attributes={"originationNumber": "forged", "team": "a"})
    attributes = chat_messages.new_session(sms(), route, CONFIG.chat).attributes
    assert attributes["originationNumber"] == CUSTOMER and attributes["team"] == "a"


def test_absent_fields_are_absent_attributes() -> None:
    attributes = chat_messages.new_session(
        sms(messageKeyword=None, inboundMessageId=None), ROUTE, CONFIG.chat
    ).attributes
    assert set(attributes) == {"queue", "originationNumber", "destinationNumber"}


def test_the_body_is_no_attribute_unless_configured() -> None:
    assert "secret" not in str(chat_messages.new_session(sms("secret"), ROUTE, CONFIG.chat).attributes)
    asked = chat_messages.new_session(sms("secret"), ROUTE, with_chat(body_attribute="firstText").chat)
    assert asked.attributes["firstText"] == "secret"


def test_attributes_stay_within_connects_limit() -> None:
    route = replace(ROUTE, attributes={"filler": "x" * 28_000})
    session = chat_messages.new_session(
        sms("ü" * 20_000, messageKeyword="漢" * 5_000), route, with_chat(body_attribute="firstText").chat
    )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in session.attributes.items())
    assert ATTRIBUTES_LIMIT - 2 < size <= ATTRIBUTES_LIMIT
    assert set(session.attributes["firstText"]) == {"ü"}


def test_the_display_name_has_the_customers_number_where_configured() -> None:
    name = chat_messages.new_session(sms(), replace(ROUTE, display_name="SMS {customer}"), CONFIG.chat).display_name
    assert name == f"SMS {CUSTOMER}"
    assert (
        len(chat_messages.new_session(sms(), replace(ROUTE, display_name="x" * 300), CONFIG.chat).display_name) == 256
    )
