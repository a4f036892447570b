"""Harness of a pipeline, from topic to service, on the model of SQS FIFO: intake, queue, worker, redrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bridge import logging
from bridge.aws.queues import DeadLetterQueue, FifoQueue
from bridge.config import Delivery
from bridge.metrics import REPLY, TEXT
from bridge.processing.batch import FifoBatchProcessor
from bridge.processing.intake import NotificationIntake
from bridge.replies import chat_events
from bridge.texts import sms_event
from ops.failed.redrive import Redrive
from ops.failed.selection import Selection
from testing.chat_events import chat_record
from testing.clock import FakeClock
from testing.harness import ForwardHarness, ReplyHarness
from testing.ledger import TableLedger
from testing.models.fifo import Fifo
from testing.models.sqs import SqsClient, lambda_record
from testing.models.table import Table

VISIBILITY = 180
"""Seconds, of the deployed queues."""


class _Pipeline:
    """`queue` and `failed` are models of SQS FIFO. Intake and worker write to the same table."""

    def __init__(self, queue_name: str, *, intake_stage: str, stage: str) -> None:
        self.clock = FakeClock()
        self.queue, self.failed = (
            Fifo(now=self.clock.now, visibility=VISIBILITY, name=name) for name in (queue_name, "failed")
        )
        self.other_queue = Fifo(now=self.clock.now, visibility=VISIBILITY, name="other")
        """Queue of the other direction."""
        other_name = "conversations" if queue_name == "replies" else "replies"
        self.sqs = cast(Any, SqsClient({queue_name: self.queue, "failed": self.failed, other_name: self.other_queue}))
        self.table = Table(by="text_key")
        self.ledger = TableLedger(clock=self.clock, stage=stage, table=self.table)
        self._intake_stage, self._fifo = intake_stage, FifoQueue(client=self.sqs, url=queue_name)
        self._stage = stage
        self._processor: FifoBatchProcessor[Any]

    def _dead_letters(self, stage: str) -> DeadLetterQueue:
        return DeadLetterQueue(client=self.sqs, url="failed", stage=stage, now=self.clock.now)

    def _intake(self, *records: dict[str, Any], parse: Any, direction: Any, ledger_has_ignored: bool) -> None:
        ledger = TableLedger(clock=self.clock, stage=self._intake_stage, table=self.table)
        NotificationIntake(
            parse=parse,
            queue=self._fifo,
            dead_letters=self._dead_letters(self._intake_stage),
            ledger=ledger,
            receipts=ledger,
            reporter=logging.Reporter(direction),
            ledger_has_ignored=ledger_has_ignored,
            clock=self.clock.as_clock(),
        ).handle({"Records": list(records)})

    def process(self) -> None:
        """Deliver one batch."""
        deliver_batch(self.queue, self._processor.handle)

    def redrive(self) -> int:
        """`bridge failed redrive` of all messages. Returns their number."""
        outputs = {f"{name.title()}QueueUrl": name for name in ("failed", "replies", "conversations")}
        clock, ledger = self.clock.as_clock(), self.ledger.operators
        run = Redrive(sqs=self.sqs, outputs=outputs, ledger=ledger, selection=Selection(), clock=clock).run()
        return run.put_back


class TextPipeline(_Pipeline):
    """Customer to agent, through one of the transports."""

    def __init__(self, delivery: Delivery = "integration-event") -> None:
        super().__init__("conversations", intake_stage="intake", stage="forward")
        harness = ForwardHarness(
            delivery,
            clock=self.clock,
            queue=self._fifo,
            dead_letters=self._dead_letters("forward"),
            ledger=self.ledger,
        )
        self.connect, self._processor = harness.connect, harness.processor

    def publish(self, *records: dict[str, Any]) -> None:
        """SNS invokes intake with these records."""
        self._intake(*records, parse=sms_event.parse, direction=TEXT, ledger_has_ignored=True)


class ReplyPipeline(_Pipeline):
    """Agent to customer."""

    def __init__(self) -> None:
        super().__init__("replies", intake_stage="reply-intake", stage="reply")
        harness = ReplyHarness(
            clock=self.clock, queue=self._fifo, dead_letters=self._dead_letters("reply"), ledger=self.ledger
        )
        self.phones, self.chats, self._processor = harness.phones, harness.chats, harness.processor

    def stream(self, *items: dict[str, Any]) -> None:
        """SNS invokes reply-intake with chat events of these messages."""
        self.publish(*map(chat_record, items))

    def publish(self, *records: dict[str, Any]) -> None:
        """SNS invokes reply-intake with these records."""
        self._intake(*records, parse=chat_events.parse, direction=REPLY, ledger_has_ignored=False)


def deliver_batch(queue: Fifo, function: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Deliver one batch to a function and delete what it handled, as Lambda's event source mapping does."""
    received = queue.receive()
    response = function({"Records": [lambda_record(message) for message in received]})
    kept = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    for message in received:
        if message.message_id not in kept:
            queue.delete(str(message.receipt))
