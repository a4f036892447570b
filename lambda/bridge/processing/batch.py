"""The FIFO batch processor: each message group in order, groups in parallel, for either direction.

This module alone decides what is done after each class of error. A MessageHandler delivers one message; every message
of a batch ends in one Result.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from bridge.config import Limits
from bridge.errors import (
    BlockedError,
    BridgeError,
    ChatLimitError,
    LedgerError,
    OutOfTimeError,
    PermanentError,
    QueueError,
    ThrottledError,
    TransientError,
    UnexpectedError,
)
from bridge.processing.attempt import Attempt
from bridge.processing.clock import Clock
from bridge.processing.message import Content, Parse, QueueMessage, message_groups
from bridge.processing.result import Delivered, Failed, Result, Retry, Skipped
from bridge.processing.retry import jitter, retry_delay, steps_untried, with_jitter
from bridge.processing.state import DeliveryState, MessageMetadata, SplitPlan

C = TypeVar("C", bound=Content)
T = TypeVar("T")

_EARLY_RECEIVES = 8
"""Receives after which a message without a token is delayed ever longer, so that maxReceiveCount is not reached."""
_ONE_SECOND = 1
"""The smallest difference between two visibility timeouts."""


class Queue(Protocol):
    """The FIFO queue that the batch came from."""

    def change_visibility(self, delays: Sequence[tuple[str, int]]) -> None:
        """Hide messages, by receipt handle, for so many seconds. Raises QueueError."""


class DeadLetterQueue(Protocol):
    def send(
        self,
        body: str,
        error: BridgeError,
        *,
        group_id: str,
        deduplication_id: str,
        key: str,
        attempts: int = 0,
        message_id: str | None = None,
    ) -> None:
        """Raises QueueError."""


class Ledger(Protocol):
    """The delivery state of each message. Every method raises LedgerError."""

    def read(self, key: str) -> DeliveryState | None: ...
    def save_split(self, key: str, metadata: MessageMetadata, *, split: SplitPlan) -> SplitPlan: ...
    def record_part(
        self,
        key: str,
        metadata: MessageMetadata,
        *,
        split: SplitPlan,
        part: int,
        parts: int,
        attempts: int,
        message_id: str,
        contact: str | None = None,
        new_chat: bool = False,
        nothing_shown: str | None = None,
        possible_duplicates: int = 0,
    ) -> DeliveryState: ...
    def record_retry(
        self,
        key: str,
        metadata: MessageMetadata,
        error: BridgeError,
        *,
        attempts: int,
        message_id: str,
        lost_answers: int = 0,
        throttled: int = 0,
    ) -> None: ...
    def record_failure(
        self,
        key: str,
        metadata: MessageMetadata,
        error: BridgeError,
        *,
        attempts: int = 0,
        message_id: str | None = None,
        lost_answers: int = 0,
    ) -> None: ...
    def record_duplicate(self, key: str) -> None: ...


class Reporter(Protocol):
    """Logs and metrics of a batch."""

    def batch(self, results: Sequence[Result], *, out_of_order: int) -> None: ...
    def visibility_unchanged(self, retries: Sequence[Retry], error: BridgeError) -> None: ...


class MessageHandler(Protocol[C]):
    """Delivers the messages of one direction."""

    def deliver(self, content: C, attempt: Attempt[C], state: DeliveryState | None) -> Delivered | Skipped:
        """Raises BridgeError; its class decides what is done with the message. `state` is that of the ledger."""

    def on_failed(self, attempt: Attempt[C], error: BridgeError, *, gave_up: bool) -> None:
        """Called once the message is in the dead-letter queue. Must not raise."""


class FifoBatchProcessor(Generic[C]):
    """Processes batches of one FIFO queue. One per environment.

    Parameters:
        parse: reads a message's content, once.
    """

    def __init__(
        self,
        *,
        handler: MessageHandler[C],
        parse: Parse[C],
        limits: Limits,
        queue: Queue,
        dead_letters: DeadLetterQueue,
        ledger: Ledger,
        reporter: Reporter,
        clock: Clock | None = None,
        jitter: Callable[[], float] = jitter,
    ) -> None:
        self._handler, self._parse, self._limits = handler, parse, limits
        self._queue, self._dead_letters, self._ledger, self._reporter = queue, dead_letters, ledger, reporter
        self._clock, self._jitter = clock or Clock(), jitter

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """One event of Lambda's SQS event source. Returns its partial batch response."""
        groups, out_of_order = message_groups(event, self._parse)
        results = self.process(groups)
        retries = [result for result in results if isinstance(result, Retry)]
        self._return_to_queue(retries)
        self._reporter.batch(results, out_of_order=out_of_order)
        return {"batchItemFailures": [{"itemIdentifier": retry.message.message_id} for retry in retries]}

    def _return_to_queue(self, retries: Sequence[Retry]) -> None:
        """Hide all messages of a group alike. After a QueueError they wait for the queue's own visibility timeout.

        SQS delivers a message while later ones of its group are hidden. Where a group is not processed in queue order,
        its first message in the queue could be delivered alone: before, or between the parts of, a message that goes
        first. It becomes visible a second after the others, once theirs is changed. SQS then delivers all together.
        """
        last = _heads_out_of_order(retries)
        others = [retry for retry in retries if retry not in last]
        try:
            self._queue.change_visibility([(retry.message.receipt_handle, retry.delay) for retry in others])
            self._queue.change_visibility([(retry.message.receipt_handle, retry.delay + _ONE_SECOND) for retry in last])
        except QueueError as exc:
            self._reporter.visibility_unchanged(retries, exc)

    def process(self, groups: Sequence[Sequence[QueueMessage[C]]]) -> list[Result]:
        """One result for each message, soon after the batch deadline at the latest."""
        deadline = self._clock.monotonic() + self._limits.batch_deadline
        if len(groups) == 1:
            return self.process_group(groups[0], deadline=deadline)
        with ThreadPoolExecutor(max_workers=len(groups) or 1) as pool:
            results = pool.map(lambda messages: self.process_group(messages, deadline=deadline), groups)
            return [result for of_one in results for result in of_one]

    def process_group(self, messages: Sequence[QueueMessage[C]], *, deadline: float) -> list[Result]:
        """Process one group in order. After a message that returns to the queue, its followers return untried.

        SQS delivers no message behind a hidden one of its group, so all are hidden for the same time.
        """
        results: list[Result] = []
        for number, message in enumerate(messages):
            result = self._process_message(message, deadline=deadline)
            if isinstance(result, Retry):
                if isinstance(result.error, OutOfTimeError) and (results or result.parts):
                    result = replace(result, delay=0)  # the group made progress, and no call failed
                followers = messages[number + 1 :]
                return [*results, result, *(Retry(message=follower, delay=result.delay) for follower in followers)]
            results.append(result)
        return results

    def _process_message(self, message: QueueMessage[C], *, deadline: float) -> Result:
        attempt = Attempt(message=message, deadline=deadline, clock=self._clock, jitter=self._jitter)
        try:
            return self._deliver(attempt)
        except PermanentError as exc:
            return self._fail(attempt, exc)
        except (TransientError, BlockedError) as exc:
            return self._retry_or_give_up(attempt, exc)
        except Exception as exc:
            # Without the exception's message, which could quote a body.
            return self._retry_or_give_up(
                attempt,
                UnexpectedError(f"a defect of the bridge: {type(exc).__name__}"),
                traceback="".join(traceback.format_tb(exc.__traceback__)),
            )

    def _deliver(self, attempt: Attempt[C]) -> Delivered | Skipped:
        message = attempt.message
        if message.parsed.ignored:
            return Skipped(message=message, reason="ignored")
        content, state = message.parsed.required(), None
        if content.in_ledger:
            state = self._ledger.read(message.key)
            attempt.recorded_retries = state.retries if state else 0
            if state:
                attempt.last_error, attempt.lost_answers = state.last_error, state.lost_answers
                attempt.throttled = state.throttled
            if state and state.finished:
                with suppress(LedgerError):  # it only counts duplicates
                    self._ledger.record_duplicate(message.key)
                return Skipped(message=message, reason="duplicate")
        return self._handler.deliver(content, attempt, state)

    def _retry_or_give_up(self, attempt: Attempt[C], error: BridgeError, *, traceback: str | None = None) -> Result:
        if isinstance(error, LedgerError):
            attempt.part_unrecorded()
        tried = not isinstance(error, OutOfTimeError)
        cause = error if tried else attempt.last_error or error
        age = self._clock.now() - attempt.message.queued_at
        # A message that no call was ever made for may have waited behind another one: it gets as long once more.
        never_tried = isinstance(cause, OutOfTimeError)
        if age >= self._limits.give_up_after * (2 if never_tried else 1):
            last_error = type(cause)(f"gave up after {_duration(age)}; last: {cause}")
            result = self._fail(attempt, last_error, gave_up=True)
            return replace(result, traceback=traceback)
        if tried:
            self._record_retry(attempt, error)
        return replace(self._retry(attempt, error), traceback=traceback)

    def _fail(self, attempt: Attempt[C], error: BridgeError, *, gave_up: bool = False) -> Failed | Retry:
        """Send the message to the dead-letter queue, then record the failure.

        If the function is killed between the two, both are repeated, and SQS drops the second copy as a duplicate.
        """
        message = attempt.message
        try:
            self._dead_letters.send(
                message.body,
                error,
                group_id=message.group_id,
                deduplication_id=message.message_id,
                key=message.key,
                attempts=attempt.attempts,
                message_id=message.message_id,
            )
            self._ledger.record_failure(
                message.key,
                message.metadata,
                error,
                attempts=attempt.take_attempts(),
                message_id=message.message_id,
                lost_answers=attempt.lost_answers,
            )
        except (QueueError, LedgerError) as exc:
            self._record_retry(attempt, exc)
            return self._retry(attempt, exc)
        self._handler.on_failed(attempt, error, gave_up=gave_up)
        return Failed(
            message=message,
            error=error,
            gave_up=gave_up,
            parts=attempt.parts,
            attempts=attempt.attempts,
            possible_duplicates=attempt.possible_duplicates,
        )

    def _record_retry(self, attempt: Attempt[C], error: BridgeError) -> None:
        """Best effort: the message is still in its queue. After a LedgerError the ledger is not called again."""
        message = attempt.message
        attempt.retry_recorded = False
        if not isinstance(error, LedgerError):
            with suppress(LedgerError):
                self._ledger.record_retry(
                    message.key,
                    message.metadata,
                    error,
                    attempts=attempt.take_attempts(),
                    message_id=message.message_id,
                    lost_answers=attempt.lost_answers,
                    throttled=attempt.throttled + 1 if isinstance(error, (ThrottledError, ChatLimitError)) else 0,
                )
                attempt.retry_recorded = True

    def _retry(self, attempt: Attempt[C], error: BridgeError) -> Retry:
        limits, message = self._limits, attempt.message
        if isinstance(error, BlockedError):
            delay = with_jitter(limits.blocked_retry, self._jitter())
        else:
            untried = isinstance(error, OutOfTimeError)
            delay = retry_delay(
                retries=steps_untried(message.receive_count) if untried else attempt.retries,
                first=limits.retry_first,
                longest=limits.retry_longest,
                jitter=self._jitter(),
            )
            if isinstance(error, OutOfTimeError) and error.retry_after is not None:
                token_in = math.ceil(min(error.retry_after, limits.retry_longest))
                delay = token_in if message.receive_count <= _EARLY_RECEIVES else max(token_in, delay)
        return Retry(
            message=message,
            delay=delay,
            error=error,
            waited=max(0, int(self._clock.now() - message.queued_at)),
            parts=attempt.parts,
            attempts=attempt.attempts,
            new_chat=attempt.new_chat,
            possible_duplicates=attempt.possible_duplicates,
        )


def _heads_out_of_order(retries: Sequence[Retry]) -> list[Retry]:
    """The first message in the queue of each group that was not processed in queue order."""
    groups: dict[str, list[Retry]] = {}
    for retry in retries:
        groups.setdefault(retry.message.group_id, []).append(retry)
    return [
        in_queue[0]
        for of_group in groups.values()
        if (in_queue := sorted(of_group, key=lambda retry: int(retry.message.sequence))) != of_group
    ]


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
