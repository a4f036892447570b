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
from ops.failed.letters import ATTRIBUTES, SYSTEM_ATTRIBUTES, Letter
from ops.failed.queues import BATCH, Counts, release

HIDDEN = 30
"""Seconds for which entries are hidden while something is done with them; longer where that is done slowly."""
_IN_HAND = 100
"""Entries that are worked on together: of many conversations, since of one only one after the other can be sent."""
_POLL = 1.0

Act = Callable[[Sequence[Letter]], set[str]]
"""Does what is to be done with entries, in their order, and says by message id which are gone from failed."""


@dataclass(slots=True, kw_only=True)
class Drain:
    """`hidden` in seconds. `enough` says that no more need be received."""

    sqs: Any
    url: str
    replies: str | None
    clock: Clock
    hidden: int = HIDDEN
    in_hand: int = _IN_HAND
    enough: Callable[[], bool] = lambda: False
    _held: dict[str, str] = field(default_factory=dict)
    """Receipts by message id of what stays hidden until the end."""

    def run(self, wanted: Callable[[Letter], bool], act: Act) -> None:
        """Until there is nothing left that is wanted. What is not gone then is seen by others again.

        Where entries are hidden already, an earlier run may have been killed: they are waited for.
        """
        hidden_by_others = Counts.of(self.sqs, self.url).hidden
        until = self.clock.monotonic() + (self.hidden if hidden_by_others else 0)
        try:
            while not self.enough():
                if letters := self._receive_round():
                    self._work(letters, wanted, act)
                elif self.clock.monotonic() >= until:
                    break
                else:
                    self.clock.sleep(_POLL)
        finally:
            release(self.sqs, self.url, self._held.values())

    def _work(self, letters: Sequence[Letter], wanted: Callable[[Letter], bool], act: Act) -> None:
        self._held |= {letter.message_id: letter.receipt for letter in letters}
        gone = act([letter for letter in letters if wanted(letter)])
        for message_id in gone:
            self._held.pop(message_id, None)
        got_on = {letter.group for letter in letters if letter.message_id in gone}
        let_go = [letter for letter in letters if letter.group in got_on and letter.message_id not in gone]
        for letter in let_go:
            del self._held[letter.message_id]
        release(self.sqs, self.url, [letter.receipt for letter in let_go])

    def _receive_round(self) -> list[Letter]:
        letters: list[Letter] = []
        for wait in self._waits():
            received = self._receive(wait)
            letters += received
            if not received or len(letters) > self.in_hand - BATCH:
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
