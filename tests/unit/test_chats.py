"""The open chats: known as they are now, and closed by no late word of an older one.

On a model of the table; tests/sandbox/test_open_chats.py asks the same of a real one.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bridge.aws.chat_sessions import ChatSession, ChatSessions
from bridge.replies.participants import Participants
from testing.builders import ARN, CUSTOMER, OURS
from testing.models.table import Table

LONGEST_CHAT = 7 * 24 * 3600
PARTY = Participants(customer_number=CUSTOMER, business_number=OURS, business_number_arn=ARN)


class Open:
    """Chats of one conversation in a table."""

    def __init__(self, client: Any, table: str) -> None:
        self.conversation = uuid.uuid4().hex
        self.contacts = [f"{self.conversation}-{number}" for number in range(3)]
        self.now = float(int(time.time()))  # the real table forgets what is over
        self.chats = ChatSessions(client=client, table=table, now=lambda: self.now)
        self._client, self._table = client, table

    def start(self, generation: int) -> ChatSession:
        chat = ChatSession(generation=generation, contact=self.contacts[generation], participant_token="token")
        self.chats.record_start(self.conversation, PARTY, chat)
        return chat

    def latest(self) -> ChatSession | None:
        return self.chats.latest(self.conversation)

    def items(self) -> list[Mapping[str, Any]]:
        """Of the conversation and of its first chat."""
        keys = (f"conversation:{self.conversation}", f"contact:{self.contacts[1]}")
        return [
            self._client.get_item(TableName=self._table, Key={"chat_key": {"S": key}}, ConsistentRead=True)["Item"]
            for key in keys
        ]


@pytest.fixture
def opened() -> Open:
    return Open(Table(by="chat_key"), "chats")


def test_a_conversation_that_never_had_a_chat_has_none(opened: Open) -> None:
    assert opened.latest() is None
    assert opened.chats.participants(opened.contacts[1]) is None
    assert opened.chats.conversation_of(opened.contacts[1]) is None


def test_a_chat_comes_back_as_it_was_kept_with_whom_it_is_with(opened: Open) -> None:
    chat = replace(
        ChatSession(generation=1, contact=opened.contacts[1], participant_token="token"),
        first_client_token="one-0",
        connection_token="connection",
        token_expires_at=opened.now + 86_400.5,
    )
    opened.chats.record_start(opened.conversation, PARTY, chat)
    opened.chats.record_connection(opened.conversation, chat)
    assert opened.latest() == chat
    assert opened.chats.participants(chat.contact) == PARTY
    assert opened.chats.conversation_of(chat.contact) == opened.conversation


def test_a_chat_is_known_as_it_is_now_and_not_as_it_was_a_moment_ago(opened: Open) -> None:
    chat = opened.start(1)
    assert opened.latest() == chat
    opened.chats.record_end(opened.conversation, chat.contact)
    assert opened.latest() == replace(chat, ended=True)


def test_a_late_word_that_an_old_chat_ended_leaves_the_newer_one_open(opened: Open) -> None:
    old, new = opened.start(1), opened.start(2)
    opened.chats.end(old.contact)
    assert opened.latest() == new
    opened.chats.end(new.contact)
    assert opened.latest() == replace(new, ended=True)


def test_a_chat_never_takes_the_place_of_a_newer_one(opened: Open) -> None:
    new = opened.start(2)
    opened.start(1)
    assert opened.latest() == new


def test_a_chat_that_is_noted_a_second_time_is_the_same_chat(opened: Open) -> None:
    assert opened.start(1) == opened.start(1) == opened.latest()


def test_a_connection_to_an_old_chat_is_not_kept_for_the_newer_one(opened: Open) -> None:
    old, new = opened.start(1), opened.start(2)
    opened.chats.record_connection(
        opened.conversation, replace(old, connection_token="connection", token_expires_at=1.0)
    )
    assert opened.latest() == new


def test_the_end_of_a_chat_that_somebody_else_started_is_nothing_to_do(opened: Open) -> None:
    opened.chats.end("somebody-elses")
    assert opened.latest() is None


def test_what_was_offered_in_a_chat_is_remembered_until_it_is_taken_back(opened: Open) -> None:
    contact = opened.start(1).contact
    for options in (("Sales", "Service"), ()):
        opened.chats.save_options(contact, options)
        assert opened.chats.participants(contact) == replace(PARTY, options=options)


def test_a_chat_is_forgotten_by_a_number_of_seconds_and_after_its_longest_life(opened: Open) -> None:
    opened.start(1)
    for item in opened.items():
        ((kind, when),) = item["expires_at"].items()
        assert kind == "N"
        assert LONGEST_CHAT < int(when) - opened.now < 2 * LONGEST_CHAT
