"""Tests of ChatSessions that hold for a model of the table and for a real one. Each takes a fixture `opened`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridge.aws.chat_sessions import ChatSession, ChatSessions
from bridge.replies.participants import Participants
from testing.builders import ARN, BUSINESS_NUMBER, CUSTOMER

LONGEST_CHAT = 7 * 24 * 3600
PARTICIPANTS = Participants(customer_number=CUSTOMER, business_number=BUSINESS_NUMBER, business_number_arn=ARN)


class Open:
    """The chats of one conversation in a table."""

    def __init__(self, client: Any, table: str) -> None:
        self.conversation = uuid.uuid4().hex
        self.contacts = [f"{self.conversation}-{number}" for number in range(3)]
        self.now = float(int(time.time()))  # a real table deletes expired items
        self.chats = ChatSessions(client=client, table=table, now=lambda: self.now)
        self._client, self._table = client, table

    def start(self, generation: int) -> ChatSession:
        chat = ChatSession(generation=generation, contact=self.contacts[generation], participant_token="token")
        self.chats.record_start(self.conversation, PARTICIPANTS, chat)
        return chat

    def latest(self) -> ChatSession | None:
        return self.chats.latest(self.conversation)

    def of_another_environment(self) -> ChatSessions:
        return ChatSessions(client=self._client, table=self._table, now=lambda: self.now)

    def items(self) -> list[Mapping[str, Any]]:
        """Those of the conversation and of its first chat."""
        keys = (f"conversation:{self.conversation}", f"contact:{self.contacts[1]}")
        return [
            self._client.get_item(TableName=self._table, Key={"chat_key": {"S": key}}, ConsistentRead=True)["Item"]
            for key in keys
        ]


def test_a_conversation_that_never_had_a_chat_has_none(opened: Open) -> None:
    assert opened.latest() is None
    assert opened.chats.participants(opened.contacts[1]) is None
    assert opened.chats.conversation_of(opened.contacts[1]) is None


def test_a_chat_session_is_read_back_with_its_participants(opened: Open) -> None:
    chat = replace(
        ChatSession(generation=1, contact=opened.contacts[1], participant_token="token"),
        first_client_token="one-0",
        connection_token="connection",
        token_expires_at=opened.now + 86_400.5,
    )
    opened.chats.record_start(opened.conversation, PARTICIPANTS, chat)
    opened.chats.record_connection(opened.conversation, chat)
    assert opened.latest() == chat
    assert opened.chats.participants(chat.contact) == PARTICIPANTS
    assert opened.chats.conversation_of(chat.contact) == opened.conversation


def test_chat_sessions_are_read_consistently(opened: Open) -> None:
    chat = opened.start(1)
    assert opened.latest() == chat
    opened.chats.record_end(opened.conversation, chat.contact)
    assert opened.latest() == replace(chat, ended=True)


def test_the_late_end_of_an_old_chat_leaves_the_newer_one_open(opened: Open) -> None:
    old, new = opened.start(1), opened.start(2)
    opened.chats.end(old.contact)
    assert opened.latest() == new
    opened.chats.end(new.contact)
    assert opened.latest() == replace(new, ended=True)


def test_an_older_chat_never_replaces_a_newer_one(opened: Open) -> None:
    new = opened.start(2)
    opened.start(1)
    assert opened.latest() == new


def test_recording_a_chat_twice_changes_nothing(opened: Open) -> None:
    assert opened.start(1) == opened.start(1) == opened.latest()


def test_the_connection_to_an_old_chat_is_not_saved_for_the_newer_one(opened: Open) -> None:
    old, new = opened.start(1), opened.start(2)
    opened.chats.record_connection(
        opened.conversation, replace(old, connection_token="connection", token_expires_at=1.0)
    )
    assert opened.latest() == new


def test_the_end_of_a_chat_that_the_bridge_did_not_start_is_ignored(opened: Open) -> None:
    opened.chats.end("somebody-elses")
    assert opened.latest() is None


def test_the_options_of_a_chat_are_saved_until_they_are_withdrawn(opened: Open) -> None:
    contact = opened.start(1).contact
    for options in (("Sales", "Service"), ()):
        opened.chats.save_options(contact, options)
        assert opened.chats.participants(contact) == replace(PARTICIPANTS, options=options)


def test_chat_sessions_expire_after_the_longest_chat(opened: Open) -> None:
    opened.start(1)
    for item in opened.items():
        ((kind, when),) = item["expires_at"].items()
        assert kind == "N"
        assert LONGEST_CHAT < int(when) - opened.now < 2 * LONGEST_CHAT


def test_a_phone_is_claimed_for_a_time_by_one_environment(opened: Open) -> None:
    contact, other = opened.start(1).contact, opened.of_another_environment()
    assert opened.chats.claim_phone(contact, seconds=1.25) == (PARTICIPANTS, 0.0)
    opened.now += 1
    assert other.claim_phone(contact, seconds=1.25) == (PARTICIPANTS, 0.25)
    opened.now += 0.25
    assert other.claim_phone(contact, seconds=1.25) == (PARTICIPANTS, 0.0)
    assert opened.chats.claim_phone(contact, seconds=1.25) == (PARTICIPANTS, 1.25)


def test_an_environment_renews_its_own_claim(opened: Open) -> None:
    contact, other = opened.start(1).contact, opened.of_another_environment()
    for _ in range(3):
        assert opened.chats.claim_phone(contact, seconds=2) == (PARTICIPANTS, 0.0)
        opened.now += 1
    assert other.claim_phone(contact, seconds=1) == (PARTICIPANTS, 1.0)


def test_no_phone_is_claimed_for_a_chat_that_is_not_recorded(opened: Open) -> None:
    assert opened.chats.claim_phone(opened.contacts[1], seconds=1) == (None, 0.0)
    assert opened.chats.participants(opened.contacts[1]) is None
    opened.start(1)
    assert opened.chats.claim_phone(opened.contacts[1], seconds=1) == (PARTICIPANTS, 0.0)


def test_the_first_refusal_of_a_chat_is_remembered_until_it_accepts_something(opened: Open) -> None:
    chat = opened.start(1)
    first = opened.now
    for _ in range(2):
        opened.chats.record_refusal(opened.conversation, chat.contact)
        opened.now += 60
    assert opened.latest() == replace(chat, refused_at=first)
    opened.chats.record_acceptance(opened.conversation, "another-contact")
    assert opened.latest() == replace(chat, refused_at=first)
    opened.chats.record_acceptance(opened.conversation, chat.contact)
    assert opened.latest() == chat


TESTS = {name: test for name, test in globals().items() if name.startswith("test_")}
"""For the namespace of a test module."""
