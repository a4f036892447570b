"""A contact centre with faults, and a ledger that records which shown parts it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    ChatLimitError,
    LedgerError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.processing.state import DeliveryState, MessageMetadata
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, NoOpenChat, PartRequest
from testing.clock import FakeClock
from testing.ledger import TableLedger

FAULTS: dict[str, Callable[[], BridgeError]] = {
    "throttle": lambda: ThrottledError("429"),
    "error": lambda: UnavailableError("500"),
    "hang": lambda: UnavailableError("no answer"),
    "lost": lambda: UnavailableError("the answer was lost"),
    "refuse": lambda: AccessRefusedError("403"),
    "not found": lambda: NotFoundError("404"),
    "chat limit": lambda: ChatLimitError("quota"),
    "invalid": lambda: RejectedError("400"),
}


@dataclass(slots=True, kw_only=True)
class ShownPart:
    """A part that Connect accepted. `excuse`: why the ledger may not have it, so that it may be shown again."""

    key: str
    part: ChatPart
    recorded: bool = False
    excuse: str | None = None

    @property
    def unexplained(self) -> bool:
        return not self.recorded and self.excuse is None


class ContactCentre:
    """Accepts every part, except for the faults in `script`, one a call, and then `outage`."""

    def __init__(self, clock: FakeClock, on_part: Callable[[ShownPart, str, str], None]) -> None:
        self.script: list[str] = []
        self.until = 0.0
        """The deadline of the current batch, by the clock."""
        self.outage: str | None = None
        self.parts: list[ShownPart] = []
        self.rejected: set[str] = set()
        self._clock, self._on_part = clock, on_part
        self._chats: set[tuple[str, str]] = set()

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        part, source, destination = request.part, request.sms.origination_number, request.route.arn
        assert self._clock.time <= self.until, "Connect is called after the batch deadline"
        key = request.session.attributes["inboundMessageId"]
        fault = self.script.pop() if self.script else self.outage
        fault = None if fault == "none" else fault
        self._clock.time += 5 if fault == "hang" else 0.1
        if fault == "invalid":
            self.rejected.add(key)
        if fault and fault != "lost":
            raise FAULTS[fault]()
        shown = ShownPart(key=key, part=part)
        self._on_part(shown, source, destination)
        self.parts.append(shown)
        accepted = self._take(part, (source, destination))
        if fault == "lost":
            shown.excuse = "its answer was lost"
            raise FAULTS[fault]()
        return accepted

    def _take(self, part: ChatPart, chat: tuple[str, str]) -> Accepted | NoOpenChat:
        if part.type == "DISCONNECT":
            was_open = chat in self._chats
            self._chats.discard(chat)
            return Accepted("contact") if was_open else NoOpenChat()
        new = chat not in self._chats
        self._chats.add(chat)
        return Accepted("contact", new)

    def of(self, key: str) -> list[ShownPart]:
        return [shown for shown in self.parts if shown.key == key]

    def to_record(self, key: str) -> list[ShownPart]:
        """The shown parts that the next record_part of this text records."""
        return [shown for shown in self.of(key) if shown.unexplained][-1:]


class AccountingLedger(TableLedger):
    """Marks the shown parts that it has recorded."""

    def __init__(self, centre: ContactCentre, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.answers_lost = 0
        self._centre = centre

    def record_part(self, key: str, metadata: MessageMetadata, **arguments: Any) -> DeliveryState:
        to_record = self._centre.to_record(key)
        try:
            state = super().record_part(key, metadata, **arguments)
        except LedgerError:
            for shown in self._centre.of(key):
                if shown.unexplained:
                    shown.excuse = "the ledger could not be written"
            raise
        for shown in to_record:
            shown.recorded = True
        if self.answers_lost > 0:
            self.answers_lost -= 1
            raise LedgerError("written, but the answer was lost")
        return state

    def heal(self) -> None:
        self.broken.clear()
        self.answers_lost = 0
