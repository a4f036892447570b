"""The failed and undelivered queues as `bridge failed` reads them: receiving to the end, visibility timeouts, deleting.

One message of a batch request can fail without the others.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from bridge.processing.clock import Clock
from ops.failed.messages import SYSTEM_ATTRIBUTES, DeadLetterMessage, FailedMessage
from ops.failed.selection import Selected, Selection
from ops.target import Target

T = TypeVar("T")

BATCH = 10
"""Messages of one SQS request."""
EMPTY_RECEIVES = 3
"""This many empty receives in a row mean that the queue is empty: even a long poll can miss a message.

Source: "Amazon SQS short and long polling" in the SQS developer guide.
"""
LONGEST_VISIBILITY = 600
"""Seconds for which a killed run hides messages at most. A shorter time means more ChangeMessageVisibility calls."""
FAILED_VISIBILITY = 30
"""Seconds for which messages of failed are hidden while they are processed."""
UNDELIVERED_VISIBILITY = 300
"""Seconds for which messages of undelivered are hidden while they are processed."""
_LARGEST_BATCH = 240_000
"""Bytes of bodies in one SendMessageBatch. The quota was 262,144 bytes for years and is larger today."""
_WAIT = 1
"""Seconds of a long poll. It returns at once if there is a message."""
_POLL = 1.0
"""Seconds between two rounds while another run's messages are hidden."""


@dataclass(frozen=True, slots=True)
class Counts:
    """SQS's approximate counts of a queue; `hidden` messages are in flight. `at` is SQS's time, if it answers one."""

    visible: int
    hidden: int
    at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)

    @property
    def all(self) -> int:
        return self.visible + self.hidden

    @classmethod
    def of(cls, sqs: Any, url: str) -> Counts:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        visible, hidden = (int(answer["Attributes"].get(name, 0)) for name in names)
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return cls(visible, hidden, parsedate_to_datetime(date)) if date else cls(visible, hidden)


