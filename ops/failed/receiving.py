"""Reading a dead-letter queue in rounds. Whatever is received stays hidden from others until it is let go.

A ReceiveMessage can answer that there is nothing although there is: a short poll asks some of SQS's servers only, and
a long one can miss a message too. So one empty answer ends nothing: three in a row do.
Source: "Amazon SQS short and long polling" in the SQS developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.processing.clock import Clock
from ops.failed.hiding import LONGEST, Hidden
from ops.failed.queues import BATCH

EMPTY_POLLS = 3
"""So many receives in a row that bring nothing mean that nothing is there."""
_WAIT = 1
"""Seconds of a long poll. It returns at once where something is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Messages in the shape of ReceiveMessage's answer; `to_the_end` where the last three receives brought nothing."""

    messages: Sequence[Mapping[str, Any]]
    to_the_end: bool


@dataclass(slots=True, kw_only=True)
class Receiver:
    """`visibility`: seconds for which what is received is hidden at first; `step`: seconds for which it is anew."""

    sqs: Any
    url: str
    clock: Clock
    visibility: int
    step: int = LONGEST
    system_attributes: Sequence[str] = ("SentTimestamp",)
    attributes: Sequence[str] = ("All",)
    hidden: Hidden = field(init=False)
    """What was received and is neither deleted nor let go."""

    def __post_init__(self) -> None:
        self.hidden = Hidden(sqs=self.sqs, url=self.url, clock=self.clock, step=self.step)

    def round(self, *, most: int, within: float, long_polls: bool = True) -> Round:
        """Receive up to `most` messages, for so many seconds at most.

        Without `long_polls`, only a round that has brought nothing yet waits for messages: where one conversation
        hands out ten at a time, each round ends with empty receives, and waiting in these would take most of the time.
        Raises what a boto3 client does.
        """
        messages: dict[str, Mapping[str, Any]] = {}  # a standard queue can hand out one twice
        batch, empty = min(BATCH, most), 0
        until = self.clock.monotonic() + within
        while len(messages) + batch <= most:
            received = self._receive(batch, wait=_WAIT if long_polls or not messages else 0)
            messages |= {message["MessageId"]: message for message in received}
            empty = 0 if received else empty + 1
            if empty == EMPTY_POLLS:
                return Round(messages=[*messages.values()], to_the_end=True)
            if self.clock.monotonic() >= until:
                break
        return Round(messages=[*messages.values()], to_the_end=False)

    def _receive(self, most: int, *, wait: int) -> Sequence[Mapping[str, Any]]:
        until = self.clock.monotonic() + self.visibility
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=self.visibility,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=[*self.system_attributes],
            MessageAttributeNames=[*self.attributes],
        )
        messages: Sequence[Mapping[str, Any]] = answer.get("Messages", ())
        for message in messages:
            self.hidden.add(message["MessageId"], message["ReceiptHandle"], until=until)
        return messages
