"""One queue message in one batch, and the calls that are made for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bridge.errors import AnswerLostError, BridgeError, MaybeDeliveredError, OutOfTimeError, TransientError
from bridge.processing.clock import Clock
from bridge.processing.message import Content, QueueMessage

C = TypeVar("C", bound=Content)
T = TypeVar("T")

_FIRST_PAUSE = 0.1
"""Seconds between the first two calls for one part within a batch; it doubles."""
_CALLS = 4
"""The most calls for one part within a batch."""
_RETRY_SECONDS, _SHORT_RETRY_SECONDS = 3.0, 1.0
"""Seconds after which no further call for one part is made within a batch; less where the message has failed before."""


@dataclass(slots=True, kw_only=True)
class Attempt(Generic[C]):
    """One message in one batch, and the calls that are made for it.

    Parameters:
        deadline: by the monotonic clock, in seconds: no call begins after it.
        recorded_retries: retries of it in the ledger; None until that was read.
        retry_recorded: false once a retry could not be recorded.
        last_error: the error in the ledger: of its last retry, or of the failure before a redrive.
        throttled: so many of its latest retries, without another between them, were for throttling.
        lost_answers: calls for the part that is being sent whose answers were lost, also in earlier batches.
        part_duplicates: so often more the part that was accepted last may be shown.
        possible_duplicates: the same for all parts in this batch, those included whose acceptance was not recorded.
        attempts: calls made for it in this batch.
        parts: parts accepted in this batch.
        new_chat: a part of it started a chat.
    """

    message: QueueMessage[C]
    deadline: float
    clock: Clock
    jitter: Callable[[], float]
    recorded_retries: int | None = None
    retry_recorded: bool = True
    last_error: BridgeError | None = None
    throttled: int = 0
    lost_answers: int = 0
    part_duplicates: int = 0
    possible_duplicates: int = 0
    attempts: int = 0
    parts: int = 0
    new_chat: bool = False
    _unrecorded: int = 0
    _lost_before: int = 0
    _repeated_if_unrecorded: bool = False

    def call(self, call: Callable[[], T], *, idempotent: bool = False, max_lost_answers: int | None = None) -> T:
        """The answer to `call`, which is repeated after a TransientError, a few times and not after the deadline.

        A message that keeps failing returns to its queue soon: the other conversations of its batch wait for it.
        Raises what `call` raised last; an OutOfTimeError never stands for an error of the service before it.

        Parameters:
            idempotent: the service recognises a call that is repeated, and does it once.
            max_lost_answers: so many answers to calls for this part may be lost, in this batch and before it;
                then MaybeDeliveredError. None for no limit.
        """
        pause, last = _FIRST_PAUSE, None
        self._repeated_if_unrecorded = False
        retry_seconds = _SHORT_RETRY_SECONDS if self.last_error else _RETRY_SECONDS
        until = min(self.deadline, self.clock.monotonic() + retry_seconds)
        for remaining in reversed(range(_CALLS)):
            self.attempts += 1
            self._unrecorded += 1
            try:
                answer = call()
            except OutOfTimeError as exc:  # no call was made
                self.attempts -= 1
                self._unrecorded -= 1
                if last:
                    raise last from exc
                raise
            except TransientError as exc:
                last = exc
                if isinstance(exc, AnswerLostError):
                    self.lost_answers += 1
                    if max_lost_answers is not None and self.lost_answers >= max_lost_answers:
                        raise MaybeDeliveredError(f"{self.lost_answers} calls without an answer; last: {exc}") from exc
            else:
                self._lost_before, self.lost_answers, self.throttled = self.lost_answers, 0, 0
                self._repeated_if_unrecorded = not idempotent
                self.part_duplicates = 0 if idempotent else self._lost_before
                self.possible_duplicates += self.part_duplicates
                return answer
            wait = pause * (1 + 0.5 * self.jitter())
            pause *= 2
            if not remaining or self.clock.monotonic() + wait >= until:
                break
            self.clock.sleep(wait)
        raise last or OutOfTimeError("no time was left")

    def not_recognised(self) -> None:
        """The service could not recognise the call that it accepted last: one before may have been accepted too."""
        self.part_duplicates = min(1, self._lost_before)
        self.possible_duplicates += self.part_duplicates

    def part_unrecorded(self) -> None:
        """The ledger could not be written: if a call was accepted since the last write, it will be repeated."""
        self.possible_duplicates += self._repeated_if_unrecorded
        self._repeated_if_unrecorded = False

    def take_attempts(self) -> int:
        """The number of calls that are not in the ledger yet. It is reset."""
        taken, self._unrecorded = self._unrecorded, 0
        return taken

    @property
    def retries(self) -> int:
        """How often the message has returned to its queue.

        SQS's receive count is higher: a follower is received with the message before it and not tried. It is used only
        where the ledger could not be written.
        """
        if self.retry_recorded and self.recorded_retries is not None:
            return self.recorded_retries
        return max(self.recorded_retries or 0, self.message.receive_count - 1)

    @property
    def age_milliseconds(self) -> int | None:
        """Since the message was sent; None if that time is unknown."""
        sent_at = self.message.sent_at
        return max(0, int((self.clock.now() - sent_at.timestamp()) * 1000)) if sent_at else None
