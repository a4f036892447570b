"""Taking entries out of failed: a FIFO queue hands out the oldest of each conversation, and hides what it hands out.

What is not wanted has to be received to get at what is behind it. While one entry of a conversation is hidden, SQS
hands out none of those behind it; so those are let go at once where the conversation got on, since what is behind them
is seen only then, and kept hidden until the end where it did not, since SQS would hand out nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.processing.clock import Clock
from ops.failed.hiding import LONGEST
from ops.failed.letters import ATTRIBUTES, SYSTEM_ATTRIBUTES, Letter
from ops.failed.queues import Counts
from ops.failed.receiving import Receiver

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
    _receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self._receiver = Receiver(
            sqs=self.sqs,
            url=self.url,
            clock=self.clock,
            visibility=self.hidden,
            step=max(self.hidden, LONGEST),
            system_attributes=SYSTEM_ATTRIBUTES,
            attributes=ATTRIBUTES,
        )

    def run(self, wanted: Callable[[Letter], bool], act: Act) -> None:
        """Until there is nothing left that is wanted. What is not gone then is seen by others again.

        Where entries are hidden already, an earlier run may have been killed: they are waited for. Where nothing but
        later ones has come for as long, there is nothing else: these may go on coming for ever.
        """
        hidden = self._receiver.hidden
        waits = Counts.of(self.sqs, self.url).hidden > 0
        found_at = self.clock.monotonic()
        until = found_at + (self.hidden if waits else 0)
        try:
            while not self.enough():
                hidden.renew(within=self.hidden * 2 / 3)  # a round and the work on it take a third each at most
                letters, to_the_end = self._round()
                if letters:
                    self._work(letters, wanted, act)
                    if not all(self.later(letter) for letter in letters):
                        found_at = self.clock.monotonic()
                    elif self.clock.monotonic() >= found_at + self.hidden:
                        break
                elif to_the_end and self.clock.monotonic() >= until:
                    break
                elif waits:
                    self.clock.sleep(_POLL)
            if waits and not self.enough():  # else what SQS still counts is what this run has just done with
                self.hidden_by_others = max(0, Counts.of(self.sqs, self.url).hidden - len(hidden))
        finally:
            hidden.let_go()

    def _round(self) -> tuple[list[Letter], bool]:
        """What was received, and whether there is no more of it."""
        received = self._receiver.round(most=self.in_hand, within=self.hidden / 3, long_polls=False)
        letters = [Letter.from_message(message, replies=self.replies) for message in received.messages]
        return letters, received.to_the_end

    def _work(self, letters: Sequence[Letter], wanted: Callable[[Letter], bool], act: Act) -> None:
        gone = act([letter for letter in letters if wanted(letter)])
        self._receiver.hidden.forget(gone)
        got_on = {letter.group for letter in letters if letter.message_id in gone}
        stay = [letter for letter in letters if letter.message_id not in gone]
        self._receiver.hidden.let_go([letter.message_id for letter in stay if letter.group in got_on])
