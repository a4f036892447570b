"""`bridge trace`: the history of a text, from its record in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import ops.trace
from bridge.texts.sms_event import conversation_id
from ops.console import Output
from ops.ledger import LedgerRecord
from ops.trace import headline, history, row
from testing.account import OTHER_BUSINESS_NUMBER, Account
from testing.builders import BUSINESS_NUMBER, CUSTOMER
from testing.clock import NOON
from testing.ledger import ledger_record
from testing.scenarios import batch, by_chat, text


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
    assert told(waits)[2:] == [
        (9, "waiting", "refused (AccessRefusedError); returned to its queue 3 times after 5 calls")
    ]


def test_a_long_text_that_is_half_delivered_says_how_far_it_got() -> None:
    begun = ledger_record(**QUEUED, updated_at=9, parts=3, parts_done=2, contact="c-1")
    assert told(begun)[2:] == [(9, "begun", "2 of 3 parts delivered: contact c-1")]


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({"contact": "c-1", "new_chat": True}, "1 part, 1 call, to a new chat: contact c-1"),
        ({"contact": "c-1", "retries": 2}, "1 part, 1 call, returned to its queue twice, to an open chat: contact c-1"),
        ({}, "1 part, 1 call, to an open chat that Connect did not name"),
    ],
)
def test_a_delivered_text_says_to_which_contact_and_whether_the_chat_is_new(
    attributes: dict[str, Any], detail: str
) -> None:
    done = ledger_record(**QUEUED, outcome="forwarded", done_at=4, parts=1, parts_done=1, attempts=1, **attributes)
    assert told(done)[2:] == [(4, "delivered", detail)]


def test_a_text_that_was_perhaps_shown_twice_says_so() -> None:
    done = {"outcome": "forwarded", "done_at": 4, "parts": 1, "parts_done": 1, "attempts": 2, "contact": "c-1"}
    text = ledger_record(**QUEUED, **done, possible_duplicates=1)
    assert told(text)[2:] == [
        (
            4,
            "delivered",
            "1 part, 2 calls, perhaps shown again once (an answer was lost), to an open chat: contact c-1",
        )
    ]
    assert row(text, Output())["possible_duplicates"] == 1
    begun = ledger_record(**QUEUED, updated_at=9, parts=3, parts_done=2, contact="c-1", possible_duplicates=2)
    assert told(begun)[2][2] == "2 of 3 parts delivered, perhaps shown again twice (an answer was lost): contact c-1"


def test_a_text_that_waits_or_failed_after_lost_answers_was_perhaps_shown() -> None:
    why = {"reason": "no answer", "error": "UnavailableError"}
    waits = ledger_record(**QUEUED, updated_at=9, retries=1, attempts=4, lost_answers=4, **why)
    assert told(waits)[2:] == [
        (
            9,
            "waiting",
            "no answer (UnavailableError); returned to its queue once after 4 calls; "
            "perhaps shown already, 4 answers lost",
        )
    ]
    failure = {"failed_stage": "reply", "failed_reason": "no answer", "failed_error": "MaybeDeliveredError"}
    failed = ledger_record(**QUEUED, outcome="failed", failed_at=5, lost_answers=2, **failure)
    assert told(failed)[2][2] == "in reply: no answer (MaybeDeliveredError); perhaps shown already, 2 answers lost"
    assert row(failed, Output())["lost_answers"] == 2


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


# --- everything of a customer -----------------------------------------------------------------------------------

STACK = ("--stack", "SmsToConnect")


@pytest.fixture
def _deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The business numbers of the deployed configuration."""
    monkeypatch.setattr(
        ops.trace, "_deployed_config", lambda _: SimpleNamespace(routes={BUSINESS_NUMBER: 1, OTHER_BUSINESS_NUMBER: 2})
    )


@pytest.mark.usefixtures("_deployed")
def test_the_texts_of_a_customer_to_all_numbers_or_one_are_traced(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.call("forward", batch(text(key="one", group=conversation_id(CUSTOMER, BUSINESS_NUMBER))))
    account.call("forward", batch(by_chat(key="two", group=conversation_id(CUSTOMER, OTHER_BUSINESS_NUMBER))))

    def traced(*more: str) -> list[str]:
        assert account.command("trace", "--from", CUSTOMER, *more, *STACK) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if line.startswith("text ")]

    assert traced() == ["text one to …0101: forwarded", "text two to …0102: forwarded"]
    assert traced("--to", OTHER_BUSINESS_NUMBER) == ["text two to …0102: forwarded"]
    assert traced("--to", BUSINESS_NUMBER, "--show-content") == [f"text one to {BUSINESS_NUMBER}: forwarded"]


@pytest.mark.usefixtures("_deployed")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "nothing from …0182 to any of 2 numbers in the last 24 h; numbers are as End User Messaging spells them"),
        (("--to", BUSINESS_NUMBER, "--hours", "1.5"), "nothing from …0182 to …0101 in the last 1.5 h; numbers are as"),
    ],
)
def test_a_customer_without_texts_is_told_with_the_numbers_and_the_time(
    account: Account, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert account.command("trace", "--from", CUSTOMER, *more, *STACK) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith(f"bridge: {said}") and shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which text: ID, or --from NUMBER"),
        (("one", "--from", CUSTOMER), "say which text: ID, or --from NUMBER"),
        (("one", "--to", BUSINESS_NUMBER), "--to goes with --from"),
    ],
)
def test_a_trace_is_of_one_text_or_of_one_customer(
    account: Account, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert account.command("trace", *arguments, *STACK) == 2
    assert said in capsys.readouterr().err
