"""What is recorded of a run outside the functions: the input of the accounting."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testing.faults.lambda_runtime import Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message that a queue accepted. A duplicate has the sequence number of the first one.

    `identity`: see sns.identity.
    """

    at: float
    queue: str
    entry: str
    sequence: int
    identity: str


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch of a queue. `entries` (message ids) and `texts` (identities) are in the same order."""

    entries: tuple[str, ...]
    texts: tuple[str, ...]
    invocation: Invocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A call that records parts in the ledger. `outcome`: applied, refused, condition failed, unknown."""

    at: float
    text_key: str
    parts_done: int
    outcome: str
    answered: bool


@dataclass(slots=True)
class Record:
    """Times in seconds since the epoch."""

    sends: list[Send] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    kills: int = 0
    published: dict[str, float] = field(default_factory=dict)
    """Time of publishing by identity."""
    timestamps: dict[str, str] = field(default_factory=dict)
    """Timestamp of the notification by identity."""
    deliveries: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Seconds from publishing to each delivery by SNS, by identity."""
    filtered: int = 0
    """Notifications that the filter policy of the streaming topic rejected."""
    undelivered: list[Any] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    """Number of failed invocations by function and error."""
    faults: Counter[str] = field(default_factory=Counter)
    """Number of injected faults by kind."""

    def ended(self, invocation: Invocation) -> None:
        """Count the invocation if it failed."""
        if invocation.outcome != "answered":
            error = f"{invocation.outcome} {invocation.error.partition(':')[0]}".strip()
            self.errors[f"{invocation.function}: {error}"] += 1
