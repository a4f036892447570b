"""The ledger with a real table. Its conditional updates make sure that a text is shown once."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from bridge.aws.ledger import KEEP_SECONDS, Ledger
from bridge.errors import AccessRefusedError, LedgerError, RejectedError
from bridge.processing.state import DeliveryState, MessageMetadata, SplitPlan
from sandbox.lifecycle import Sandbox

METADATA = MessageMetadata(
    conversation="group", sns_message_id="sns", sent_at="2026-11-22T12:00:00.000+00:00", queued_at=1, sequence="7"
)
SPLIT = SplitPlan(limit=1024)


@pytest.fixture
def table(sandbox: Sandbox) -> dict[str, Any]:
    return {"client": sandbox.client("dynamodb"), "table": sandbox.outputs["LedgerTableName"]}


@pytest.fixture
def ledger(table: dict[str, Any]) -> Ledger:
    return Ledger(**table, stage="forward")


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


def done(ledger: Ledger, key: str, part: int, parts: int, **changes: Any) -> DeliveryState:
    arguments: dict[str, Any] = {"split": SPLIT, "attempts": 1, "contact": "contact", "new_chat": part == 0}
    return ledger.record_part(key, METADATA, part=part, parts=parts, **{"message_id": "entry"} | arguments | changes)


def item(table: dict[str, Any], key: str) -> dict[str, Any]:
    answer: dict[str, Any] = table["client"].get_item(TableName=table["table"], Key={"text_key": {"S": key}})
    return {name: next(iter(value.values())) for name, value in answer["Item"].items()}


def test_a_text_that_nobody_has_seen_is_unknown(ledger: Ledger, key: str) -> None:
    assert ledger.read(key) is None


def test_the_last_part_makes_a_text_forwarded_with_all_that_is_known_of_it(
    ledger: Ledger, key: str, table: dict[str, Any]
) -> None:
    before = time.time()
    assert done(ledger, key, 0, 2).outcome == "pending"
    known = done(ledger, key, 1, 2, new_chat=False)
    assert known == ledger.read(key)
    assert (known.outcome, known.parts_done, known.contact, known.split) == ("forwarded", 2, "contact", SPLIT)
    written = item(table, key)
    assert written["new_chat"] is True
    assert written["attempts"] == "2" and written["parts"] == "2"
    assert (written["conversation"], written["sns_message_id"], written["sequence"]) == ("group", "sns", "7")
    assert before * 1000 - 1 <= int(written["first_seen_at"]) <= int(written["done_at"])
    assert int(written["expires_at"]) == pytest.approx(before + KEEP_SECONDS, abs=60)


def test_a_worker_that_comes_too_late_is_told_how_far_the_other_one_got(ledger: Ledger, key: str) -> None:
    done(ledger, key, 0, 3)
    done(ledger, key, 1, 3)
    known = done(ledger, key, 0, 3, contact="another")
    assert (known.parts_done, known.contact) == (2, "contact")


def test_a_write_whose_answer_was_lost_is_repeated_without_harm(ledger: Ledger, key: str) -> None:
    first = done(ledger, key, 0, 1)
    assert done(ledger, key, 0, 1) == first


def test_retries_are_counted_and_their_reason_stays_until_a_part_is_accepted(
    ledger: Ledger, key: str, table: dict[str, Any]
) -> None:
    for _ in range(2):
        ledger.record_retry(key, METADATA, AccessRefusedError("refused"), attempts=3, message_id="entry")
    known = ledger.read(key)
    assert known and (known.outcome, known.retries, known.parts_done, known.split) == ("pending", 2, 0, None)
    written = item(table, key)
    assert (written["attempts"], written["error"], written["reason"]) == ("6", "AccessRefusedError", "refused")
    done(ledger, key, 0, 1)
    assert {"error", "reason"}.isdisjoint(item(table, key))


def test_a_failed_text_can_still_be_forwarded_and_a_forwarded_one_never_fails(
    ledger: Ledger, key: str, table: dict[str, Any]
) -> None:
    ledger.record_failure(key, METADATA, RejectedError("no"), attempts=1)
    assert item(table, key)["outcome"] == "failed"
    assert done(ledger, key, 0, 1).outcome == "forwarded"
    ledger.record_failure(key, METADATA, RejectedError("no"))
    ledger.record_retry(key, METADATA, RejectedError("no"), attempts=1, message_id="entry")
    assert item(table, key)["outcome"] == "forwarded"


def test_a_late_worker_does_not_make_wait_what_has_failed_meanwhile(
    ledger: Ledger, key: str, table: dict[str, Any]
) -> None:
    ledger.record_failure(key, METADATA, RejectedError("no"), message_id="entry")
    ledger.record_retry(key, METADATA, AccessRefusedError("refused"), attempts=1, message_id="entry")
    assert (item(table, key)["outcome"], item(table, key)["reason"]) == ("failed", "no")
    assert done(ledger, key, 0, 2).parts_done == 1
    assert (item(table, key)["outcome"], item(table, key)["reason"]) == ("failed", "no")
    ledger.record_retry(key, METADATA, AccessRefusedError("refused"), attempts=1, message_id="put back")
    assert (item(table, key)["outcome"], item(table, key)["reason"]) == ("pending", "refused")


def test_nothing_to_show_is_recorded_with_its_reason(ledger: Ledger, key: str, table: dict[str, Any]) -> None:
    assert done(ledger, key, 0, 1, contact=None, new_chat=False, nothing_shown="none was open").outcome == "ignored"
    assert item(table, key)["reason"] == "none was open"


def test_duplicates_are_counted_and_change_nothing_else(ledger: Ledger, key: str, table: dict[str, Any]) -> None:
    known = done(ledger, key, 0, 1)
    ledger.record_duplicate(key)
    ledger.record_duplicate(key)
    assert item(table, key)["duplicates"] == "2"
    assert ledger.read(key) == known


def test_a_table_that_does_not_respond_is_a_ledger_error(table: dict[str, Any]) -> None:
    nowhere = Ledger(client=table["client"], table="no-such-table", stage="forward")
    with pytest.raises(LedgerError, match=r"ResourceNotFoundException\)$"):
        nowhere.read("key")
    with pytest.raises(LedgerError, match=r"ResourceNotFoundException\)$"):
        nowhere.record_duplicate("key")
