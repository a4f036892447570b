"""Redriving: failed messages return to their source queues, undelivered ones are given to their functions."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.failed.messages import FailedMessage, UndeliveredMessage
from ops.failed.queue import (
    BATCH,
    FAILED_VISIBILITY,
    UNDELIVERED_VISIBILITY,
    FailedQueueConsumer,
    QueueRun,
    first_batch,
    send,
)  # fmt: skip
from ops.failed.selection import Selected, reasons
from ops.ledger import OperatorsLedger

_SECONDS_AHEAD = 10
"""With a rate, messages are received that can be sent within this time."""
_LEDGER_WRITES = 10
"""At once."""
_RECEIVING = 60.0
"""Seconds of receiving before undelivered messages are handed over. All of it must end while they are hidden."""
_HANDING_OVER = 200.0
"""Seconds of handing over. What is left then is received again."""
_MOST_UNDELIVERED = 5000
"""Messages of one round."""
_NO_EVENT = "no SNS event"


@dataclass(slots=True, kw_only=True)
class RedriveResult(Selected):
    """What a redrive of failed did. Sets hold message ids.

    Parameters:
        from_sqs: how many of those put back SQS itself had moved to failed, after at most `receives` receives.
        unrecorded: of how many the ledger could not be told.
        refused: how many stay, by SQS's error code; those behind them in their groups stay too.
        overtaking: those put back ahead of an earlier message of their group that is not selected.
        without_queue: replies of a stack that has no reply path any more.
        undeleted: those put back that are still in failed.
    """

    put_back: int = 0
    from_sqs: int = 0
    receives: int = 0
    unrecorded: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    overtaking: set[str] = field(default_factory=set)
    failed_again: set[str] = field(default_factory=set)
    without_queue: set[str] = field(default_factory=set)
    undeleted: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Redrive(QueueRun):
    """One run over failed. A message is deleted from failed once its source queue has it.

    If the run is killed in between, the next one sends the message a second time. SQS drops that within five minutes;
    after that the ledger suppresses the parts that were shown. What fails again during the run stays in failed: it is
    recognised by the id of the message that failed, which the bridge records and SQS keeps when it moves a message.
    """

    ledger: OperatorsLedger
    rate: float | None = None
    """Messages per second."""
    result: RedriveResult = field(init=False, default_factory=RedriveResult)

    def __post_init__(self) -> None:
        self._next_at = self.clock.monotonic()
        self._sent: set[str] = set()
        """Message ids in failed of what its source queue has."""
        self._new_ids: set[str] = set()
        """Message ids of the same on their source queues."""
        self._skipped_groups: set[str] = set()
        self._pool = ThreadPoolExecutor(max_workers=_LEDGER_WRITES)
        slowly = max(BATCH / self.rate, _SECONDS_AHEAD) if self.rate else 0
        self._consumer = FailedQueueConsumer(
            context=self,
            selected=self.result,
            visibility_timeout=FAILED_VISIBILITY + int(slowly),
            most=max(1, min(100, int(self.rate * _SECONDS_AHEAD))) if self.rate else 100,
        )

    def run(self) -> RedriveResult:
        """Raises what a boto3 client does; `result` then says how far it got."""
        with self._pool:
            self._consumer.run(self._wanted, self._put_back)
        return self.result

    def _wanted(self, message: FailedMessage) -> bool:
        if message.message_id in self._sent:
            return True
        if not self._new_ids.isdisjoint(message.source_ids):
            self.result.failed_again.add(message.message_id)
            return False
        if not self.result.add(message, self.selection):
            if message.message_id in self.result.left:
                self._skipped_groups.add(message.group_id)
            return False
        if message.source not in self.outputs:
            self.result.without_queue.add(message.message_id)
            return False
        if message.group_id in self._skipped_groups:
            self.result.overtaking.add(message.message_id)
        return True

    def _put_back(self, messages: Sequence[FailedMessage]) -> set[str]:
        """Send in batches with one message per group: if one is refused, none behind it is sent."""
        deleted = self._delete([message for message in messages if message.message_id in self._sent])
        by_group: dict[tuple[str, str], list[FailedMessage]] = {}
        for message in messages:
            if message.message_id not in self._sent:
                by_group.setdefault((message.source, message.source_group_id), []).append(message)
        groups = {key: deque(_in_order(group)) for key, group in by_group.items()}
        while groups:
            source = next(source for source, _ in groups)
            batch = first_batch((group[0] for (of, _), group in groups.items() if of == source), most=self._at_once())
            self._wait_for_rate(len(batch))
            at = datetime.fromtimestamp(self.clock.now(), UTC)
            sent, refused = send(self.sqs, self.outputs[source], batch)
            self._sent |= sent.keys()
            self._new_ids |= {*sent.values()}
            accepted = [message for message in batch if message.message_id in sent]
            deleted |= self._delete(accepted)
            self._record(accepted, at=at)
            self.result.refused.update(refused.values())
            for message in batch:
                group = groups[source, message.source_group_id]
                group.popleft()
                if message.message_id in refused or not group:
                    del groups[source, message.source_group_id]
            self.result.put_back += len(accepted)
            for message in accepted:
                if message.moved_by_sqs:
                    self.result.from_sqs += 1
                    self.result.receives = max(self.result.receives, message.receives - 1)
            self.on_progress(self.result.put_back)
        return deleted

    def _at_once(self) -> int:
        return BATCH if self.rate is None else max(1, min(BATCH, int(self.rate)))

    def _wait_for_rate(self, count: int) -> None:
        if self.rate is None:
            return
        self.clock.sleep(max(0.0, self._next_at - self.clock.monotonic()))
        self._next_at = max(self._next_at, self.clock.monotonic()) + count / self.rate

    def _delete(self, messages: Sequence[FailedMessage]) -> set[str]:
        deleted = self._consumer.queue.delete(messages)
        self.result.undeleted |= {message.message_id for message in messages}
        self.result.undeleted -= deleted
        return deleted

    def _record(self, messages: Sequence[FailedMessage], *, at: datetime) -> None:
        """`at` is before they were sent: forward may record its result before this does."""

        def record(message: FailedMessage) -> bool:
            try:
                self.ledger.redriven(message.text_key, message_id=message.failure_id, at=at)
            except (ClientError, BotoCoreError):  # the worker function records what becomes of it
                return False
            return True

        self.result.unrecorded += [*self._pool.map(record, messages)].count(False)


def _in_order(group: Sequence[FailedMessage]) -> Sequence[FailedMessage]:
    """SQS keeps the order within a group of failed, but each text that intake could not read has a group of its own."""
    if len({message.group_id for message in group}) == 1:
        return group
    return sorted(group, key=lambda message: message.sent_at)


@dataclass(slots=True, kw_only=True)
class HandOverResult(Selected):
    """`refused` counts what stays, by its error; `undeleted` are those handed over and still in undelivered."""

    handed_over: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    undeleted: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class HandOver(QueueRun):
    """One run over undelivered: each event is given to its function, in the order in which they were published.

    The function is invoked and its answer awaited, so a text takes the same path as any other, and the message is
    deleted once the function has processed it. If the run is killed in between, the function gets the event again: SQS
    drops its texts within five minutes, and after that the ledger suppresses them.
    """

    functions: Any
    """A client of Lambda."""
    result: HandOverResult = field(init=False, default_factory=HandOverResult)

    def __post_init__(self) -> None:
        self._queue = self.undelivered()
        self._tried: set[str] = set()
        """Message ids, whatever the result."""

    def run(self) -> HandOverResult:
        """Raises what a boto3 client does; `result` then says how far it got."""
        rounds = self._queue.rounds(most=_MOST_UNDELIVERED, within=_RECEIVING, work=UNDELIVERED_VISIBILITY - _RECEIVING)
        with closing(rounds):
            for received in rounds:
                messages = [UndeliveredMessage.from_message(one, outputs=self.outputs) for one in received.messages]
                if self._process(messages) and received.at_end:
                    break
        return self.result

    def _process(self, messages: Sequence[UndeliveredMessage]) -> bool:
        """Returns whether all of them were tried. The others are released, to be received again."""
        wanted = sorted(filter(self._wanted, messages), key=lambda message: message.sent_at)
        deadline = self.clock.monotonic() + _HANDING_OVER
        for number, message in enumerate(wanted):
            if self.clock.monotonic() >= deadline:
                self._queue.release([message.message_id for message in wanted[number:]])
                return False
            self._tried.add(message.message_id)
            if self._hand_over(message) and not self._queue.delete([message]):
                self.result.undeleted.add(message.message_id)
        return True

    def _wanted(self, message: UndeliveredMessage) -> bool:
        return message.message_id not in self._tried and self.result.add(message, self.selection)

    def _hand_over(self, message: UndeliveredMessage) -> bool:
        if message.event is None:
            self.result.refused[_NO_EVENT] += 1
            return False
        answer = self.functions.invoke(
            FunctionName=self.outputs[message.function],
            InvocationType="RequestResponse",
            Payload=json.dumps(message.event).encode(),
        )
        if answer.get("FunctionError"):
            self.result.refused[_function_error(answer["Payload"].read())] += 1
            return False
        self.result.handed_over += 1
        self.on_progress(self.result.handed_over)
        return True


def _function_error(payload: bytes) -> str:
    """The error's class. Its message is added only for the bridge's own errors, which quote no content."""
    try:
        error = json.loads(payload)
        kind, message = str(error["errorType"]), str(error.get("errorMessage") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "the function failed"
    return f"{kind}: {message}" if kind in reasons() and message else kind