def counts(target: Target) -> tuple[Counts, Counts]:
    """Of failed and of undelivered."""
    sqs = target.client("sqs")
    return Counts.of(sqs, target.outputs["FailedQueueUrl"]), Counts.of(sqs, target.outputs["UndeliveredQueueUrl"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """`messages` as ReceiveMessage returns them; `at_end`: the last three receives were empty."""

    messages: Sequence[Mapping[str, Any]]
    at_end: bool


class DeadLetterQueue:
    """One of the two queues. It keeps every received message hidden until it is deleted or released.

    Without that, SQS would return the same messages again and again, and a long run would never reach those behind
    them. The visibility timeout is extended in steps, so that a killed run does not hide messages for long.

    Parameters:
        visibility_timeout: seconds, of a receive.
        extension: seconds, of each extension.
    """

    def __init__(
        self, *, sqs: Any, url: str, clock: Clock, visibility_timeout: int, extension: int = LONGEST_VISIBILITY
    ) -> None:
        self._sqs, self._url, self._clock = sqs, url, clock
        self._visibility_timeout, self._extension = visibility_timeout, extension
        self._receipts: dict[str, str] = {}
        self._visible_at: dict[str, float] = {}
        """Monotonic seconds, by message id."""

    def __len__(self) -> int:
        """How many messages are held."""
        return len(self._receipts)

    def rounds(self, *, most: int, within: float, work: float, long_polls: bool = True) -> Generator[Round, None, None]:
        """Receive round after round until the generator is closed. Then all held messages become visible again.

        Without `long_polls`, only a round that has no message yet waits for one. In a FIFO queue with few groups each
        round ends with empty receives, and waiting in them would take most of the time.

        Parameters:
            most: messages of a round.
            within: seconds of receiving in a round.
            work: seconds that the caller takes for a round at most.

        Raises what a boto3 client does.
        """
        try:
            while True:
                self._extend(within=within + work)
                yield self._round(most=most, within=within, long_polls=long_polls)
        finally:
            self.release()

    def delete(self, messages: Sequence[DeadLetterMessage]) -> set[str]:
        """Returns the message ids of those that are deleted."""
        deleted: set[str] = set()
        for batch in batched(messages, BATCH):
            entries = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(batch)]
            answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
            left = {int(one["Id"]) for one in answer.get("Failed", ())}
            deleted |= {one.message_id for number, one in enumerate(batch) if number not in left}
        self._forget(deleted)
        return deleted

    def release(self, message_ids: Iterable[str] | None = None) -> None:
        """Make these messages, or all that are held, visible at once."""
        chosen = [*(self._receipts if message_ids is None else message_ids)]
        self._change_visibility(chosen, seconds=0)
        self._forget(chosen)

    def _extend(self, *, within: float) -> None:
        """Extend what would become visible within so many seconds. If SQS refuses, it is only received again."""
        now = self._clock.monotonic()
        due = [message_id for message_id, visible_at in self._visible_at.items() if visible_at <= now + within]
        self._change_visibility(due, seconds=self._extension)
        self._visible_at |= dict.fromkeys(due, now + self._extension)

    def _change_visibility(self, message_ids: Sequence[str], *, seconds: int) -> None:
        """Best effort: the messages become visible by themselves."""
        for batch in batched(message_ids, BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": self._receipts[message_id], "VisibilityTimeout": seconds}
                for number, message_id in enumerate(batch)
            ]
            with suppress(ClientError, BotoCoreError):
                self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _forget(self, message_ids: Iterable[str]) -> None:
        for message_id in message_ids:
            self._receipts.pop(message_id, None)
            self._visible_at.pop(message_id, None)

    def _round(self, *, most: int, within: float, long_polls: bool) -> Round:
        messages: dict[str, Mapping[str, Any]] = {}  # a standard queue can deliver one twice
        batch, empty = min(BATCH, most), 0
        deadline = self._clock.monotonic() + within
        while len(messages) + batch <= most:
            received = self._receive(batch, wait=_WAIT if long_polls or not messages else 0)
            messages |= {message["MessageId"]: message for message in received}
            empty = 0 if received else empty + 1
            if empty == EMPTY_RECEIVES:
                return Round(messages=[*messages.values()], at_end=True)
            if self._clock.monotonic() >= deadline:
                break
        return Round(messages=[*messages.values()], at_end=False)

    def _receive(self, most: int, *, wait: int) -> Sequence[Mapping[str, Any]]:
        visible_at = self._clock.monotonic() + self._visibility_timeout
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=self._visibility_timeout,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=["All"],
        )
        messages: Sequence[Mapping[str, Any]] = answer.get("Messages", ())
        for message in messages:
            self._receipts[message["MessageId"]] = message["ReceiptHandle"]
            self._visible_at[message["MessageId"]] = visible_at
        return messages


@dataclass(kw_only=True)
class QueueRun:
    """What every run over failed or undelivered needs; `on_progress` is called with the messages done so far."""

    sqs: Any
    outputs: Mapping[str, str]
    selection: Selection
    clock: Clock = field(default_factory=Clock)
    on_progress: Callable[[int], None] = lambda _: None

    def undelivered(self) -> DeadLetterQueue:
        url, timeout = self.outputs["UndeliveredQueueUrl"], UNDELIVERED_VISIBILITY
        return DeadLetterQueue(sqs=self.sqs, url=url, clock=self.clock, visibility_timeout=timeout)


