"""Taking entries out of failed: a FIFO queue hands out the oldest of each conversation, and hides what it hands out.

What is not wanted has to be received to get at what is behind it. While one entry of a conversation is hidden, SQS
hands out none of it; so those are let go at once where the conversation got on, since what is behind them is seen only
then, and kept hidden until the end where it did not, since SQS would hand out nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.delivery import Clock
from ops.failed.hiding import LONGEST, Hidden
from ops.failed.letters import ATTRIBUTES, SYSTEM_ATTRIBUTES, Letter
from ops.failed.queues import BATCH, Counts

HIDDEN = 30
"""Seconds for which entries are hidden while something is done with them; longer where that is done slowly."""
_IN_HAND = 100
"""Entries that are worked on together: of many conversations, since of one only one after the other can be sent."""
_POLL = 1.0

Act = Callable[[Sequence[Letter]], set[str]]
"""Does what is to be done with entries, in their order, and says by message id which are gone from failed."""


@dataclass(slots=True, kw_only=True)
class Drain:
    """`hidden` in seconds. `enough` says that no more need be received; `later` of which nothing is wanted any more."""

    sqs: Any
    url: str
    replies: str | None
    clock: Clock
    hidden: int = HIDDEN
    in_hand: int = _IN_HAND
    enough: Callable[[], bool] = lambda: False
    later: Callable[[Letter], bool] = lambda _: False
    hidden_by_others: int = field(init=False, default=0)
    """Of what an earlier run had hidden, that which was not seen again while this one ran."""
    _hidden: Hidden = field(init=False)

    def __post_init__(self) -> None:
        step = max(self.hidden, LONGEST)
        self._hidden = Hidden(sqs=self.sqs, url=self.url, clock=self.clock, step=step)

    def run(self, wanted: Callable[[Letter], bool], act: Act) -> None:
        """Until there is nothing left that is wanted. What is not gone then is seen by others again.

        Where entries are hidden already, an earlier run may have been killed: they are waited for. Where nothing but
        later ones has come for as long, there is nothing else: these may go on coming for ever.
        """
        waits = Counts.of(self.sqs, self.url).hidden > 0
        found_at = self.clock.monotonic()
        until = found_at + (self.hidden if waits else 0)
        try:
            while not self.enough():
                self._hidden.renew(within=self.hidden * 2 / 3)  # a round and the work on it take a third each at most
                if letters := self._receive_round():
                    self._work(letters, wanted, act)
                    if not all(self.later(letter) for letter in letters):
                        found_at = self.clock.monotonic()
                    elif self.clock.monotonic() >= found_at + self.hidden:
                        break
                elif self.clock.monotonic() >= until:
                    break
                else:
                    self.clock.sleep(_POLL)
            if waits and not self.enough():  # else what SQS still counts is what this run has just done with
                self.hidden_by_others = max(0, Counts.of(self.sqs, self.url).hidden - len(self._hidden))
        finally:
            self._hidden.let_go()

    def _work(self, letters: Sequence[Letter], wanted: Callable[[Letter], bool], act: Act) -> None:
        gone = act([letter for letter in letters if wanted(letter)])
        self._hidden.forget(gone)
        got_on = {letter.group for letter in letters if letter.message_id in gone}
        stay = [letter for letter in letters if letter.message_id not in gone]
        self._hidden.let_go([letter.message_id for letter in stay if letter.group in got_on])

    def _receive_round(self) -> list[Letter]:
        letters: list[Letter] = []
        began = self.clock.monotonic()
        for wait in self._waits():
            until = self.clock.monotonic() + self.hidden
            received = self._receive(wait)
            for letter in received:
                self._hidden.add(letter.message_id, letter.receipt, until=until)
            letters += received
            late = self.clock.monotonic() - began >= self.hidden / 3
            if not received or late or len(letters) > self.in_hand - BATCH:
                break
        return letters

    def _waits(self) -> Iterator[int]:
        """A short poll asks some of SQS's servers only: what it finds is there, what it does not find may be."""
        yield 1
        while True:
            yield 0

    def _receive(self, wait: int) -> list[Letter]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=min(BATCH, self.in_hand),
            VisibilityTimeout=self.hidden,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=ATTRIBUTES,
        )
        return [Letter.from_message(message, replies=self.replies) for message in answer.get("Messages", ())]
