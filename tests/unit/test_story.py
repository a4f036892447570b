"""What `bridge trace` tells of a text, from what the ledger has of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.ledger import Item
from ops.output import Output
from ops.story import headline, row, story
from testing.builders import OURS
from testing.clock import NOON


def item(**attributes: Any) -> Item:
    """A text as DynamoDB has it, seconds after noon for times."""
    said: dict[str, Any] = {"text_key": "one", "outcome": "pending", "stage": "forward"} | attributes
    spelt: dict[str, Any] = {}
    for name, value in said.items():
        if name.endswith("_at"):
            at = NOON + timedelta(seconds=value)
            spelt[name] = {"S": at.isoformat()} if name == "sent_at" else {"N": str(int(at.timestamp() * 1000))}
        elif isinstance(value, bool):
            spelt[name] = {"BOOL": value}
        else:
            spelt[name] = {"N": str(value)} if isinstance(value, int) else {"S": value}
    return Item.from_item(spelt)


def told(item: Item) -> list[tuple[float | None, str, str]]:
    return [
        ((event.at - NOON).total_seconds() if event.at else None, event.event, event.detail) for event in story(item)
    ]


QUEUED = {"sent_at": 0, "received_at": 1, "first_seen_at": 2}


def test_a_text_that_nobody_tried_waits_for_its_turn() -> None:
    assert told(item(**QUEUED)) == [
        (0, "sent", "published to the topic"),
        (1, "received", "queued on its conversation"),
        (None, "waiting", "not tried yet: what is before it on its queue comes first"),
    ]


def test_a_text_that_is_given_back_says_why_and_how_often() -> None:
    waits = item(**QUEUED, updated_at=9, reason="refused", error="AccessRefusedError", retries=3, attempts=5)
    assert told(waits)[2:] == [(9, "waiting", "refused (AccessRefusedError); given back 3 times after 5 calls")]


def test_a_long_text_that_is_half_delivered_says_how_far_it_got() -> None:
    begun = item(**QUEUED, updated_at=9, parts=3, parts_done=2, contact="c-1")
    assert told(begun)[2:] == [(9, "begun", "2 of 3 parts delivered: contact c-1")]


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({"contact": "c-1", "new_chat": True}, "1 part, 1 call, to a new chat: contact c-1"),
        ({"contact": "c-1", "retries": 2}, "1 part, 1 call, given back twice, to an open chat: contact c-1"),
        ({}, "1 part, 1 call, to an open chat that Connect did not name"),
    ],
)
def test_a_delivered_text_says_to_which_contact_and_whether_the_chat_is_new(
    attributes: dict[str, Any], detail: str
) -> None:
    done = item(**QUEUED, outcome="forwarded", done_at=4, parts=1, parts_done=1, attempts=1, **attributes)
    assert told(done)[2:] == [(4, "delivered", detail)]


def test_a_text_that_failed_was_redriven_delivered_and_came_again_tells_all_of_it_in_order() -> None:
    text = item(
        **QUEUED,
        outcome="forwarded",
        failed_at=5,
        failed_stage="forward",
        failed_reason="no number …0199",
        failed_error="UnknownNumberError",
        failures=2,
        redriven_at=50,
        done_at=51,
        parts=1,
        attempts=1,
        contact="c-1",
        duplicates=1,
        duplicate_at=60,
    )
    assert told(text)[2:] == [
        (5, "failed", "in forward: no number …0199 (UnknownNumberError); it has failed twice"),
        (50, "redriven", "put back on its queue by an operator"),
        (51, "delivered", "1 part, 1 call, to an open chat: contact c-1"),
        (60, "came again", "once, and was not shown again"),
    ]


def test_a_text_that_was_discarded_or_ignored_says_so() -> None:
    assert told(item(**QUEUED, outcome="discarded", done_at=9))[-1][1] == "discarded"
    assert told(item(**QUEUED, outcome="ignored", done_at=9, reason="no chat to end"))[-1] == (
        9,
        "ignored",
        "no chat to end",
    )


def test_what_intake_could_not_read_was_never_queued() -> None:
    bad = item(stage="intake", outcome="failed", first_seen_at=1, failed_at=1, failed_stage="intake")
    assert [event for _, event, _ in told(bad)] == ["received", "failed"]
    assert told(bad)[0][2] == "and not queued"


def test_a_text_whose_note_is_missing_begins_with_what_was_noted_first() -> None:
    assert told(item(first_seen_at=2, reason="500", error="UnavailableError", updated_at=2))[0][:2] == (
        2,
        "first noted",
    )


def test_a_reply_is_told_as_one() -> None:
    reply = item(**QUEUED, text_key="reply-1", stage="reply", outcome="forwarded", done_at=3, parts=2, attempts=2)
    assert [event for _, event, _ in told(reply)] == ["sent", "received", "sent on"]
    assert headline(reply, Output()) == "reply-1: sent to the phone"
    assert row(reply, Output())["direction"] == "out"


def test_numbers_are_shown_by_their_ending_and_a_conversation_not_at_all_unless_asked_for() -> None:
    text = item(**QUEUED, ours=OURS, conversation="a hash")
    assert headline(text, Output()) == "text one to …0101: on its way"
    assert row(text, Output())["ours"] == "…0101" and "a hash" not in str(row(text, Output()))
    shown = row(text, Output(show_content=True))
    assert (shown["ours"], shown["conversation"]) == (OURS, "a hash")
    assert "a hash" not in repr(text) and OURS not in repr(text)


def test_a_row_for_programs_has_times_in_utc() -> None:
    assert row(item(**QUEUED), Output())["events"][0] == {
        "at": "2026-11-22T12:00:00.000+00:00",
        "event": "sent",
        "detail": "published to the topic",
    }
    assert datetime.fromisoformat(row(item(**QUEUED), Output())["events"][0]["at"]).tzinfo == UTC
