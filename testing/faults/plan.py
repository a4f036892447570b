"""Parameters of a fault run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Delivery = Literal["integration-event", "start-chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The same plan gives the same texts, faults and kills. Times in seconds; numbers of processes by function."""

    seed: int
    texts: int
    conversations: int
    delivery: Delivery = "integration-event"
    forwards: int = 6
    intakes: int = 2
    repliers: int = 4
    reply_intakes: int = 2
    naives: int = 16
    rate: float = 80.0
    faults: bool = True
    outage: float = 60.0
    refusal: float = 60.0
    bad_deploy: float = 15.0
    ledger_outage: float = 8.0
    queue_outage: float = 6.0
    kill_every: float = 3.5
    lost: float = 0.005
    """Share of the calls that are accepted but whose response is lost."""
    deduplication_window: float = 60.0
    """Of the queues; 300 s in AWS."""
    retry_speedup: float = 6.0
    """Lambda's pauses between asynchronous attempts are divided by this, for both bridges."""
    visibility: float = 42.0
    """Visibility timeout of the queues: six times function_timeout, as in the stack."""
    drain: float = 900.0
    throttled_share: float = 0.0
    failing_share: float = 0.0
    """Shares of the calls to Connect's APIs that are throttled, or answered with 5xx, where `faults` is False."""
    group_lock: bool = True
    """Whether a conversation is one message group. If not, every text is its own group."""

    @property
    def starts_chats(self) -> bool:
        return self.delivery == "start-chat"

    @property
    def processes(self) -> dict[str, int]:
        """Number of processes by function of the bridge."""
        functions = {"intake": self.intakes, "forward": self.forwards}
        if self.starts_chats:
            functions |= {"reply_intake": self.reply_intakes, "reply": self.repliers}
        return functions