@dataclass(slots=True, kw_only=True)
class FailedQueueConsumer:
    """Reads failed to its end. SQS returns at most the first ten messages of a group, and none behind a hidden one.

    To reach what lies behind an unselected message, that message must be received too. If a message of its group is
    deleted, it is released at once, because only then are the messages behind it returned. If none is deleted, it stays
    hidden until the run ends, because SQS would return nothing else.

    Parameters:
        selected: what the run found so far; the run ends once all selected ids are found.
        visibility_timeout: seconds.
        most: messages that are processed together. They should be of many groups: those of one group can only be sent
            one after another.
    """

    context: QueueRun
    selected: Selected
    visibility_timeout: int = FAILED_VISIBILITY
    most: int = 100
    queue: DeadLetterQueue = field(init=False)

    def __post_init__(self) -> None:
        self.queue = DeadLetterQueue(
            sqs=self.context.sqs,
            url=self.context.outputs["FailedQueueUrl"],
            clock=self.context.clock,
            visibility_timeout=self.visibility_timeout,
            extension=max(self.visibility_timeout, LONGEST_VISIBILITY),
        )

    def run(
        self, wanted: Callable[[FailedMessage], bool], process: Callable[[Sequence[FailedMessage]], set[str]]
    ) -> None:
        """Call `process` with wanted messages in their order until none is left; it returns the ids of the deleted.

        If messages are hidden at the start, an earlier run may have been killed, so this one waits for one visibility
        timeout. It also ends after that time if all it receives arrived later: more of these may arrive for ever.
        """
        clock, outputs, selection = self.context.clock, self.context.outputs, self.context.selection
        waits = self._hidden() > 0
        found_at = clock.monotonic()
        deadline = found_at + (self.visibility_timeout if waits else 0)
        third = self.visibility_timeout / 3
        with closing(self.queue.rounds(most=self.most, within=third, work=third, long_polls=False)) as rounds:
            for received in rounds:
                messages = [
                    FailedMessage.from_message(message, replies=outputs.get("RepliesQueueUrl"))
                    for message in received.messages
                ]
                if messages:
                    self._process(messages, wanted, process)
                    if not all(map(selection.is_later, messages)):
                        found_at = clock.monotonic()
                    elif clock.monotonic() >= found_at + self.visibility_timeout:
                        break
                elif received.at_end and clock.monotonic() >= deadline:
                    break
                elif waits:
                    clock.sleep(_POLL)
                if self._found_all():
                    break
            if waits and not self._found_all():  # else SQS still counts what this run has just deleted
                self.selected.hidden = max(0, self._hidden() - len(self.queue))

    def _hidden(self) -> int:
        return Counts.of(self.context.sqs, self.context.outputs["FailedQueueUrl"]).hidden

    def _found_all(self) -> bool:
        return self.context.selection.all_in(self.selected.seen)

    def _process(
        self,
        messages: Sequence[FailedMessage],
        wanted: Callable[[FailedMessage], bool],
        process: Callable[[Sequence[FailedMessage]], set[str]],
    ) -> None:
        deleted = process([message for message in messages if wanted(message)])
        unblocked = {message.group_id for message in messages if message.message_id in deleted}
        left = [message for message in messages if message.message_id not in deleted]
        self.queue.release([message.message_id for message in left if message.group_id in unblocked])


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def send(sqs: Any, url: str, messages: Sequence[FailedMessage]) -> tuple[dict[str, str], dict[str, str]]:
    """Return at most ten messages to their source queue: new ids, and error codes of those refused, by message id.

    The deduplication id is the failed message's own id. With the text key, SQS would drop a text that arrived, or was
    redriven, within the last five minutes.
    """
    entries = [
        {
            "Id": str(number),
            "MessageBody": message.body,
            "MessageGroupId": message.source_group_id,
            "MessageDeduplicationId": message.message_id,
        }
        for number, message in enumerate(messages)
    ]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    sent = {messages[int(one["Id"])].message_id: str(one["MessageId"]) for one in answer.get("Successful", ())}
    refused = {messages[int(one["Id"])].message_id: str(one["Code"]) for one in answer.get("Failed", ())}
    return sent, refused


def first_batch(messages: Iterable[FailedMessage], *, most: int) -> list[FailedMessage]:
    """The first messages that fit into one SendMessageBatch; at least one."""
    chosen: list[FailedMessage] = []
    room = _LARGEST_BATCH
    for message in messages:
        room -= len(message.body.encode())
        if chosen and (room < 0 or len(chosen) == min(most, BATCH)):
            break
        chosen.append(message)
    return chosen
