"""The queues as `bridge failed` uses them: in batches of ten, what one entry of a batch meets said of that one only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ops.failed.letters import Letter
from ops.target import Target

T = TypeVar("T")

BATCH = 10
_ROOM = 240_000
"""Bytes of bodies in one SendMessageBatch; SQS has taken 262,144 in all its life, and more today."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Entries of a queue by SQS's count, which is approximate. `hidden` ones are being worked on.

    `at` is by SQS's clock, where it says so.
    """

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


def send(sqs: Any, url: str, letters: Sequence[Letter]) -> tuple[dict[str, str], dict[str, str]]:
    """Put letters, at most ten, on their home queue: new ids, and error codes of those refused, by message id.

    The deduplication id is the failed entry's own message id: with the text key, SQS would drop a text that came, or
    was redriven, within the last five minutes.
    """
    answer = sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {
                "Id": str(number),
                "MessageBody": letter.body,
                "MessageGroupId": letter.lane,
                "MessageDeduplicationId": letter.message_id,
            }
            for number, letter in enumerate(letters)
        ],
    )
    taken = {letters[int(one["Id"])].message_id: str(one["MessageId"]) for one in answer.get("Successful", ())}
    refused = {letters[int(one["Id"])].message_id: str(one["Code"]) for one in answer.get("Failed", ())}
    return taken, refused


def delete(sqs: Any, url: str, receipts: Sequence[tuple[str, str]]) -> set[str]:
    """Message ids of what is gone, of message ids with their receipts."""
    gone: set[str] = set()
    for batch in batched(receipts, BATCH):
        answer = sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(number), "ReceiptHandle": receipt} for number, (_, receipt) in enumerate(batch)],
        )
        left = {int(one["Id"]) for one in answer.get("Failed", ())}
        gone |= {message_id for number, (message_id, _) in enumerate(batch) if number not in left}
    return gone


def hide(sqs: Any, url: str, receipts: Iterable[str], *, seconds: int) -> None:
    """From now on; 0 lets entries be seen at once. As well as it can be done: they come back by themselves."""
    for batch in batched([*receipts], BATCH):
        with suppress(ClientError, BotoCoreError):
            sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                    for number, receipt in enumerate(batch)
                ],
            )


def fitting(letters: Iterable[Letter], *, most: int) -> list[Letter]:
    """As many as go into one batch: at least one."""
    chosen: list[Letter] = []
    room = _ROOM
    for letter in letters:
        room -= len(letter.body.encode())
        if chosen and (room < 0 or len(chosen) == min(most, BATCH)):
            break
        chosen.append(letter)
    return chosen


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
