"""A new chat that accepts nothing: no second one is started while it may be open."""

from __future__ import annotations

import pytest

from bridge.errors import AccessRefusedError
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted
from testing.chat_services import ENDED, refusal
from testing.harness import StartChatHarness


@pytest.mark.parametrize("call", ["connect", "send"])
def test_a_new_chat_that_accepts_nothing_is_blocked_and_not_replaced(call: str) -> None:
    """Access that is refused for another reason than an ended chat must not fill the instance with chats."""
    harness = StartChatHarness()
    harness.connect.errors = {call: [ENDED] * 20, "disconnect": [ENDED] * 20}
    for _ in range(4):
        with pytest.raises(AccessRefusedError):
            harness.send("hello", key="one")
        harness.clock.time += 120
    assert harness.connect.calls.count("start") == 1
    harness.connect.errors = {}
    assert harness.send("hello", key="one") == Accepted("contact-1", False)
    assert harness.contents == [("contact-1", "hello")]


def test_a_new_chat_that_ends_at_once_is_replaced_once_connect_says_so() -> None:
    """A contact flow ends each chat: the text waits, and is in the next chat."""
    harness = StartChatHarness()
    harness.connect.errors = {"send": [ENDED] * 2, "disconnect": [ENDED] * 2}
    for _ in range(2):
        with pytest.raises(AccessRefusedError):
            harness.send("hello", key="one")
    harness.chats.end("contact-1")  # as reply does after chat.ended
    assert harness.send("hello", key="one") == Accepted("contact-2", True)


def test_a_new_chat_that_accepts_nothing_is_ended_where_that_is_allowed() -> None:
    harness = StartChatHarness()
    harness.connect.errors = {"send": [ENDED]}
    with pytest.raises(AccessRefusedError):
        harness.send("hello", key="one")
    assert harness.connect.over == {"contact-1"}
    assert harness.send("hello", key="one") == Accepted("contact-2", True)


def test_a_refused_chat_is_ended_by_a_later_attempt_where_the_first_could_not() -> None:
    harness = StartChatHarness()
    harness.connect.errors = {"send": [ENDED] * 2, "disconnect": [refusal("ThrottlingException", 429)]}
    for _ in range(2):
        with pytest.raises(AccessRefusedError):
            harness.send("hello", key="one")
    assert harness.connect.over == {"contact-1"}
    assert harness.send("hello", key="one") == Accepted("contact-2", True)


def test_a_refused_chat_is_replaced_after_its_duration() -> None:
    harness = StartChatHarness(chat_minutes=60)
    harness.connect.errors = {"connect": [ENDED] * 3}
    with pytest.raises(AccessRefusedError):
        harness.send("hello", key="one")
    harness.clock.time += 3599
    with pytest.raises(AccessRefusedError):
        harness.send("hello", key="one")
    harness.clock.time += 1
    harness.connect.errors = {"connect": [ENDED]}
    assert harness.send("hello", key="one") == Accepted("contact-2", True)


def test_a_refused_chat_that_accepted_something_since_ends_like_any_other() -> None:
    harness = StartChatHarness()
    harness.connect.errors = {"send": [ENDED], "disconnect": [ENDED]}
    with pytest.raises(AccessRefusedError):
        harness.send("hello", key="one")
    harness.send("hello", key="one")
    harness.connect.over.add("contact-1")
    assert harness.send("again", key="two") == Accepted("contact-2", True)


def test_a_disconnect_does_not_close_a_chat_that_accepts_nothing() -> None:
    harness = StartChatHarness()
    harness.connect.errors = {"send": [ENDED], "disconnect": [ENDED] * 3}
    with pytest.raises(AccessRefusedError):
        harness.send("hello", key="one")
    with pytest.raises(AccessRefusedError):
        harness.send(ChatPart("DISCONNECT"), key="two")
    assert harness.send("hello", key="one") == Accepted("contact-1", False)
