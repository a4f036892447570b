"""`bridge trace`: the history of a text, from its record in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ops.console import Output
from ops.ledger import LedgerRecord
from ops.trace import headline, history, row
from testing.builders import BUSINESS_NUMBER
from testing.clock import NOON
from testing.ledger import ledger_record


def told(record: LedgerRecord) -> list[tuple[float | None, str, str]]:
    return [
        ((event.at - NOON).total_seconds() if event.at else None, event.event, event.detail)
        for event in history(record)
    ]


QUEUED = {"sent_at": 0, "received_at": 1, "first_seen_at": 2}


def test_a_text_that_nobody_tried_waits_for_its_turn() -> None:
    assert told(ledger_record(**QUEUED)) == [
        (0, "sent", "published to the topic"),
        (1, "received", "queued on its conversation"),
        (None, "waiting", "not tried yet: what is before it on its queue comes first"),
    ]


def test_a_text_that_returned_to_its_queue_says_why_and_how_often() -> None:
    waits = ledger_record(**QUEUED, updated_at=9, reason="refused", error="AccessRefusedError", retries=3, attempts=5)
    assert told(waits)[2:] == [(9, "waiting", "refused (AccessRefusedError); given back 3 times after 5 calls")]


def test_a_long_text_that_is_half_delivered_says_how_far_it_got() -> None:
    begun = ledger_record(**QUEUED, updated_at=9, parts=3, parts_done=2, contact="c-1")
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
    done = ledger_record(**QUEUED, outcome="forwarded", done_at=4, parts=1, parts_done=1, attempts=1, **attributes)
    assert told(done)[2:] == [(4, "delivered", detail)]


def test_failure_redrive_delivery_and_duplicate_of_a_text_are_told_in_order() -> None:
    text = ledger_record(
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
    assert told(ledger_record(**QUEUED, outcome="discarded", done_at=9))[-1][1] == "discarded"
    assert told(ledger_record(**QUEUED, outcome="ignored", done_at=9, reason="no chat to end"))[-1] == (
        9,
        "ignored",
        "no chat to end",
    )


def test_what_intake_could_not_read_was_never_queued() -> None:
    bad = ledger_record(stage="intake", outcome="failed", first_seen_at=1, failed_at=1, failed_stage="intake")
    assert [event for _, event, _ in told(bad)] == ["received", "failed"]
    assert told(bad)[0][2] == "and not queued"


def test_a_text_without_a_recorded_receipt_begins_with_the_first_record() -> None:
    assert told(ledger_record(first_seen_at=2, reason="500", error="UnavailableError", updated_at=2))[0][:2] == (
        2,
        "first noted",
    )


def test_a_reply_is_told_as_one() -> None:
    reply = ledger_record(
        **QUEUED, text_key="reply-1", stage="reply", outcome="forwarded", done_at=3, parts=2, attempts=2
    )
    assert [event for _, event, _ in told(reply)] == ["sent", "received", "sent on"]
    assert headline(reply, Output()) == "reply-1: sent to the phone"
    assert row(reply, Output())["direction"] == "out"


def test_only_with_show_content_are_numbers_whole_and_conversations_shown() -> None:
    text = ledger_record(**QUEUED, ours=BUSINESS_NUMBER, conversation="a hash")
    assert headline(text, Output()) == "text one to …0101: on its way"
    assert row(text, Output())["ours"] == "…0101" and "a hash" not in str(row(text, Output()))
    shown = row(text, Output(show_content=True))
    assert (shown["ours"], shown["conversation"]) == (BUSINESS_NUMBER, "a hash")
    assert "a hash" not in repr(text) and BUSINESS_NUMBER not in repr(text)


def test_a_row_for_programs_has_times_in_utc() -> None:
    assert row(ledger_record(**QUEUED), Output())["events"][0] == {
        "at": "2026-11-22T12:00:00.000+00:00",
        "event": "sent",
        "detail": "published to the topic",
    }
    assert datetime.fromisoformat(row(ledger_record(**QUEUED), Output())["events"][0]["at"]).tzinfo == UTC
