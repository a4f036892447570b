"""Which chat events are for the phone; the subscription's filter and `parse` agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedNotificationError
from bridge.processing.message import Parsed, message_groups
from bridge.processing.notification import SnsNotification
from bridge.replies import chat_events
from bridge.replies.chat_events import FILTER_POLICY, ChatEvent
from testing.builders import record
from testing.chat_events import CHAT, attributes, chat_record, ended, event, item, queued
from testing.clock import NOON
from testing.strategies import ITEM_FIELDS, item_words, items, json_values


def parsed(of: dict[str, Any], *, visibility: str | None = "ALL", **sns: object) -> Parsed[ChatEvent]:
    return chat_events.parse(SnsNotification.from_record(chat_record(of, visibility=visibility, **sns)))


def read(of: dict[str, Any], *, visibility: str | None = "ALL", **sns: object) -> ChatEvent:
    """Raises MalformedNotificationError."""
    return parsed(of, visibility=visibility, **sns).required()


@pytest.mark.parametrize("visibility", ["CUSTOMER", "ALL"])
@pytest.mark.parametrize("role", ["AGENT", "SYSTEM", "CUSTOM_BOT", "SUPERVISOR"])
def test_a_message_of_an_agent_or_bot_to_the_customer_is_a_reply(visibility: str, role: str) -> None:
    message = parsed(item("hi", ParticipantRole=role, Id="one"), visibility=visibility)
    said = message.required()
    assert (said.kind, said.content, said.message_id, said.initial_contact_id) == ("reply", "hi", "one", CHAT)
    assert (message.sent_at, message.key) == (NOON, "reply-one")


@pytest.mark.parametrize(
    ("of", "visibility"),
    [
        (item("hi", ParticipantRole="CUSTOMER"), "ALL"),
        (item("whispered", ParticipantRole="SUPERVISOR"), "AGENT"),
        (event("typing"), "ALL"),
        (event("participant.joined"), "ALL"),
        (event("participant.left"), "ALL"),
        (event("participant.left", ParticipantRole="CUSTOMER"), "ALL"),
        (event("transfer.succeeded"), "ALL"),
        (event("message.read", ParticipantRole="CUSTOMER"), "ALL"),
        (item(..., Type="ATTACHMENT", ParticipantRole="CUSTOMER", Attachments=[]), "ALL"),
    ],
)
def test_echoes_receipts_and_internal_messages_are_ignored(of: dict[str, Any], visibility: str) -> None:
    assert parsed(of, visibility=visibility).ignored


@pytest.mark.parametrize("role", [..., "SYSTEM", "CUSTOMER", "AGENT"])
def test_the_end_of_a_chat_is_read_whoever_ended_it(role: object) -> None:
    said = read(ended(ParticipantRole=role))
    assert (said.kind, said.initial_contact_id) == ("ended", CHAT)


def test_a_reply_after_a_transfer_belongs_to_the_chat_that_was_started() -> None:
    assert read(item("hi", ContactId="another-contact")).initial_contact_id == CHAT


def test_an_attachment_is_a_reply_with_the_files_that_no_scan_rejected() -> None:
    files = [
        {"AttachmentName": "bill.pdf", "AttachmentId": "a1", "ContentType": "application/pdf", "Status": "APPROVED"},
        {"AttachmentName": "virus.exe", "AttachmentId": "a2", "Status": "REJECTED"},
        "nonsense",
    ]
    said = read(item(..., Type="ATTACHMENT", Attachments=files), visibility=None)
    assert (said.kind, said.content) == ("reply", "")
    ((name, kind, attachment_id),) = [(file.name, file.content_type, file.attachment_id) for file in said.attachments]
    assert (name, kind, attachment_id) == ("bill.pdf", "application/pdf", "a1")


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (item(InitialContactId=...), "InitialContactId"),
        (item(InitialContactId="two words"), "InitialContactId"),
        (ended(InitialContactId=...), "InitialContactId"),
        (item(...), "Content"),
        (item(7), "Content"),
        (item(Type=...), "Type"),
        (item(ParticipantRole=...), "ParticipantRole"),
    ],
)
def test_an_event_without_a_required_field_is_malformed_and_names_it(of: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedNotificationError, match=reason):
        read(of)


def test_a_message_that_does_not_say_who_may_see_it_is_malformed() -> None:
    with pytest.raises(MalformedNotificationError, match="MessageVisibility"):
        read(item(), visibility=None)


@pytest.mark.parametrize("body", ["", "no JSON", "[1]", '"text"', "[" * 100_000])
def test_a_message_that_is_not_a_json_object_is_malformed(body: str) -> None:
    with pytest.raises(MalformedNotificationError, match="JSON"):
        chat_events.parse(SnsNotification.from_record(record(body))).required()


def test_a_topic_validation_notice_is_ignored() -> None:
    notice = SnsNotification.from_record(record("Successfully validated SNS topic for Amazon Connect"))
    assert chat_events.parse(notice).ignored


def test_a_message_without_an_id_has_that_of_its_notification() -> None:
    assert parsed(item(Id=...), MessageId="sns-1").key == "reply-sns-1"


def test_a_time_that_cannot_be_read_is_that_of_the_notification() -> None:
    assert parsed(item(AbsoluteTime="yesterday")).sent_at == NOON


def test_replies_of_a_batch_are_sorted_by_their_absolute_time() -> None:
    second, first = item("second", AbsoluteTime="2026-11-22T12:00:01.000Z"), item("first")
    records = [queued(second), queued(first), queued(item("third", AbsoluteTime="2026-11-22T12:00:01.000Z"))]
    (messages,), out_of_order = message_groups({"Records": records}, chat_events.parse)
    assert [message.parsed.required().content for message in messages] == ["first", "second", "third"]
    assert out_of_order == 1


def test_an_unreadable_reply_is_sorted_by_the_time_it_was_queued() -> None:
    nonsense = queued(item(AbsoluteTime="2026-11-22T12:00:00.000Z"), queued_at=NOON + timedelta(seconds=1))
    nonsense["body"] = "nonsense"
    (messages,), _ = message_groups({"Records": [nonsense, queued(item("hi"))]}, chat_events.parse)
    assert [message.body == "nonsense" for message in messages] == [False, True]
    assert messages[1].key == f"reply-{messages[1].message_id}"


def matches(policy: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """The rules of SNS that the policy uses."""

    def holds(rule: Any, value: str | None) -> bool:
        match rule:
            case str():
                return value == rule
            case {"anything-but": {"prefix": str(prefix)}}:
                return value is not None and not value.startswith(prefix)
            case {"anything-but": list(refused)}:
                return value is not None and value not in refused
            case {"exists": False}:
                return value is None
        raise AssertionError(f"a rule that this test does not know: {rule}")

    def one(name: str, rules: Any) -> bool:
        if name == "$or":
            return any(matches(each, said) for each in rules)
        value = said.get(name, {}).get("Value")
        return any(holds(rule, value) for rule in rules)

    return all(one(name, rules) for name, rules in policy.items())


@given(
    type_=st.sampled_from(["MESSAGE", "EVENT", "ATTACHMENT"]),
    role=st.sampled_from(["AGENT", "CUSTOMER", "SYSTEM", "CUSTOM_BOT", "SUPERVISOR"]),
    visibility=st.sampled_from(["AGENT", "CUSTOMER", "ALL", None]),
    content_type=st.sampled_from(["text/plain", "application/vnd.amazonaws.connect.event.typing"])
    | st.just("application/vnd.amazonaws.connect.event.chat.ended"),
)
def test_the_filter_passes_what_parse_does_not_ignore_and_no_event_besides(
    type_: str, role: str, visibility: str | None, content_type: str
) -> None:
    is_event = "connect.event." in content_type
    of = item("hi", Type="EVENT" if is_event else type_, ParticipantRole=role, ContentType=content_type)
    passes, ignored = matches(FILTER_POLICY, attributes(of, visibility)), parsed(of, visibility=visibility).ignored
    assert passes or ignored
    assert not (passes and ignored) or (of["Type"] == "EVENT" and not is_event)


@pytest.mark.parametrize("type_", ["ATTACHMENT", "MESSAGE", "EVENT", "SOMETHING_NEW"])
@pytest.mark.parametrize("content_type", [..., "text/plain", "application/pdf"])
@pytest.mark.parametrize("visibility", [None, "ALL", "CUSTOMER"])
def test_a_file_reaches_the_phone_whatever_its_attributes_call_it(
    type_: str, content_type: object, visibility: str | None
) -> None:
    """AWS documents none of them for a file."""
    files = [{"AttachmentName": "bill.pdf", "AttachmentId": "a1", "Status": "APPROVED"}]
    of = item(..., Type=type_, ContentType=content_type, Attachments=files)
    assert matches(FILTER_POLICY, attributes(of, visibility))
    said = read(of, visibility=visibility)
    assert (said.kind, [file.name for file in said.attachments]) == ("reply", ["bill.pdf"])


def test_a_file_for_the_agent_or_of_the_customer_does_not_reach_the_phone() -> None:
    files = [{"AttachmentName": "bill.pdf", "AttachmentId": "a1", "Status": "APPROVED"}]
    internal, own = item(..., Attachments=files), item(..., Attachments=files, ParticipantRole="CUSTOMER")
    for of, visibility in ((internal, "AGENT"), (own, "ALL"), (own, None)):
        assert not matches(FILTER_POLICY, attributes(of, visibility))
        assert parsed(of, visibility=visibility).ignored


def test_an_attachment_without_files_or_content_is_malformed() -> None:
    """It fails with a reason, and an operator sees what Connect streams."""
    with pytest.raises(MalformedNotificationError, match="Content"):
        read(item(..., Type="ATTACHMENT", Attachments=[]), visibility=None)


def test_the_filter_drops_the_customers_echoes_and_passes_the_end_of_a_chat() -> None:
    assert not matches(FILTER_POLICY, attributes(item(ParticipantRole="CUSTOMER")))
    assert not matches(FILTER_POLICY, attributes(item(Type="ATTACHMENT", ParticipantRole="CUSTOMER"), None))
    assert not matches(FILTER_POLICY, attributes(event("participant.left")))
    assert matches(FILTER_POLICY, attributes(ended(), visibility=None))
    assert matches(FILTER_POLICY, attributes(item(..., Type="ATTACHMENT"), visibility=None))


def test_the_filter_drops_internal_messages() -> None:
    for type_ in ("MESSAGE", "ATTACHMENT"):
        assert not matches(FILTER_POLICY, attributes(item(Type=type_), "AGENT"))
        assert matches(FILTER_POLICY, attributes(item(Type=type_), "CUSTOMER"))


def test_a_message_that_does_not_say_who_may_see_it_passes_the_filter() -> None:
    """Reply-intake then puts it into failed with its reason."""
    assert matches(FILTER_POLICY, attributes(item(), None))
    assert not matches(FILTER_POLICY, attributes(item(ParticipantRole="CUSTOMER"), None))


def test_the_filter_is_plain_json() -> None:
    assert json.loads(json.dumps(FILTER_POLICY)) == FILTER_POLICY


@given(
    message=st.text() | json_values.map(json.dumps) | items.map(json.dumps),
    said=json_values
    | st.dictionaries(st.sampled_from(ITEM_FIELDS), json_values | item_words.map(lambda word: {"Value": word})),
)
def test_no_notification_raises_another_error(message: str, said: object) -> None:
    message_ = chat_events.parse(SnsNotification.from_record(record(message, MessageAttributes=said)))
    event_ = message_.content
    assert bool(event_) + bool(message_.error) + bool(message_.ignored) == 1
    if event_:
        assert 1 <= len(event_.initial_contact_id) <= 128 and 1 <= len(event_.message_id) <= 128
    assert message_.sent_at is None or isinstance(message_.sent_at, datetime)
    assert len(message_.key) <= 128


def test_the_repr_of_a_reply_holds_no_content() -> None:
    files = [{"AttachmentName": "secret.pdf", "AttachmentId": "a1"}]
    assert "secret" not in repr(read(item("secret words", Type="ATTACHMENT", Attachments=files)))
