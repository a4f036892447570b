"""Handing what is in undelivered to the function that it never reached, in the order in which it was published.

Through the function itself, and waiting for its answer: it takes texts in as it takes all others, and an entry is
deleted once it has. Killed in between, the function gets the same event again: SQS drops its texts within five minutes,
and the ledger suppresses them after that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.delivery import Clock
from ops.failed.parcels import Parcel
from ops.failed.queues import delete, hide
from ops.failed.selection import Selection, reasons

HIDDEN = 300
"""Seconds for which entries are hidden while they are handed over."""
_ENOUGH = 200.0
"""After so many seconds, what is left is received anew."""
_IN_HAND = 5000
_UNKNOWN = "no SNS event"


@dataclass(slots=True, kw_only=True)
class Handed:
    """What became of the entries of undelivered; `refused` by what is wrong.

    `later` is what would have been selected, and came after this was planned; `seen` are all ids of either.
    """

    handed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)


class HandOver:
    """One run; `on_progress` is told how many were handed over."""

    def __init__(
        self,
        *,
        sqs: Any,
        functions: Any,
        outputs: Mapping[str, str],
        selection: Selection,
        clock: Clock | None = None,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._sqs, self._functions, self._outputs = sqs, functions, outputs
        self._selection, self._clock, self._on_progress = selection, clock or Clock(), on_progress
        self._url = outputs["UndeliveredQueueUrl"]
        self._done: set[str] = set()
        """Message ids of what was tried in this run, whatever became of it."""
        self.result = Handed()

    def run(self) -> Handed:
        """Raises what a boto3 client does; `result` says then how far it got."""
        while self._pass():
            pass
        return self.result

    def _pass(self) -> bool:
        """Whether there may be more: time was up before all of it was handed over."""
        held: dict[str, str] = {}
        try:
            parcels = {parcel.message_id: parcel for parcel in self._receive(held)}.values()
            until = self._clock.monotonic() + _ENOUGH
            for parcel in sorted(filter(self._wanted, parcels), key=lambda parcel: parcel.sent_at):
                if self._clock.monotonic() >= until:
                    return True
                self._done.add(parcel.message_id)
                if self._hand_over(parcel) and delete(self._sqs, self._url, [(parcel.message_id, parcel.receipt)]):
                    held.pop(parcel.message_id, None)
            return False
        finally:
            hide(self._sqs, self._url, held.values(), seconds=0)

    def _wanted(self, parcel: Parcel) -> bool:
        if parcel.message_id in self._done:
            return False
        if not self._selection.has_parcel(parcel):
            self.result.left.add(parcel.message_id)
            return False
        self.result.seen.update(parcel.ids)
        if self._selection.is_later(parcel):
            self.result.later.add(parcel.message_id)
            return False
        return True

    def _hand_over(self, parcel: Parcel) -> bool:
        if parcel.event is None:
            self.result.refused[_UNKNOWN] += 1
            return False
        answer = self._functions.invoke(
            FunctionName=self._outputs[parcel.function],
            InvocationType="RequestResponse",
            Payload=json.dumps(parcel.event).encode(),
        )
        if answer.get("FunctionError"):
            self.result.refused[_what_is_wrong(answer["Payload"].read())] += 1
            return False
        self.result.handed += 1
        self._on_progress(self.result.handed)
        return True

    def _receive(self, held: dict[str, str]) -> Iterator[Parcel]:
        while len(held) < _IN_HAND:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return
            for message in answer["Messages"]:
                held[message["MessageId"]] = message["ReceiptHandle"]
                yield Parcel.from_message(message, outputs=self._outputs)


def _what_is_wrong(payload: bytes) -> str:
    """The class of the error; its words only where they are the bridge's own, which quote nothing."""
    try:
        said = json.loads(payload)
        kind, words = str(said["errorType"]), str(said.get("errorMessage") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "the function failed"
    return f"{kind}: {words}" if kind in reasons() and words else kind
