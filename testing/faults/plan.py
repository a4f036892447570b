"""What a run is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Delivery = Literal["integration-event", "start-chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The same plan draws the same texts, faults and kills. Times in seconds; processes by their function."""

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
    """Share of the calls that are taken and whose answer never comes."""
    window: float = 60.0
    """For how long the queue remembers deduplication ids: 300 s of AWS's."""
    shorter: float = 6.0
    """By how much Lambda's pauses between asynchronous tries are shortened, for both bridges alike."""
    visibility: float = 42.0
    """Of the queues: six times function_timeout, as the stack has it; more than it at the least."""
    drain: float = 900.0
    throttled: float = 0.0
    failing: float = 0.0
    """Shares of the calls of every API of Connect's that are throttled and answered 5xx; besides `faults`."""
    group_lock: bool = True
    """Whether texts of one conversation are one message group; else each is a group of its own."""

    @property
    def starts_chats(self) -> bool:
        return self.delivery == "start-chat"

    @property
    def processes(self) -> dict[str, int]:
        """How many of each of the bridge's functions."""
        functions = {"intake": self.intakes, "forward": self.forwards}
        if self.starts_chats:
            functions |= {"reply_intake": self.reply_intakes, "reply": self.repliers}
        return functions
