"""The ledger as an operator reads and writes it, on the model of the table that the functions write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.aws.chat_sessions import ChatSession
from bridge.aws.ledger import KEEP_SECONDS, Ledger
from bridge.errors import RejectedError, UnavailableError
from bridge.processing.notification import valid_key
from bridge.processing.state import MessageMetadata, SplitPlan
from bridge.replies.participants import Participants
from ops.ledger import OperatorsChats, OperatorsLedger
from testing.builders import ARN, BUSINESS_NUMBER, CUSTOMER
from testing.clock import NOON, FakeClock
from testing.harness import chat_sessions
from testing.models.table import Table

SPLIT = SplitPlan(limit=100)


class Ledgers:
    """One table with the ledgers of all writers."""

    def __init__(self) -> None:
        self.clock, self.table = FakeClock(), cast(Any, Table(by="text_key"))
        self.intake, self.forward = (
            Ledger(client=self.table, table="ledger", stage=stage, now=self.clock.now)
            for stage in ("intake", "forward")
        )
        target: Any = SimpleNamespace(client=lambda _: self.table, outputs={"LedgerTableName": "ledger"})
        self.operator = OperatorsLedger(target)

    def receive(self, key: str, *, conversation: str = "group", sns: str | None = None) -> None:
        metadata = MessageMetadata(conversation=conversation, sns_message_id=sns)
        self.intake.record_receipt(key, metadata, at=self.clock.time)
        self.clock.time += 1

    def fail(self, key: str, *, message_id: str = "entry") -> None:
        self.forward.record_failure(key, MessageMetadata(), RejectedError("400"), message_id=message_id)
        self.clock.time += 1

    def deliver(self, key: str) -> None:
        self.forward.record_part(
            key,
            MessageMetadata(),
            split=SPLIT,
            part=0,
            parts=1,
            attempts=1,
            contact="contact",
            new_chat=True,
            message_id="entry",
        )

    def failed(self) -> list[str]:
        now = datetime.fromtimestamp(self.clock.time, UTC)
        return [item.text_key for item in self.operator.failed(now=now)]

    def item(self, key: str) -> dict[str, Any]:
        return self.table.values(key)  # type: ignore[no-any-return]


def test_a_text_is_found_by_key_or_sns_id_and_a_reply_by_the_id_in_its_chat() -> None:
    ledgers = Ledgers()
    ledgers.receive("one", sns="sns-1")
    ledgers.receive("reply-two", sns="sns-2")
    for an_id, key in (("one", "one"), ("sns-1", "one"), ("two", "reply-two"), ("sns-2", "reply-two")):
        found = ledgers.operator.find(an_id)
        assert found and found.text_key == key
    assert ledgers.operator.find("three") is None


def test_an_id_that_no_store_takes_as_it_is_is_found_too() -> None:
    ledgers = Ledgers()
    ledgers.receive(valid_key("an id with spaces"))
    found = ledgers.operator.find("an id with spaces")
    assert found and found.text_key.startswith("sha256-")


def test_texts_of_a_conversation_since_a_time_are_found_oldest_first() -> None:
    ledgers = Ledgers()
    for n in range(150):
        ledgers.receive(f"t{n}", conversation="group" if n % 2 else "other")
    found = ledgers.operator.of_conversation("group", since=NOON + timedelta(seconds=20))
    assert [item.text_key for item in found] == [f"t{n}" for n in range(21, 150, 2)]


def test_failed_texts_of_all_days_in_the_ledger_are_found_the_oldest_first() -> None:
    ledgers = Ledgers()
    for n in range(130):
        ledgers.fail(f"t{n}")
        ledgers.clock.time += 10_000
    assert ledgers.failed() == [f"t{n}" for n in range(130)]
    ledgers.deliver("t5")
    ledgers.forward.record_retry("t6", MessageMetadata(), UnavailableError("500"), attempts=1, message_id="put back")
    assert ledgers.failed() == [f"t{n}" for n in range(130) if n not in (5, 6)]


def test_failed_texts_are_looked_for_on_each_day_that_the_ledger_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    ledgers, days = Ledgers(), list[str]()

    def paginate(*, ExpressionAttributeValues: Any, **_: Any) -> list[Any]:  # noqa: N803
        days.append(ExpressionAttributeValues[":day"]["S"])
        return []

    monkeypatch.setattr(ledgers.table, "paginate", paginate)
    assert ledgers.failed() == []
    assert days == [f"{NOON - timedelta(days=ago):%Y-%m-%d}" for ago in range(16, -1, -1)]


def test_a_text_that_was_put_back_is_on_its_way_and_why_it_failed_stays_known() -> None:
    ledgers = Ledgers()
    ledgers.receive("one")
    ledgers.fail("one")
    ledgers.operator.redriven("one", message_id="entry", at=NOON)
    item = ledgers.item("one")
    assert (item["outcome"], item["redriven_at"]) == ("pending", str(int(NOON.timestamp() * 1000)))
    assert ledgers.failed() == [] and item["failed_reason"] == "400"
    assert {"done_at", "error", "reason"}.isdisjoint(item)


@pytest.mark.parametrize("meanwhile", ["delivered", "failed again", "discarded"])
def test_a_late_record_of_a_redrive_sets_its_time_only(meanwhile: str) -> None:
    ledgers = Ledgers()
    ledgers.fail("one", message_id="first")
    match meanwhile:
        case "delivered":
            ledgers.deliver("one")
        case "failed again":
            ledgers.fail("one", message_id="second")
        case "discarded":
            ledgers.operator.discarded("one", message_id="first", at=NOON)
    before = ledgers.item("one")
    ledgers.operator.redriven("one", message_id="first", at=NOON)
    after = ledgers.item("one")
    assert after.pop("redriven_at") == str(int(NOON.timestamp() * 1000))
    assert after | {"expires_at": before["expires_at"]} == before
    assert ledgers.failed() == (["one"] if meanwhile == "failed again" else [])


@pytest.mark.parametrize("failed", [True, False])
def test_a_redriven_text_stays_in_the_ledger_longer_than_a_queue_keeps_it(failed: bool) -> None:
    """It may have been in failed for 14 days, and then wait as long on a queue that no function reads."""
    ledgers = Ledgers()
    ledgers.receive("one")
    if failed:
        ledgers.fail("one")
    ledgers.operator.redriven("one", message_id="entry", at=NOON + timedelta(days=14))
    forgotten_at = datetime.fromtimestamp(int(ledgers.item("one")["expires_at"]), UTC)
    assert forgotten_at == NOON + timedelta(days=14) + timedelta(seconds=KEEP_SECONDS)


def test_a_text_that_expired_from_the_ledger_is_not_recorded_again() -> None:
    ledgers = Ledgers()
    ledgers.operator.redriven("one", message_id="entry", at=NOON)
    ledgers.operator.discarded("one", message_id="entry", at=NOON)
    assert ledgers.table.items == {}


def test_a_discarded_text_is_not_failed_any_more_but_a_delivered_one_stays() -> None:
    ledgers = Ledgers()
    for key in ("one", "two"):
        ledgers.fail(key)
    ledgers.deliver("two")
    for key in ("one", "two"):
        ledgers.operator.discarded(key, message_id="entry", at=NOON)
    assert (ledgers.item("one")["outcome"], ledgers.item("two")["outcome"]) == ("discarded", "forwarded")
    assert ledgers.failed() == []


def test_what_sqs_moved_to_failed_is_discarded_if_the_ledger_has_it_as_pending() -> None:
    ledgers = Ledgers()
    for key in ("one", "two", "three", "four"):
        ledgers.receive(key)
    ledgers.deliver("two")
    ledgers.fail("three")
    recorded = [
        ledgers.operator.discarded(key, message_id=None, at=NOON) for key in ("one", "two", "three", "four", "unknown")
    ]
    assert recorded == [True, False, False, True, False]
    assert [ledgers.item(key)["outcome"] for key in ("one", "two", "three")] == ["discarded", "forwarded", "failed"]
    assert ledgers.failed() == ["three"] and "unknown" not in ledgers.table.items


def test_a_text_that_is_discarded_a_second_time_counts_as_recorded() -> None:
    """The first time, its message was copied and recorded, but not deleted."""
    ledgers = Ledgers()
    ledgers.fail("one")
    assert [ledgers.operator.discarded("one", message_id="entry", at=NOON) for _ in range(2)] == [True, True]
    assert not ledgers.operator.discarded("unknown", message_id="entry", at=NOON)


def test_a_discarded_text_that_comes_again_is_delivered_all_the_same() -> None:
    ledgers = Ledgers()
    ledgers.fail("one")
    ledgers.operator.discarded("one", message_id="entry", at=NOON)
    known = ledgers.forward.read("one")
    assert known and not known.finished


def test_an_operator_knows_the_chats_of_a_bridge_that_starts_them() -> None:
    table = Table(by="chat_key")
    participants = Participants(customer_number=CUSTOMER, business_number=BUSINESS_NUMBER, business_number_arn=ARN)
    chat = ChatSession(generation=1, contact="contact-1", participant_token="token")
    chat_sessions(table, FakeClock()).record_start("group", participants, chat)
    outputs = {"ChatsTableName": "chats"}
    starting, other = (
        OperatorsChats(cast(Any, SimpleNamespace(where="stack S", client=lambda _: table, outputs=known)))
        for known in (outputs, {})
    )
    assert (starting.latest("group"), starting.latest("other")) == ("contact-1", None)
    assert (starting.participants("contact-1"), starting.participants("contact-2")) == (participants, None)
    assert (other.latest("group"), other.participants("contact-1")) == (None, None)
