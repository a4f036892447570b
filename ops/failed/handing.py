"""Handing what is in undelivered to the function that it never reached, in the order in which it was published.

Through the function itself, and waiting for its answer: it takes texts in as it takes all others, and an entry is
deleted once it has. Killed in between, the function gets the same event again: SQS drops its texts within five minutes,
and the ledger suppresses them after that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.processing.clock import Clock
from ops.failed.parcels import Parcel
from ops.failed.queues import delete
from ops.failed.receiving import Receiver
from ops.failed.selection import Selection, reasons

HIDDEN = 300
"""Seconds for which entries are hidden while they are handed over."""
_ENOUGH = 200.0
"""After so many seconds, what is left is received anew."""
_LOOKING = 60.0
"""For so many seconds at most it is received before what came is handed over: all of it while it is hidden."""
_IN_HAND = 5000
_UNKNOWN = "no SNS event"


@dataclass(slots=True, kw_only=True)
class Handed:
    """What became of the entries of undelivered; `refused` by what is wrong.

    `undeleted` were handed over, and are still there. `later` is what would have been selected, and came after this was
    planned; `seen` are all ids of the selected and of these.
    """

    handed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left: set[str] = field(default_factory=set)
    undeleted: set[str] = field(default_factory=set)
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
        self._receiver = Receiver(sqs=sqs, url=self._url, clock=self._clock, visibility=HIDDEN)
        self._done: set[str] = set()
        """Message ids of what was tried in this run, whatever became of it."""
        self.result = Handed()

    def run(self) -> Handed:
        """Raises what a boto3 client does; `result` says then how far it got."""
        try:
            while self._pass():
                pass
        finally:
            self._receiver.hidden.let_go()
        return self.result

    def _pass(self) -> bool:
        """Whether there may be more: not all of it was received, or time was up before all of it was handed over."""
        self._receiver.hidden.renew(within=HIDDEN)
        parcels, more = self._receive()
        wanted = sorted(filter(self._wanted, parcels), key=lambda parcel: parcel.sent_at)
        until = self._clock.monotonic() + _ENOUGH
        for number, parcel in enumerate(wanted):
            if self._clock.monotonic() >= until:
                self._receiver.hidden.let_go([parcel.message_id for parcel in wanted[number:]])
                return True
            self._done.add(parcel.message_id)
            if self._hand_over(parcel):
                self._delete(parcel)
        return more

    def _wanted(self, parcel: Parcel) -> bool:
        if parcel.message_id in self._done:
            return False
        if not self._selection.has(parcel):
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

    def _delete(self, parcel: Parcel) -> None:
        if gone := delete(self._sqs, self._url, [(parcel.message_id, parcel.receipt)]):
            self._receiver.hidden.forget(gone)
        else:
            self.result.undeleted.add(parcel.message_id)

    def _receive(self) -> tuple[Collection[Parcel], bool]:
        """What is there, and whether it may be more than that. What was received before stays hidden."""
        received = self._receiver.round(most=_IN_HAND, within=_LOOKING)
        parcels = {
            message["MessageId"]: Parcel.from_message(message, outputs=self._outputs) for message in received.messages
        }
        return parcels.values(), not received.to_the_end


def _what_is_wrong(payload: bytes) -> str:
    """The class of the error; its words only where they are the bridge's own, which quote nothing."""
    try:
        said = json.loads(payload)
        kind, words = str(said["errorType"]), str(said.get("errorMessage") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "the function failed"
    return f"{kind}: {words}" if kind in reasons() and words else kind
