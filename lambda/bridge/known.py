"""What the ledger knows of a text, apart from how it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bridge.compose import Plan

Outcome = Literal["pending", "forwarded", "failed", "ignored", "discarded"]
"""What became of a text. `discarded` is an operator's word: it was failed, and nobody wants it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger knows of a text. `plan` is there once a part is done."""

    outcome: Outcome
    plan: Plan | None
    parts_done: int
    retries: int
    contact: str | None
    new_chat: bool

    @property
    def finished(self) -> bool:
        """Nothing is left to do. A failed text is not finished: redriven, it goes on where it stopped."""
        return self.outcome in ("forwarded", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is written about a text whatever becomes of it. Times: ISO 8601 and epoch milliseconds.

    `ours` is the number of ours that was texted.
    """

    conversation: str | None = field(default=None, repr=False)
    ours: str | None = field(default=None, repr=False)
    sns_message_id: str | None = None
    sent_at: str | None = None
    queued_at: int | None = None
    sequence: str | None = None
