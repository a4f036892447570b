"""The real ledger over the model of its table, with errors on request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import ops.ledger
from bridge.aws.ledger import Ledger
from bridge.errors import LedgerError
from bridge.processing.state import DeliveryState, MessageMetadata, SplitPlan
from ops.ledger import OperatorsLedger
from testing.clock import NOON, FakeClock
from testing.models.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """One item of the ledger, as a test reads it. `attributes` without their DynamoDB types."""

    state: DeliveryState
    attributes: dict[str, Any]

    @property
    def outcome(self) -> str:
        return self.state.outcome

    @property
    def attempts(self) -> int:
        return int(self.attributes.get("attempts", 0))

    @property
    def duplicates(self) -> int:
        return int(self.attributes.get("duplicates", 0))

    @property
    def reason(self) -> str | None:
        return self.attributes.get("reason")

    @property
    def error(self) -> str | None:
        return self.attributes.get("error")

    @property
    def received_at(self) -> float | None:
        return self._seconds("received_at")

    @property
    def redriven_at(self) -> datetime | None:
        seconds = self._seconds("redriven_at")
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None

    @property
    def metadata(self) -> MessageMetadata:
        of = self.attributes
        queued_at = of.get("queued_at")
        return MessageMetadata(
            conversation=of.get("conversation"),
            business_number=of.get("ours"),
            sns_message_id=of.get("sns_message_id"),
            sent_at=of.get("sent_at"),
            queued_at=int(queued_at) if queued_at is not None else None,
            sequence=of.get("sequence"),
        )

    def _seconds(self, name: str) -> float | None:
        return int(self.attributes[name]) / 1000 if name in self.attributes else None


class TableLedger(Ledger):
    """`broken`: by method, number of next calls that raise LedgerError. `operators`: the commands' real writes.

    Several ledgers can share a `table`, as the functions do.
    """

    def __init__(self, *, clock: FakeClock | None = None, stage: str = "forward", table: Table | None = None) -> None:
        self.clock = clock or FakeClock()
        self.table = table or Table(by="text_key")
        self.broken: dict[str, int] = {}
        super().__init__(client=cast(Any, self.table), table="ledger", stage=stage, now=self.clock.now)
        target = SimpleNamespace(client=lambda _: self.table, outputs={"LedgerTableName": "ledger"})
        self.operators = OperatorsLedger(cast(Any, target))

    @property
    def keys(self) -> list[str]:
        return list(self.table.items)

    def record(self, key: str) -> LedgerRecord:
        """Raises KeyError for an unknown key."""
        state = super().read(key)
        if state is None:
            raise KeyError(key)
        return LedgerRecord(state=state, attributes=self.table.values(key))

    def outcome(self, key: str) -> str:
        return self.record(key).outcome

    def records(self) -> dict[str, LedgerRecord]:
        return {key: self.record(key) for key in self.keys}

    def read(self, key: str) -> DeliveryState | None:
        self._fail("read")
        return super().read(key)

    def record_receipt(self, key: str, metadata: MessageMetadata, *, at: float) -> None:
        self._fail("record_receipt")
        super().record_receipt(key, metadata, at=at)

    def save_split(self, key: str, metadata: MessageMetadata, *, split: SplitPlan) -> SplitPlan:
        self._fail("save_split")
        return super().save_split(key, metadata, split=split)

    def record_part(self, key: str, metadata: MessageMetadata, **arguments: Any) -> DeliveryState:
        self._fail("record_part")
        return super().record_part(key, metadata, **arguments)

    def record_retry(self, key: str, metadata: MessageMetadata, *error: Any, **arguments: Any) -> None:
        self._fail("record_retry")
        super().record_retry(key, metadata, *error, **arguments)

    def record_failure(self, key: str, metadata: MessageMetadata, *error: Any, **arguments: Any) -> None:
        self._fail("record_failure")
        super().record_failure(key, metadata, *error, **arguments)

    def record_ignored(self, key: str, metadata: MessageMetadata, reason: str) -> None:
        self._fail("record_ignored")
        super().record_ignored(key, metadata, reason)

    def record_duplicate(self, key: str) -> None:
        self._fail("record_duplicate")
        super().record_duplicate(key)

    def _fail(self, method: str) -> None:
        if self.broken.get(method, 0) > 0:
            self.broken[method] -= 1
            raise LedgerError(f"{method} is broken")


def ledger_record(**attributes: Any) -> ops.ledger.LedgerRecord:
    """A record as an operator reads it, by the names of DynamoDB's attributes; times are in seconds after noon."""
    values: dict[str, Any] = {"text_key": "one", "outcome": "pending", "stage": "forward"} | attributes
    item: dict[str, Any] = {}
    for name, value in values.items():
        if name.endswith("_at"):
            at = NOON + timedelta(seconds=value)
            item[name] = {"S": at.isoformat()} if name == "sent_at" else {"N": str(int(at.timestamp() * 1000))}
        elif isinstance(value, bool):
            item[name] = {"BOOL": value}
        else:
            item[name] = {"N": str(value)} if isinstance(value, int) else {"S": value}
    return ops.ledger.LedgerRecord.from_item(item)
