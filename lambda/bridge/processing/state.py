"""The state of a message between two attempts, independent of how it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bridge.errors import BridgeError

Outcome = Literal["pending", "forwarded", "failed", "ignored", "discarded"]
"""What became of a message. `discarded`: it was in the dead-letter queue and an operator removed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """How a message is split into parts. It is saved, so that a deployment between two attempts changes nothing.

    Parameters:
        limit: the most that one part holds: UTF-16 code units of a text, septets of a reply.
        prefix: text before the body.
        shown: false for a disconnect keyword that is not shown in the chat.
        ends_chat: whether a DISCONNECT follows the last part.
    """

    limit: int
    prefix: str = ""
    shown: bool = True
    ends_chat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryState:
    """The state of one message in the ledger.

    Parameters:
        split: None until it was saved or a part was accepted.
        last_error: why the message returned to its queue, until a part was accepted.
        lost_answers: calls for the next part whose answers were lost.
        throttled: so many of the latest retries, without another between them, were for throttling.
    """

    outcome: Outcome
    split: SplitPlan | None
    parts_done: int
    retries: int
    contact: str | None
    last_error: BridgeError | None = None
    lost_answers: int = 0
    throttled: int = 0

    @property
    def finished(self) -> bool:
        """Nothing is left to do. A failed message is not finished: a redrive resumes after its last accepted part."""
        return self.outcome in ("forwarded", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMetadata:
    """What the ledger records of every message.

    Parameters:
        conversation: the message group id.
        business_number: the number that was texted.
        sent_at: ISO 8601.
        queued_at: milliseconds since the epoch.
    """

    conversation: str | None = field(default=None, repr=False)
    business_number: str | None = field(default=None, repr=False)
    sns_message_id: str | None = None
    sent_at: str | None = None
    queued_at: int | None = None
    sequence: str | None = None
