"""The ledger's reads and writes, on a model of its DynamoDB table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from bridge.aws.ledger import Ledger
from bridge.errors import RejectedError, UnavailableError
from bridge.processing.state import DeliveryState, MessageMetadata, SplitPlan
from testing.builders import BUSINESS_NUMBER
from testing.clock import FakeClock
from testing.models.table import Table

PLAN = SplitPlan(limit=100, prefix="(late)\n", shown=False, ends_chat=True)
METADATA = MessageMetadata(conversation="group", business_number=BUSINESS_NUMBER)
QUEUES_KEEP_A_TEXT = 14 * 24 * 3600


class LedgerOnTable:
    """A ledger on a model of its table."""

    def __init__(self, stage: str = "forward") -> None:
        self.table = cast(Any, Table(by="text_key"))
        self.clock = FakeClock()
        self.ledger = Ledger(client=self.table, table="ledger", stage=stage, now=self.clock.now)

    def done(self, part: int, parts: int = 3, *, message_id: str = "message") -> DeliveryState:
        return self.ledger.record_part(
            "one",
            MessageMetadata(),
            split=PLAN,
            part=part,
            parts=parts,
            attempts=1,
            contact="contact",
            new_chat=part == 0,
            message_id=message_id,
        )

    def item(self) -> dict[str, Any]:
        values: dict[str, Any] = self.table.values("one")
        return values


def test_a_late_worker_does_not_set_the_ledger_back_and_gets_the_newer_state() -> None:
    stored = LedgerOnTable()
    stored.done(0)
    stored.done(1)
    assert stored.done(0).parts_done == 2
    assert stored.item()["parts_done"] == "2"


def test_an_accepted_part_is_one_write_and_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, writes = LedgerOnTable(), list[Any]()
    update = stored.table.update_item

    def counted(**request: Any) -> Any:
        writes.append(request)
        return update(**request)

    monkeypatch.setattr(stored.table, "update_item", counted)
    for part in range(3):
        stored.done(part)
    assert len(writes) == 3 and stored.item()["attempts"] == "3"
    stored.done(2)
    assert len(writes) == 4, "the last part of another worker is not tried again"


def test_the_ledger_is_read_consistently() -> None:
    stored = LedgerOnTable()
    stored.done(0)
    stored.done(1)
    state = stored.ledger.read("one")
    assert state and state.parts_done == 2


def test_the_split_of_a_text_is_read_back_from_the_ledger() -> None:
    stored = LedgerOnTable()
    stored.done(0)
    state = stored.ledger.read("one")
    assert state and state.split == PLAN


def test_the_split_of_a_text_is_saved_once() -> None:
    stored = LedgerOnTable()
    assert stored.ledger.save_split("one", MessageMetadata(), split=PLAN) == PLAN
    assert stored.ledger.save_split("one", MessageMetadata(), split=SplitPlan(limit=64, prefix="other")) == PLAN
    state = stored.ledger.read("one")
    assert state and state.split == PLAN and state.parts_done == 0


def test_the_ledger_keeps_a_text_longer_than_any_queue() -> None:
    stored = LedgerOnTable()
    stored.done(0)
    ((kind, when),) = stored.table.items["one"]["expires_at"].items()
    assert kind == "N", "DynamoDB forgets by a number only"
    assert QUEUES_KEEP_A_TEXT < int(when) - stored.clock.time < 2 * QUEUES_KEEP_A_TEXT


def test_a_text_that_was_shown_never_becomes_failed() -> None:
    stored = LedgerOnTable()
    stored.done(0, parts=1)
    stored.ledger.record_failure("one", MessageMetadata(), RejectedError("400"))
    assert stored.item()["outcome"] == "forwarded"


def test_the_ledger_says_why_where_and_when_a_text_failed() -> None:
    stored = LedgerOnTable()
    stored.ledger.record_failure("one", MessageMetadata(), RejectedError("400: no"))
    item = stored.item()
    assert (item["outcome"], item["reason"], item["error"], item["stage"]) == (
        "failed",
        "400: no",
        "RejectedError",
        "forward",
    )
    assert item["done_at"] == item["failed_at"] == str(int(stored.clock.time * 1000))
    assert item["failed_on"] == "2026-11-22"


def test_a_queued_text_is_in_the_ledger_with_the_time_of_its_first_receipt() -> None:
    stored = LedgerOnTable("intake")
    stored.ledger.record_receipt("one", METADATA, at=stored.clock.time)
    stored.clock.time += 1
    stored.ledger.record_receipt("one", METADATA, at=stored.clock.time)  # SNS delivers twice
    item = stored.item()
    assert item["received_at"] == item["first_seen_at"] == str(int((stored.clock.time - 1) * 1000))
    assert (item["outcome"], item["stage"], item["conversation"], item["ours"]) == (
        "pending",
        "intake",
        "group",
        BUSINESS_NUMBER,
    )
    assert int(item["expires_at"]) - stored.clock.time > QUEUES_KEEP_A_TEXT


def test_recording_a_receipt_changes_no_attribute_that_is_there() -> None:
    stored = LedgerOnTable()
    stored.done(0, parts=1)
    before = stored.item()
    stored.clock.time += 1
    stored.ledger.record_receipt("one", METADATA, at=stored.clock.time - 2)
    came = str(int((stored.clock.time - 2) * 1000))
    assert stored.item() == {**before, "received_at": came, "conversation": "group", "ours": BUSINESS_NUMBER}


def test_a_late_retry_does_not_change_a_text_that_has_failed() -> None:
    stored = LedgerOnTable()
    stored.ledger.record_failure("one", MessageMetadata(), RejectedError("400"), message_id="message-1")
    failed = stored.item()
    stored.ledger.record_retry("one", MessageMetadata(), UnavailableError("500"), attempts=1, message_id="message-1")
    assert stored.item() == failed


def test_a_late_part_leaves_a_failed_text_failed_until_all_parts_are_shown() -> None:
    stored = LedgerOnTable()
    stored.ledger.record_failure("one", MessageMetadata(), RejectedError("400"), message_id="message-1")
    assert stored.done(0, parts=2, message_id="message-1").parts_done == 1
    item = stored.item()
    assert (item["outcome"], item["reason"], item["parts_done"]) == ("failed", "400", "1") and "failed_on" in item
    assert stored.done(1, parts=2, message_id="message-1").outcome == "forwarded"
    assert "failed_on" not in stored.item()


@pytest.mark.parametrize("then", ["shown", "a part of it shown", "tried again", "ignored"])
def test_a_text_is_in_the_failed_index_only_while_failed_and_keeps_its_reason(then: str) -> None:
    stored = LedgerOnTable()
    stored.ledger.record_failure("one", MessageMetadata(), RejectedError("400: no"), message_id="message-1")
    match then:
        case "shown":
            stored.done(0, parts=1)
        case "a part of it shown":
            stored.done(0, parts=2)
        case "tried again":
            stored.ledger.record_retry(
                "one", MessageMetadata(), UnavailableError("500"), attempts=1, message_id="redriven"
            )
        case "ignored":
            stored.ledger.record_ignored("one", MessageMetadata(), "nothing")
    item = stored.item()
    assert "failed_on" not in item
    assert (item["failed_reason"], item["failed_error"], item["failed_stage"], item["failed_entry"]) == (
        "400: no",
        "RejectedError",
        "forward",
        "message-1",
    )
    assert item["failures"] == "1" and item["failed_at"] == str(int(stored.clock.time * 1000))


def test_a_text_that_was_shown_is_not_in_the_failed_index() -> None:
    stored = LedgerOnTable()
    stored.done(0, parts=1)
    stored.ledger.record_failure("one", MessageMetadata(), RejectedError("400"))
    stored.ledger.record_duplicate("one")
    assert "failed_on" not in stored.item() and stored.item()["duplicates"] == "1"


SPLIT = SplitPlan(limit=100)
WRITES: dict[str, Callable[[Ledger], object]] = {
    "receipt": lambda ledger: ledger.record_receipt("one", METADATA, at=1),
    "split": lambda ledger: ledger.save_split("one", METADATA, split=SPLIT),
    "part": lambda ledger: ledger.record_part(
        "one", METADATA, split=SPLIT, part=0, parts=2, attempts=1, contact="c", new_chat=True, message_id="e"
    ),
    "retry": lambda ledger: ledger.record_retry("one", METADATA, UnavailableError("x"), attempts=1, message_id="e"),
    "failure": lambda ledger: ledger.record_failure("one", METADATA, RejectedError("x"), attempts=1),
    "duplicate": lambda ledger: ledger.record_duplicate("one"),
    "ignored": lambda ledger: ledger.record_ignored("one", METADATA, "nothing"),
}
DAY = 86_400
HELD_OFF = {
    *(("split", "split"), ("part", "part"), ("part", "split")),
    *(("ignored", "retry"), ("ignored", "failure")),
}
"""Second writes that the ledger omits, since the state after the first one is later."""


@pytest.mark.parametrize("first", WRITES)
@pytest.mark.parametrize("then", WRITES)
def test_first_seen_at_never_changes(first: str, then: str) -> None:
    """Each later write, except that of the receipt, extends the expiry."""
    clock, table = FakeClock(), Table(by="text_key")
    ledger = Ledger(client=cast(Any, table), table="ledger", stage="forward", now=clock.now)
    WRITES[first](ledger)
    began = clock.time
    clock.time += DAY
    WRITES[then](ledger)
    values = table.values("one")
    assert int(values["first_seen_at"]) == int(began * 1000)
    written = began if then == "receipt" else clock.time
    if (first, then) not in HELD_OFF:
        assert int(values["updated_at"]) == int(written * 1000)
        assert int(values["expires_at"]) == int(written) + 16 * DAY
