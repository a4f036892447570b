"""Taking texts out of failed and undelivered for good: copied to a file first, noted in the ledger, then deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from bridge.processing.clock import Clock
from ops.failed.copy import Copy
from ops.failed.draining import Drain
from ops.failed.handing import HIDDEN as UNDELIVERED_HIDDEN
from ops.failed.letters import Letter
from ops.failed.parcels import Parcel
from ops.failed.queues import BATCH, batched, delete
from ops.failed.receiving import Receiver
from ops.failed.selection import Selection

_IN_HAND = 100
"""Entries of undelivered that are received before what is meant of them is discarded."""


class Notes(Protocol):
    def discarded(self, text_key: str, *, entry: str | None, at: datetime) -> bool: ...


@dataclass(slots=True, kw_only=True)
class Discarded:
    """`undeleted` are in the copy, and still in their queue. `later` is what came after this was planned.

    Of the `unnoted` the ledger does not say that they are gone: they got on all the same, or it knows nothing of them,
    or could not be written.

    `seen` are all ids of what was selected and found, or came later.
    """

    discarded: int = 0
    undeleted: int = 0
    unnoted: int = 0
    hidden: int = 0
    """About so many in failed were hidden by another run to the end."""
    left: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)


class Discard:
    """One run. Killed in between, what is in the copy may still be in its queue, and is discarded again."""

    def __init__(
        self,
        *,
        sqs: Any,
        outputs: Mapping[str, str],
        notes: Notes,
        selection: Selection,
        copy: Copy,
        clock: Clock | None = None,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._sqs, self._outputs, self._notes, self._selection = sqs, outputs, notes, selection
        self._copy, self._clock, self._on_progress = copy, clock or Clock(), on_progress
        self.result = Discarded()

    def run(self) -> Discarded:
        """Raises TargetError, or what a boto3 client does; `result` says then how far it got."""
        if self._selection.in_failed:
            drain = Drain(
                sqs=self._sqs,
                url=self._outputs["FailedQueueUrl"],
                replies=self._outputs.get("RepliesQueueUrl"),
                clock=self._clock,
                enough=lambda: self._selection.all_in(self.result.seen),
                later=self._selection.is_later,
            )
            drain.run(self._wanted, self._out_of_failed)
            self.result.hidden = drain.hidden_by_others
        if self._selection.in_undelivered and not self._selection.all_in(self.result.seen):
            self._out_of_undelivered()
        return self.result

    def _wanted(self, entry: Letter | Parcel) -> bool:
        if not self._selection.has(entry):
            self.result.left.add(entry.message_id)
            return False
        self.result.seen.update(entry.ids)
        if self._selection.is_later(entry):
            self.result.later.add(entry.message_id)
            return False
        return True

    def _out_of_failed(self, letters: Sequence[Letter]) -> set[str]:
        gone: set[str] = set()
        for batch in batched(letters, BATCH):
            self._copy.keep(_copied("failed", letter, letter.group) for letter in batch)
            for letter in batch:
                self._note(letter)
            gone |= self._delete("FailedQueueUrl", batch)
        return gone

    def _out_of_undelivered(self) -> None:
        """The same receive over and over, since SQS keeps no order there; what is not meant is let go at the end."""
        url = self._outputs["UndeliveredQueueUrl"]
        receiver = Receiver(sqs=self._sqs, url=url, clock=self._clock, visibility=UNDELIVERED_HIDDEN)
        third, to_the_end = UNDELIVERED_HIDDEN / 3, False
        try:
            while not to_the_end:
                receiver.hidden.renew(within=third * 2)  # a round and the work on it take a third each at most
                received = receiver.round(most=_IN_HAND, within=third)
                to_the_end = received.to_the_end
                parcels = [Parcel.from_message(message, outputs=self._outputs) for message in received.messages]
                for batch in batched([parcel for parcel in parcels if self._wanted(parcel)], BATCH):
                    self._copy.keep(_copied("undelivered", parcel) for parcel in batch)
                    receiver.hidden.forget(self._delete("UndeliveredQueueUrl", batch))
        finally:
            receiver.hidden.let_go()

    def _delete(self, queue: str, entries: Sequence[Letter | Parcel]) -> set[str]:
        receipts = [(entry.message_id, entry.receipt) for entry in entries]
        gone = delete(self._sqs, self._outputs[queue], receipts)
        self.result.discarded += len(gone)
        self.result.undeleted += len(entries) - len(gone)
        self._on_progress(self.result.discarded)
        return gone

    def _note(self, letter: Letter) -> None:
        at = datetime.fromtimestamp(self._clock.now(), UTC)
        entry = None if letter.moved_by_sqs else letter.failure
        try:
            noted = self._notes.discarded(letter.text_key, entry=entry, at=at)
        except (ClientError, BotoCoreError):
            noted = False
        self.result.unnoted += not noted


def _copied(queue: str, entry: Letter | Parcel, group: str | None = None) -> dict[str, Any]:
    return {
        "queue": queue,
        "message_id": entry.message_id,
        "group": group,
        "attributes": dict(entry.said),
        "body": entry.body,
    }
