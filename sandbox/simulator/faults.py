"""Injected faults: which calls fail, and how."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class FaultKind(StrEnum):
    """What happens to the call. After the first two a caller should retry."""

    THROTTLE = "throttle"
    ERROR = "error"
    HANG = "hang"
    """No response for `seconds`; the call has no effect."""
    RESET_BEFORE = "reset-before"
    """The connection is reset and the call has no effect."""
    RESET_AFTER = "reset-after"
    """The call has its effect and the response is lost. A caller cannot tell it from reset-before."""
    REFUSE = "refuse"
    NOT_FOUND = "not-found"
    CHAT_LIMIT = "chat-limit"


OPENS_CHATS = ("SendChatIntegrationEvent", "StartChatContact")
"""The operations to which the quota of active chats applies."""


class Fault(BaseModel):
    """A fault of the next `times` calls, of a `share` of all calls, or of all calls until it is removed."""

    model_config = ConfigDict(extra="forbid")

    fault: FaultKind
    times: int | None = Field(default=None, ge=1)
    share: float | None = Field(default=None, gt=0, le=1)
    seed: int = 0
    operation: str | None = None
    source: str | None = None
    seconds: float = Field(default=30.0, ge=0)

    @model_validator(mode="after")
    def _times_or_share(self) -> Fault:
        if self.times is not None and self.share is not None:
            raise ValueError("give times or share, not both")
        return self


class Faults:
    """The active faults in the order in which they were added. The first that applies to a call is used."""

    def __init__(self) -> None:
        self._active: list[tuple[Fault, random.Random]] = []

    def add(self, fault: Fault) -> None:
        # The same seed must fail the same calls in every run; nothing secret depends on it.
        self._active.append((fault, random.Random(fault.seed)))  # noqa: S311

    def clear(self) -> None:
        self._active.clear()

    def draw(self, *, operation: str, source: str | None) -> Fault | None:
        """The fault of this call, if any. Shares add up: with 0.3 and 0.1, a share of 0.6 of all calls has no fault."""
        left = 1.0
        for active in self._active:
            fault, rng = active
            if fault.operation not in (None, operation) or fault.source not in (None, source):
                continue
            if fault.fault == FaultKind.CHAT_LIMIT and operation not in OPENS_CHATS:
                continue
            if fault.share is not None:
                if left <= 0 or rng.random() < fault.share / left:
                    return fault
                left -= fault.share
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self._active.remove(active)
            return fault
        return None

    def describe(self) -> list[dict[str, Any]]:
        return [fault.model_dump(mode="json", exclude_none=True) for fault, _ in self._active]
