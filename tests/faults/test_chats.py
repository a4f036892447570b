"""That a second chat is seen, and a missing one."""

from __future__ import annotations

from typing import Any

from tests.faults.chats import look_at


def chat(contact: str, began: float, ended: float | None = None, *, source: str = "+12015550100") -> dict[str, Any]:
    return {
        "contact": contact,
        "source": source,
        "destination": "+12125550101",
        "started_at": began,
        "ended_at": ended,
        "connected": True,
    }


def test_a_chat_for_each_conversation_and_one_in_the_place_of_one_that_has_ended_are_as_they_should_be() -> None:
    chats = [chat("a", 1.0, 5.0), chat("b", 5.0), chat("c", 2.0, source="+12015550101")]
    verdict = look_at(chats, {"b": 2, "c": 1})
    assert verdict.broken == {} and (verdict.started, verdict.replacing, verdict.unconnected) == (3, 1, 0)


def test_a_second_chat_while_one_is_open_is_seen() -> None:
    chats = [chat("a", 1.0), chat("b", 2.0)]
    assert look_at(chats, {"b": 2}).second == ["b"]
    assert look_at([chat("a", 1.0, 3.0), chat("b", 2.0)], {"b": 2}).second == ["b"], (
        "also where the first one ended later"
    )


def test_a_conversation_with_other_chats_than_the_bridge_knows_of_is_seen() -> None:
    chats = [chat("a", 1.0, 5.0), chat("b", 6.0)]
    assert look_at(chats, {"b": 1}).miscounted == ["b"]
    assert look_at(chats, {}).miscounted == ["b"]


def test_a_chat_that_nobody_was_connected_to_is_counted() -> None:
    assert look_at([chat("a", 1.0) | {"connected": False}], {"a": 1}).unconnected == 1
