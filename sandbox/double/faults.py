"""Trouble on demand: which calls of the double go wrong, and how."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Kind(StrEnum):
    """What happens to the call; the first two are errors that a caller should try again after."""

    THROTTLE = "throttle"
    ERROR = "error"
    HANG = "hang"
    """No answer for `seconds`; the call is never taken."""
    RESET_BEFORE = "reset-before"
    """The connection is reset and the call is not taken."""
    RESET_AFTER = "reset-after"
    """The call is taken, its answer is lost: what a caller cannot tell from reset-before."""
    REFUSE = "refuse"
    NOT_FOUND = "not-found"
    CHAT_LIMIT = "chat-limit"


OPENS_CHATS = ("SendChatIntegrationEvent", "StartChatContact")
"""The only operations that can meet the quota of active chats."""


class Fault(BaseModel):
    """One kind of trouble, for `times` calls, for a `share` of them, or for all until it is removed."""

    model_config = ConfigDict(extra="forbid")

    fault: Kind
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
    """The faults that stand, in the order in which they were added; the first that hits a call decides."""

    def __init__(self) -> None:
        self._standing: list[tuple[Fault, random.Random]] = []

    def add(self, fault: Fault) -> None:
        # The same seed must fail the same calls in every run; nothing secret depends on it.
        self._standing.append((fault, random.Random(fault.seed)))  # noqa: S311

    def clear(self) -> None:
        self._standing.clear()

    def draw(self, *, operation: str, source: str | None) -> Fault | None:
        """The fault of this call, if any. Shares are of all calls: 0.3 and 0.1 together spare 0.6 of them."""
        left = 1.0
        for standing in self._standing:
            fault, rng = standing
            if fault.operation not in (None, operation) or fault.source not in (None, source):
                continue
            if fault.fault == Kind.CHAT_LIMIT and operation not in OPENS_CHATS:
                continue
            if fault.share is not None:
                if left <= 0 or rng.random() < fault.share / left:
                    return fault
                left -= fault.share
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self._standing.remove(standing)
            return fault
        return None

    def describe(self) -> list[dict[str, Any]]:
        return [fault.model_dump(mode="json", exclude_none=True) for fault, _ in self._standing]
