"""The ledger's reads and writes, on a model of the DynamoDB table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from bridge.aws.ledger import Ledger
from bridge.errors import RejectedError, UnavailableError
from bridge.processing.state import DeliveryState, MessageMetadata, SplitPlan
from testing.builders import OURS
from testing.clock import FakeClock
from testing.models.table import Table

PLAN = SplitPlan(limit=100, prefix="(late)\n", shown=False, ends_chat=True)
FACTS = MessageMetadata(conversation="group", business_number=OURS)
QUEUES_KEEP_A_TEXT = 14 * 24 * 3600


class Books:
    """A ledger on such a table."""

    def __init__(self, stage: str = "forward") -> None:
        self.table = cast(Any, Table(by="text_key"))
        self.clock = FakeClock()
        self.ledger = Ledger(client=self.table, table="ledger", stage=stage, now=self.clock.now)

    def done(self, part: int, parts: int = 3, *, message_id: str = "entry") -> DeliveryState:
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
    books = Books()
    books.done(0)
    books.done(1)
    assert books.done(0).parts_done == 2
    assert books.item()["parts_done"] == "2"


def test_the_ledger_is_read_consistently() -> None:
    books = Books()
    books.done(0)
    books.done(1)
    known = books.ledger.read("one")
    assert known and known.parts_done == 2


def test_the_split_of_a_text_is_read_back_from_the_ledger() -> None:
    books = Books()
    books.done(0)
    known = books.ledger.read("one")
    assert known and known.split == PLAN


def test_the_split_of_a_text_is_saved_once() -> None:
    books = Books()
    assert books.ledger.save_split("one", MessageMetadata(), split=PLAN) == PLAN
    assert books.ledger.save_split("one", MessageMetadata(), split=SplitPlan(limit=64, prefix="other")) == PLAN
    known = books.ledger.read("one")
    assert known and known.split == PLAN and known.parts_done == 0


def test_the_ledger_keeps_a_text_longer_than_any_queue() -> None:
    books = Books()
    books.done(0)
    ((kind, when),) = books.table.items["one"]["expires_at"].items()
    assert kind == "N", "DynamoDB forgets by a number only"
    assert QUEUES_KEEP_A_TEXT < int(when) - books.clock.time < 2 * QUEUES_KEEP_A_TEXT


def test_a_text_that_was_shown_never_becomes_failed() -> None:
    books = Books()
    books.done(0, parts=1)
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"))
    assert books.item()["outcome"] == "forwarded"


def test_the_ledger_says_why_where_and_when_a_text_failed() -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400: no"))
    item = books.item()
    assert (item["outcome"], item["reason"], item["error"], item["stage"]) == (
        "failed",
        "400: no",
        "RejectedError",
        "forward",
    )
    assert item["done_at"] == item["failed_at"] == str(int(books.clock.time * 1000))
    assert item["failed_on"] == "2026-11-22"


def test_a_queued_text_is_in_the_ledger_with_the_time_of_its_first_receipt() -> None:
    books = Books("intake")
    books.ledger.record_receipt("one", FACTS, at=books.clock.time)
    books.clock.time += 1
    books.ledger.record_receipt("one", FACTS, at=books.clock.time)  # SNS delivers twice
    item = books.item()
    assert item["received_at"] == item["first_seen_at"] == str(int((books.clock.time - 1) * 1000))
    assert (item["outcome"], item["stage"], item["conversation"], item["ours"]) == ("pending", "intake", "group", OURS)
    assert int(item["expires_at"]) - books.clock.time > QUEUES_KEEP_A_TEXT


def test_recording_a_receipt_changes_no_attribute_that_is_there() -> None:
    books = Books()
    books.done(0, parts=1)
    before = books.item()
    books.clock.time += 1
    books.ledger.record_receipt("one", FACTS, at=books.clock.time - 2)
    came = str(int((books.clock.time - 2) * 1000))
    assert books.item() == {**before, "received_at": came, "conversation": "group", "ours": OURS}


def test_a_late_retry_does_not_change_a_text_that_has_failed() -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"), message_id="entry-1")
    failed = books.item()
    books.ledger.record_retry("one", MessageMetadata(), UnavailableError("500"), attempts=1, message_id="entry-1")
    assert books.item() == failed


def test_a_late_part_leaves_a_failed_text_failed_until_all_parts_are_shown() -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"), message_id="entry-1")
    assert books.done(0, parts=2, message_id="entry-1").parts_done == 1
    item = books.item()
    assert (item["outcome"], item["reason"], item["parts_done"]) == ("failed", "400", "1") and "failed_on" in item
    assert books.done(1, parts=2, message_id="entry-1").outcome == "forwarded"
    assert "failed_on" not in books.item()


@pytest.mark.parametrize("then", ["shown", "a part of it shown", "tried again", "ignored"])
def test_a_text_is_in_the_failed_index_only_while_failed_and_keeps_its_reason(then: str) -> None:
    books = Books()
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400: no"), message_id="entry-1")
    match then:
        case "shown":
            books.done(0, parts=1)
        case "a part of it shown":
            books.done(0, parts=2)
        case "tried again":
            books.ledger.record_retry(
                "one", MessageMetadata(), UnavailableError("500"), attempts=1, message_id="put back"
            )
        case "ignored":
            books.ledger.record_ignored("one", MessageMetadata(), "nothing")
    item = books.item()
    assert "failed_on" not in item
    assert (item["failed_reason"], item["failed_error"], item["failed_stage"], item["failed_entry"]) == (
        "400: no",
        "RejectedError",
        "forward",
        "entry-1",
    )
    assert item["failures"] == "1" and item["failed_at"] == str(int(books.clock.time * 1000))


def test_a_text_that_was_shown_is_not_in_the_failed_index() -> None:
    books = Books()
    books.done(0, parts=1)
    books.ledger.record_failure("one", MessageMetadata(), RejectedError("400"))
    books.ledger.record_duplicate("one")
    assert "failed_on" not in books.item() and books.item()["duplicates"] == "1"


METADATA = MessageMetadata(conversation="group", business_number=OURS)
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
"""What the ledger does not write, since the text has got further."""


@pytest.mark.parametrize("first", WRITES)
@pytest.mark.parametrize("then", WRITES)
def test_first_seen_at_never_changes(first: str, then: str) -> None:
    """And whatever is written of it later, save that it was received, it is known for as long again."""
    clock, table = FakeClock(), Table(by="text_key")
    ledger = Ledger(client=cast(Any, table), table="ledger", stage="forward", now=clock.now)
    WRITES[first](ledger)
    began = clock.time
    clock.time += DAY
    WRITES[then](ledger)
    known = table.values("one")
    assert int(known["first_seen_at"]) == int(began * 1000)
    written = began if then == "receipt" else clock.time
    if (first, then) not in HELD_OFF:
        assert int(known["updated_at"]) == int(written * 1000)
        assert int(known["expires_at"]) == int(written) + 16 * DAY
