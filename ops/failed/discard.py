"""Discarding: messages of failed and undelivered are copied to a file, recorded in the ledger, then deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from ops.failed.messages import DeadLetterMessage, FailedMessage, UndeliveredMessage
from ops.failed.queue import BATCH, UNDELIVERED_VISIBILITY, DeadLetterQueue, FailedQueueConsumer, QueueRun, batched
from ops.failed.selection import Selected
from ops.ledger import OperatorsLedger
from ops.target import TargetError

_MOST_UNDELIVERED = 100
"""Messages of one round."""


class Copy:
    """A new file of JSON lines that only its owner can read; it is created when the first line is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def __enter__(self) -> Self:
        if self.path.exists():
            raise TargetError(f"{self.path} is there already: name another file with --copy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)

    @property
    def created(self) -> bool:
        return self._file is not None

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """They are on the disk when this returns. Raises TargetError."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        try:
            if self._file is None:
                self._file = self._create()
            left = lines.encode()
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError as exc:
            raise TargetError(f"{self.path} cannot be written: {exc.strerror}; nothing more was discarded") from exc

    def _create(self) -> int:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return file


@dataclass(slots=True, kw_only=True)
class DiscardResult(Selected):
    """`undeleted` are in the copy and still in their queue.

    Of the `unrecorded` the ledger does not say that they were discarded: they were delivered after all, or it has no
    such text, or it could not be written.
    """

    discarded: int = 0
    undeleted: int = 0
    unrecorded: int = 0


@dataclass(kw_only=True)
class Discard(QueueRun):
    """One run. If it is killed, what is in the copy may still be in its queue, and the next run discards it again."""

    ledger: OperatorsLedger
    copy: Copy
    result: DiscardResult = field(init=False, default_factory=DiscardResult)

    def __post_init__(self) -> None:
        self._failed = FailedQueueConsumer(context=self, selected=self.result)
        self._undelivered = self.undelivered()

    def run(self) -> DiscardResult:
        """Raises TargetError, or what a boto3 client does; `result` then says how far it got."""
        if self.selection.in_failed:
            self._failed.run(self._wanted, self._discard_failed)
        if self.selection.in_undelivered and not self.selection.all_in(self.result.seen):
            self._discard_undelivered()
        return self.result

    def _wanted(self, message: DeadLetterMessage) -> bool:
        return self.result.add(message, self.selection)

    def _discard_failed(self, messages: Sequence[FailedMessage]) -> set[str]:
        deleted: set[str] = set()
        for batch in batched(messages, BATCH):
            self.copy.write(_row("failed", message, message.group_id) for message in batch)
            for message in batch:
                self._record(message)
            deleted |= self._delete(self._failed.queue, batch)
        return deleted

    def _discard_undelivered(self) -> None:
        third = UNDELIVERED_VISIBILITY / 3
        with closing(self._undelivered.rounds(most=_MOST_UNDELIVERED, within=third, work=third)) as rounds:
            for received in rounds:
                messages = [UndeliveredMessage.from_message(one, outputs=self.outputs) for one in received.messages]
                for batch in batched([*filter(self._wanted, messages)], BATCH):
                    self.copy.write(_row("undelivered", message) for message in batch)
                    self._delete(self._undelivered, batch)
                if received.at_end:
                    break

    def _delete(self, queue: DeadLetterQueue, messages: Sequence[DeadLetterMessage]) -> set[str]:
        deleted = queue.delete(messages)
        self.result.discarded += len(deleted)
        self.result.undeleted += len(messages) - len(deleted)
        self.on_progress(self.result.discarded)
        return deleted

    def _record(self, message: FailedMessage) -> None:
        at = datetime.fromtimestamp(self.clock.now(), UTC)
        message_id = None if message.moved_by_sqs else message.failure_id
        try:
            recorded = self.ledger.discarded(message.text_key, message_id=message_id, at=at)
        except (ClientError, BotoCoreError):
            recorded = False
        self.result.unrecorded += not recorded


def _row(queue: str, message: DeadLetterMessage, group_id: str | None = None) -> dict[str, Any]:
    return {
        "queue": queue,
        "message_id": message.message_id,
        "group": group_id,
        "attributes": dict(message.attributes),
        "body": message.body,
    }
