"""The functions, queues and ledger of a state machine, and one step of each."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from hypothesis.stateful import RuleBasedStateMachine

from bridge import logging
from bridge.aws.queues import DeadLetterQueue, FifoQueue
from bridge.config import Config, Delivery
from bridge.errors import LedgerError, OutOfTimeError, QueueError
from bridge.metrics import TEXT
from bridge.processing.batch import FifoBatchProcessor
from bridge.processing.intake import NotificationIntake
from bridge.processing.message import QueueMessage
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.result import Failed, Result, Retry
from bridge.texts import sms_event
from bridge.texts.delivery import Accepted, ChatTransport, NoOpenChat, PartRequest, TextDelivery
from bridge.texts.sms_event import InboundSms
from ops.failed.redrive import Redrive
from ops.failed.selection import Selection
from testing.builders import ARN, BUSINESS_NUMBER, CONFIG, payload, record
from testing.clock import FakeClock
from testing.models.fifo import DEDUPLICATION_SECONDS, Fifo, Message, ReceiptError
from testing.models.sqs import SqsClient, lambda_record
from testing.stateful.contact_centre import AccountingLedger, ContactCentre, ShownPart
from testing.stateful.processes import KillableProxy, KilledError, Moment, Process, kill_process

T = TypeVar("T")
ENVIRONMENTS = 4
VISIBILITY = 180.0  # of the conversations queue, as it is deployed
CUSTOMERS = ("+14255550182", "+14255550183")
NUMBER_ADDED_LATER = "+12125550199"
ARNS = {BUSINESS_NUMBER: ARN, NUMBER_ADDED_LATER: ARN[:-1] + "0"}
LIMITS = replace(CONFIG.limits, part_length=32)
CONFIG_AT_FIRST = replace(CONFIG, limits=LIMITS)
LATE_LINE = re.compile(r"\(sent [^)]*\)\n")


@dataclass(slots=True, kw_only=True)
class Text:
    """What a person sent. `kind`: text, stop, unknown (to a number without a route), or malformed."""

    key: str
    body: str
    kind: str
    customer: str
    destination: str
    sent_at: float
    record: dict[str, Any]
    taken: bool = False
    """Whether intake accepted it."""


class RecordingProcessor(FifoBatchProcessor[InboundSms]):
    results: Sequence[Result] = ()

    def process(self, groups: Sequence[Sequence[QueueMessage[InboundSms]]]) -> list[Result]:
        results = super().process(groups)
        self.results = results
        return results


class Transport:
    """The transport of one process."""

    idempotent = False

    def __init__(self, centre: Any, rate_limiter: RateLimiter) -> None:
        self._centre, self._rate_limiter = centre, rate_limiter

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        answer: Accepted | NoOpenChat = self._rate_limiter.call(
            lambda: self._centre.send(request), deadline=request.deadline, key=request.sms.conversation_id
        )
        return answer


@dataclass(slots=True)
class ReceivedBatch:
    """A batch that an environment has received and not processed."""

    messages: list[Message]
    until: float = field(kw_only=True)
    """When its messages become visible again."""


@dataclass(frozen=True, slots=True)
class Run:
    """What happens during a batch: `faults` of Connect's next calls, and one event at `moment`.

    The event: the process is killed or, if `overlapped`, another environment processes a batch.
    """

    faults: Sequence[str] = ()
    moment: Moment | None = None
    overlapped: bool = False


class Simulation(RuleBasedStateMachine):
    """The whole path of texts, with the steps that the rules of a state machine are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.failed = Fifo(now=self.clock.now, visibility=30, name="failed")
        self.conversations = Fifo(
            now=self.clock.now, visibility=VISIBILITY, name="entry", max_receives=500, dead_letters=self.failed
        )
        self.sqs = SqsClient({"conversations": self.conversations, "failed": self.failed})
        self.centre = self._contact_centre()
        self.ledger = AccountingLedger(self.centre, self.clock)
        self.config = self._configured(CONFIG_AT_FIRST)
        self.texts: dict[str, Text] = {}
        self.with_lambda: list[Text] = []
        """Notifications for which intake raised an error: Lambda retries them."""
        self.held: list[ReceivedBatch] = []
        self.batch: Sequence[Message] = ()
        self.elsewhere = 0.0
        """Seconds spent in environments that ran during a batch of another."""
        self.broken: list[str] = []
        """Promises broken during a call. They are raised later, since the bridge would catch an AssertionError."""
        self.queued: dict[str, Message] = {}
        """Every message that was ever on the conversations queue, by message id; `failures` of the failed queue."""
        self.failures: dict[str, Message] = {}
        self._numbers = itertools.count(1)
        self._key_of: dict[str, str] = {}

    # ---- the transport

    def _contact_centre(self) -> ContactCentre:
        return ContactCentre(self.clock, self._on_part)

    def _configured(self, config: Config) -> Config:
        return config

    def _transports(self, process: Process) -> dict[Delivery, ChatTransport]:
        return {"integration-event": Transport(self._killable(self.centre, process), self._rate_limiter())}

    def _rate_limiter(self) -> RateLimiter:
        return RateLimiter(rate=1000, environments=1, clock=self.clock.as_clock())

    def _is_whole(self, text: Text, parts: Sequence[ShownPart]) -> bool:
        """Whether the parts that are recorded are the text, or its beginning as long as it is not finished."""
        recorded = "".join(shown.part.content for shown in parts if shown.recorded)
        seen = LATE_LINE.sub("", recorded, count=1)
        if self._finished(text.key):
            return seen == text.body
        in_late_line = recorded.startswith("(sent"[: len(recorded)]) and "\n" not in recorded
        return text.body.startswith(seen) or in_late_line

    # ---- the steps

    def _text(self, customer: str, words: int, sent_at: float, kind: str) -> Text:
        key = f"t{next(self._numbers)}"
        body = "STOP" if kind == "stop" else " ".join(f"{key}.{word}" for word in range(words))
        destination = NUMBER_ADDED_LATER if kind == "unknown" else BUSINESS_NUMBER
        sms = payload(
            body,
            originationNumber=None if kind == "malformed" else customer,
            destinationNumber=destination,
            inboundMessageId=key,
        )
        stamp = datetime.fromtimestamp(sent_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = Text(
            key=key,
            body=body,
            kind=kind,
            customer=customer,
            destination=destination,
            sent_at=datetime.fromisoformat(stamp).timestamp(),
            record=record(sms, sent_at=stamp),
        )
        self.texts[key] = text
        self._key_of[json.dumps(text.record)] = key
        return text

    def _take_in(self, texts: Sequence[Text], killed_at: Moment | None) -> None:
        process = Process(killed_at, kill_process)
        ledger = self._killable(self.ledger, process)
        intake: NotificationIntake[InboundSms] = NotificationIntake(
            parse=sms_event.parse,
            queue=FifoQueue(client=self._killable(self.sqs, process), url="conversations"),
            dead_letters=self._failed("intake", process),
            ledger=ledger,
            receipts=ledger,
            reporter=logging.Reporter(TEXT),
            ledger_has_ignored=True,
            clock=self.clock.as_clock(),
        )
        for text in texts:
            try:
                intake.handle({"Records": [text.record]})
            except (LedgerError, QueueError, KilledError):
                self.with_lambda.append(text)
            else:
                text.taken = True
        logging.metrics.clear_metrics()

    def _receive(self, most: int) -> ReceivedBatch | None:
        batch = self.conversations.receive(most)
        return ReceivedBatch(batch, until=self.clock.time + VISIBILITY) if batch else None

    def _work(self, held: ReceivedBatch, run: Run | None = None) -> None:
        """Process a batch, as the event source mapping and an environment of forward do."""
        run = run or Run()
        process = Process(run.moment, (lambda: self._others_work(held)) if run.overlapped else kill_process)
        before = self.batch, self.centre.script, self.centre.until
        started, elsewhere = self.clock.time, self.elsewhere
        until = started + self.config.limits.batch_deadline
        self.batch, self.centre.script, self.centre.until = held.messages, list(run.faults), until
        ledger, clock = self._killable(self.ledger, process), self.clock.as_clock()
        processor = RecordingProcessor(
            handler=TextDelivery(config=self.config, ledger=ledger, transports=self._transports(process), clock=clock),
            parse=sms_event.parse,
            limits=self.config.limits,
            queue=FifoQueue(client=self._killable(self.sqs, process), url="conversations"),
            dead_letters=self._failed("forward", process),
            ledger=ledger,
            reporter=logging.Reporter(TEXT),
            clock=clock,
            jitter=lambda: 0.0,
        )
        records = [lambda_record(message) for message in held.messages]
        try:
            answer = processor.handle({"Records": records})
            process.call("answer", lambda: None)  # on its way to Lambda
        except KilledError:
            unexplained = [shown for shown in self.centre.parts if shown.unexplained]
            assert len(unexplained) <= 1, f"killed once, and {unexplained} may be shown again"
            for shown in unexplained:
                shown.excuse = "killed before it was recorded"
            return
        finally:
            self.batch, self.centre.script, self.centre.until = before
            logging.metrics.clear_metrics()
        returned = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in held.messages:
            if message.message_id not in returned:
                self._delete(message)
        took = self.clock.time - started - (self.elsewhere - elsewhere)
        assert took <= self.config.limits.batch_deadline + self.config.limits.call_timeout + 1, "works too long"
        self._check_results(processor.results, held=held, started=started, returned=returned)

    def _others_work(self, held: ReceivedBatch) -> None:
        """Another environment processes a batch during this one.

        Not once the visibility timeout of this batch is nearly over: nothing is promised of a function that lost it.
        """
        started = self.clock.time
        if started + 60 < held.until and (other := self._receive(10)):
            self._work(other)
        self.elsewhere += self.clock.time - started
        self.centre.until += self.clock.time - started  # it may have been about to call

    def _check_results(
        self, results: Sequence[Result], *, held: ReceivedBatch, started: float, returned: set[str]
    ) -> None:
        assert {result.message.message_id for result in results} == {message.message_id for message in held.messages}
        for result in results:
            if not isinstance(result, Failed | Retry):
                continue
            assert result.traceback is None, result.traceback
            assert not isinstance(result, Retry) or result.delay <= self.config.limits.retry_longest
            if result.error and not isinstance(result.error, (OutOfTimeError, LedgerError, QueueError)):
                young = started - result.message.queued_at < self.config.limits.give_up_after
                assert isinstance(result, Failed) or young, "tried for longer than give_up_after"
        live = {message.message_id: message for message in self.conversations.messages()}
        for group in {message.group for message in held.messages}:
            order = sorted((message for message in held.messages if message.group == group), key=self._order)
            in_order = [message.message_id in returned for message in order]
            assert in_order == sorted(in_order), "a text was taken off the queue before one that it follows"
            waiting = [live[message.message_id] for message in order if message.message_id in returned & live.keys()]
            self._check_waiting(waiting, lost_the_lock=started >= held.until)

    @staticmethod
    def _check_waiting(waiting: Sequence[Message], *, lost_the_lock: bool) -> None:
        """`waiting` are texts of one conversation in the order of their delivery.

        SQS delivers a message while those behind it are hidden. Where the order is not the queue's, the first message
        of the queue must become visible last.
        """
        in_queue = sorted(waiting, key=lambda message: message.sequence)
        seen_at = [message.visible_at for message in in_queue]
        alike = len(set(seen_at)) <= 1
        if in_queue == [*waiting]:
            assert alike or lost_the_lock, "a hidden follower blocks its conversation"
        else:
            last = len(set(seen_at[1:])) == 1 and seen_at[0] > seen_at[1]
            assert last or alike or lost_the_lock, "a text can get between the parts of one that waits"

    def _redrive(self, killed_at: Moment | None) -> None:
        outputs = {"FailedQueueUrl": "failed", "ConversationsQueueUrl": "conversations"}
        process = Process(killed_at, kill_process)
        sqs, ledger = self._killable(self.sqs, process), self._killable(self.ledger.operators, process)
        with suppress(ClientError, KilledError):
            Redrive(sqs=sqs, outputs=outputs, ledger=ledger, selection=Selection(), clock=self.clock.as_clock()).run()

    def _save_messages(self) -> None:
        for message in self.conversations.messages():
            self.queued.setdefault(message.message_id, message)
        for message in self.failed.messages():
            self.failures.setdefault(message.message_id, message)

    def _on_part(self, shown: ShownPart, source: str, destination: str) -> None:
        """No part is shown before all messages before it are done: those before it on the queue, and in its batch."""
        text = self.texts[shown.key]
        if (source, destination) != (text.customer, ARNS[text.destination]):
            self.broken.append(f"{text.key} was shown to another customer's chat")
        if any(earlier.unexplained for earlier in self.centre.of(text.key)):
            self.broken.append(f"a part of {text.key} was shown before the one before it was recorded")
        self._save_messages()
        together = {message.message_id: message for message in self.batch}
        shown_now = min((message for message in self.batch if self._key(message) == text.key), key=self._order)
        for message in self.conversations.messages():
            other = self.texts[self._key(message)]
            same_conversation = (other.customer, other.destination) == (text.customer, text.destination)
            if other is text or not same_conversation or other.kind == "malformed" or self._done(message):
                continue
            if message.message_id in together:
                overtaken = self._order(together[message.message_id]) < self._order(shown_now)
            else:
                overtaken = message.sequence < shown_now.sequence
            if overtaken:
                self.broken.append(f"{text.key} overtook {other.key}")

    def _done(self, message: Message) -> bool:
        """Whether no part of this message is still to be shown: its text was shown, or the message has failed."""
        failed = {f.attributes["entry_id"]["StringValue"] for f in self.failures.values() if "entry_id" in f.attributes}
        return self._finished(self._key(message)) or message.message_id in failed

    def _was_meant_to_fail(self, text: Text, message: Message, attributes: dict[str, str]) -> bool:
        match attributes.get("error"):
            case "MalformedNotificationError":
                return text.kind == "malformed"
            case "UnknownNumberError":
                return text.kind == "unknown"
            case "RejectedError":
                return text.key in self.centre.rejected
            case None:
                return False
        age = message.sent_at - self.queued[attributes["entry_id"]].sent_at
        return attributes["reason"].startswith("gave up") and age >= self.config.limits.give_up_after - 1

    def _finished(self, key: str) -> bool:
        return key in self.ledger.table.items and self.ledger.record(key).state.finished

    def _check_five_minutes_apart(
        self, came: dict[tuple[str, str], float], what: tuple[str, str], message: Message
    ) -> None:
        before = came.get(what)
        assert before is None or message.sent_at - before >= DEDUPLICATION_SECONDS, f"{what} was taken twice"
        came[what] = message.sent_at

    def _order(self, message: Message) -> tuple[int, float, int]:
        """Messages received before stay ahead; those received for the first time are sorted by their send time."""
        return -message.receives, self.texts[self._key(message)].sent_at, message.sequence

    def _key(self, message: Message) -> str:
        """Looked up by the body as it was published: it must be unchanged."""
        return self._key_of[message.body]

    def _failed(self, stage: str, process: Process) -> DeadLetterQueue:
        return DeadLetterQueue(client=self._killable(self.sqs, process), url="failed", stage=stage, now=self.clock.now)

    def _delete(self, message: Message) -> None:
        try:
            self.conversations.delete(message.receipt or "")
        except ReceiptError:
            return  # it is received again, and the ledger has it

    @staticmethod
    def _killable(of: object, process: Process) -> Any:
        return KillableProxy(of, process)

    @staticmethod
    def _pick(of: Sequence[T], pick: int) -> T:
        return of[pick % len(of)]
