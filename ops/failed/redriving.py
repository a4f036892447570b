"""Putting failed texts back on the queues that they came from, in the order of their conversations."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from bridge.processing.clock import Clock
from ops.failed.draining import HIDDEN, Drain
from ops.failed.letters import Letter
from ops.failed.queues import BATCH, delete, fitting, send
from ops.failed.selection import Selection

_SECONDS_IN_HAND = 10
"""For so long at most are entries in hand where they are sent slowly."""
_NOTING = 10


class Notes(Protocol):
    def redriven(self, text_key: str, *, entry: str, at: datetime) -> None: ...


@dataclass(slots=True, kw_only=True)
class Redriven:
    """What became of the entries of failed, by message id but for the counts.

    `left` is what was not selected, `overtaking` what was selected and stood behind such a one of its conversation.
    """

    put_back: int = 0
    from_sqs: int = 0
    """Of these, the ones that SQS itself had moved there, after at most so many receives on their queue."""
    receives: int = 0
    unnoted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By SQS's error code: they stay, and those behind them."""
    left: set[str] = field(default_factory=set)
    overtaking: set[str] = field(default_factory=set)
    failed_again: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    """What would have been selected, and came after this was planned."""
    without_queue: set[str] = field(default_factory=set)
    """Replies of a stack that has no reply path any more."""
    undeleted: set[str] = field(default_factory=set)
    hidden: int = 0
    """About so many were hidden by another run to the end."""
    seen: set[str] = field(default_factory=set)
    """All ids of what was selected and found, or came later."""


class Redrive:
    """One run. An entry is deleted from failed once its home queue has it.

    Killed in between, it is put back a second time, which SQS drops within five minutes and the ledger suppresses
    after that. What fails again while this runs stays in failed: forward says of which entry it came, and SQS keeps
    the id of what it moves there itself.
    """

    def __init__(
        self,
        *,
        sqs: Any,
        outputs: Mapping[str, str],
        notes: Notes,
        selection: Selection,
        rate: float | None = None,
        clock: Clock | None = None,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`rate` in entries per second; `on_progress` is told how many were put back."""
        self._sqs, self._outputs, self._notes = sqs, outputs, notes
        self._selection, self._rate, self._clock, self._on_progress = selection, rate, clock or Clock(), on_progress
        self._failed = outputs["FailedQueueUrl"]
        self._next_at = self._clock.monotonic()
        self._sent: set[str] = set()
        """Message ids in failed of what is on its home queue."""
        self._entries: set[str] = set()
        """Message ids there of the same."""
        self._passed_over: set[str] = set()
        """Groups of which something was left."""
        self._pool = ThreadPoolExecutor(max_workers=_NOTING)
        self.result = Redriven()

    def run(self) -> Redriven:
        """Raises what a boto3 client does; `result` says then how far it got."""
        slowly = BATCH / self._rate if self._rate else 0
        drain = Drain(
            sqs=self._sqs,
            url=self._failed,
            replies=self._outputs.get("RepliesQueueUrl"),
            clock=self._clock,
            hidden=HIDDEN + int(max(slowly, _SECONDS_IN_HAND) if self._rate else 0),
            in_hand=max(1, min(100, int(self._rate * _SECONDS_IN_HAND))) if self._rate else 100,
            enough=lambda: self._selection.all_in(self.result.seen),
            later=self._selection.is_later,
        )
        with self._pool:
            drain.run(self._wanted, self._put_back)
        self.result.hidden = drain.hidden_by_others
        return self.result

    def _wanted(self, letter: Letter) -> bool:
        if letter.message_id in self._sent:
            return True
        if not self._entries.isdisjoint(letter.came_from):
            self.result.failed_again.add(letter.message_id)
            return False
        if not self._selection.has(letter):
            self.result.left.add(letter.message_id)
            self._passed_over.add(letter.group)
            return False
        if self._selection.is_later(letter):
            self.result.later.add(letter.message_id)
            self.result.seen.update(letter.ids)
            return False
        if letter.home not in self._outputs:
            self.result.without_queue.add(letter.message_id)
            self.result.seen.update(letter.ids)
            return False
        if letter.group in self._passed_over:
            self.result.overtaking.add(letter.message_id)
        return True

    def _put_back(self, letters: Sequence[Letter]) -> set[str]:
        """In waves of which none has two of one conversation: where one is refused, none behind it is sent."""
        gone = self._delete([letter for letter in letters if letter.message_id in self._sent])
        by_lane: dict[tuple[str, str], list[Letter]] = {}
        for letter in letters:
            if letter.message_id not in self._sent:
                self.result.seen.update(letter.ids)
                by_lane.setdefault((letter.home, letter.lane), []).append(letter)
        lanes = {at: deque(_in_order(lane)) for at, lane in by_lane.items()}
        while lanes:
            home = next(home for home, _ in lanes)
            wave = fitting((lane[0] for (at, _), lane in lanes.items() if at == home), most=self._at_once())
            self._wait_for_turn(len(wave))
            at = datetime.fromtimestamp(self._clock.now(), UTC)
            taken, refused = send(self._sqs, self._outputs[home], wave)
            self._sent |= taken.keys()
            self._entries |= {*taken.values()}
            gone |= self._delete([letter for letter in wave if letter.message_id in taken])
            self._note([letter for letter in wave if letter.message_id in taken], at=at)
            for letter in wave:
                lane = lanes[home, letter.lane]
                lane.popleft()
                if code := refused.get(letter.message_id):
                    self.result.refused[code] += 1
                if letter.message_id in refused or not lane:
                    del lanes[home, letter.lane]
            self.result.put_back += len(taken)
            for letter in wave:
                if letter.message_id in taken and letter.moved_by_sqs:
                    self.result.from_sqs += 1
                    self.result.receives = max(self.result.receives, letter.receives - 1)
            self._on_progress(self.result.put_back)
        return gone

    def _at_once(self) -> int:
        return BATCH if self._rate is None else max(1, min(BATCH, int(self._rate)))

    def _wait_for_turn(self, count: int) -> None:
        if self._rate is None:
            return
        self._clock.sleep(max(0.0, self._next_at - self._clock.monotonic()))
        self._next_at = max(self._next_at, self._clock.monotonic()) + count / self._rate

    def _delete(self, letters: Sequence[Letter]) -> set[str]:
        gone = delete(self._sqs, self._failed, [(letter.message_id, letter.receipt) for letter in letters])
        self.result.undeleted |= {letter.message_id for letter in letters}
        self.result.undeleted -= gone
        return gone

    def _note(self, letters: Sequence[Letter], *, at: datetime) -> None:
        """`at` is before they were sent: forward may be quicker than the note."""

        def note(letter: Letter) -> bool:
            try:
                self._notes.redriven(letter.text_key, entry=letter.failure, at=at)
            except (ClientError, BotoCoreError):  # it is on its way, and forward notes what becomes of it
                return False
            return True

        self.result.unnoted += [*self._pool.map(note, letters)].count(False)


def _in_order(lane: Sequence[Letter]) -> Sequence[Letter]:
    """SQS keeps the order of a group, and none among groups: each text that intake could not read is in its own."""
    if len({letter.group for letter in lane}) == 1:
        return lane
    return sorted(lane, key=lambda letter: letter.sent_at)
