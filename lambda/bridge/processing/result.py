"""The result of one queue message in one batch: delivered, skipped, failed or retry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.errors import BridgeError
from bridge.processing.message import QueueMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """`parts` and `attempts` are those of this batch.

    `possible_duplicates`: calls for these parts whose answers were lost before another one was accepted.
    """

    message: QueueMessage[Any]
    parts: int = 0
    attempts: int = 0
    possible_duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(_Result):
    """All parts were accepted. `milliseconds` since it was sent; None if that time is unknown."""

    contact: str | None
    new_chat: bool = False
    milliseconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(_Result):
    """There was nothing to send.

    `ignored`: nothing to show; `duplicate`: delivered before; `ended`: the end of the chat `contact`.
    """

    reason: Literal["ignored", "duplicate", "ended"]
    contact: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Result):
    """It is in the dead-letter queue with `error`. `gave_up`: retries went on for longer than give_up_after."""

    error: BridgeError
    gave_up: bool = False
    traceback: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(_Result):
    """It returns to its queue.

    Parameters:
        delay: seconds for which it stays invisible.
        error: the cause; None for a follower of a message that returns.
        waited: seconds since it was queued.
        new_chat: an accepted part of it started a chat.
        traceback: of a defect of the bridge.
    """

    delay: int
    error: BridgeError | None = None
    waited: int = 0
    new_chat: bool = False
    traceback: str | None = field(default=None, repr=False)


Result = Delivered | Skipped | Failed | Retry
