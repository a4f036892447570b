"""What was seen of a run, from outside the functions: all that the accounting has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testing.faults.lambda_runtime import Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message that a queue took, or dropped as a duplicate: then with the number of the first one.

    `identity`: of the text or reply in it, as sns.identity has it.
    """

    at: float
    queue: str
    entry: str
    sequence: int
    group: str
    identity: str
    attributes: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch of a queue; `entries` and `texts` (identities) go together."""

    entries: tuple[str, ...]
    texts: tuple[str, ...]
    invocation: Invocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A call to the ledger that would note parts as done. `fate`: applied, refused, condition failed."""

    at: float
    text_key: str
    parts_done: int
    fate: str
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """SIGKILL of an environment; `began_at` of the invocation that it was at, if any."""

    at: float
    environment: str
    began_at: float | None


@dataclass(slots=True)
class Record:
    """Times in seconds since the epoch."""

    sends: list[Send] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    published: dict[str, float] = field(default_factory=dict)
    """When a text or a reply was published, by its identity, as the next two."""
    timestamps: dict[str, str] = field(default_factory=dict)
    """When it was sent or said, as its notification says."""
    deliveries: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Seconds from publishing to each of SNS's hand-overs."""
    filtered: int = 0
    """Notifications that the streaming topic's filter policy kept away."""
    undelivered: list[Any] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    """Invocations that failed, by function and error."""
    faults: Counter[str] = field(default_factory=Counter)
    """What was made to go wrong."""

    def ended(self, invocation: Invocation) -> None:
        """Told of every invocation's end."""
        if invocation.fate != "answered":
            error = f"{invocation.fate} {invocation.error.partition(':')[0]}".strip()
            self.errors[f"{invocation.function}: {error}"] += 1
