"""Forward functions in virtual time: twenty minutes take seconds, and the same seed gives the same run.

Real: the batch processor, the delivery, the transports and their rate limiters, the ledger. Models: the queue, Connect,
and DynamoDB with its latency.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from bridge import logging
from bridge.aws.chat_sessions import ChatSessions
from bridge.aws.clients import adaptive_client
from bridge.aws.integration_events import IntegrationEvents
from bridge.aws.start_chat import StartChat
from bridge.config import Config, Delivery
from bridge.metrics import TEXT
from bridge.processing.batch import FifoBatchProcessor
from bridge.processing.message import QueueMessage, message_groups
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.result import Result, Retry
from bridge.texts import sms_event
from bridge.texts.delivery import ChatTransport, TextDelivery
from bridge.texts.sms_event import InboundSms
from infra import config as configuration
from testing.builders import payload, sqs_record, starting_chats
from testing.clock import FakeClock
from testing.fakes import FakeDeadLetters, FakeQueue
from testing.ledger import TableLedger
from testing.models.connect import Connect
from testing.models.fifo import Fifo, Message
from testing.models.sqs import lambda_record
from testing.models.table import Table
from testing.virtual_time import VirtualTime

DYNAMODB_SECONDS, POLL_SECONDS = 0.005, 0.02
"""Latency of DynamoDB, and the pause between two batches of a function."""
TOPIC = "arn:aws:sns:us-east-1:111122223333:streaming"


def settings(delivery: Delivery = "integration-event", **limits: Any) -> Config:
    """The default configuration, with other `limits` where they are given."""
    toml = Path(__file__).resolve().parent.parent / "docs/bridge.toml"
    config = Config.from_json(configuration.load(toml).runtime_json())
    config = replace(config, limits=replace(config.limits, **limits))
    return starting_chats(config) if delivery == "start-chat" else config


@dataclass(frozen=True, slots=True)
class Text:
    """`sent`: when, in seconds."""

    customer: str
    sent: float


class ForwardFunctions:
    """`workers` environments of forward on one queue. `limiters`: of each, those of the calls that show a part."""

    def __init__(
        self, *, time: VirtualTime, rng: random.Random, connect: Connect, config: Config, workers: int = 4
    ) -> None:
        self._time, self._rng, self._connect, self._config = time, rng, connect, config
        self.queue, self._dead_letters = Fifo(now=time.now, visibility=180), FakeDeadLetters()
        self.texts: dict[str, Text] = {}
        """By content."""
        self._keys: dict[str, str] = {}
        self._ledger = TableLedger(clock=FakeClock(), table=_SlowTable(time, by="text_key"))
        self._chats = ChatSessions(client=cast(Any, _SlowTable(time, by="chat_key")), table="chats", now=time.now)
        self.limiters: list[RateLimiter] = []
        for number in range(workers):
            time.spawn(partial(self._work, self._processor(), after=POLL_SECONDS * number / workers))

    @property
    def failed(self) -> int:
        return len(self._dead_letters.messages)

    def send(self, content: str, customer: str) -> None:
        """A customer's text, as intake queues it. Contents differ."""
        now = self._time.time
        self.texts[content] = Text(customer, now)
        message = payload(content, originationNumber=customer, destinationNumber=next(iter(self._config.routes)))
        self._keys[content] = message["inboundMessageId"]
        record = sqs_record(message, sent_at=datetime.fromtimestamp(now, UTC).isoformat())
        self.queue.send(record["body"], group=customer, deduplication_id=content)

    def error(self, content: str) -> str | None:
        """Why a text returned to the queue the last time, as the ledger has it."""
        error = self._ledger.table.items[self._keys[content]].get("error")
        return str(error["S"]) if error else None

    def waits(self, counts: Callable[[Text], bool] = lambda _: True) -> list[float]:
        """Seconds until each text was shown, in ascending order; infinite where it was not."""
        shown = self._connect.shown
        return sorted(
            shown.get(content, float("inf")) - text.sent for content, text in self.texts.items() if counts(text)
        )

    def _limiter(self, rate: float) -> RateLimiter:
        return RateLimiter(rate=rate, environments=self._config.limits.max_concurrency, clock=self._time.as_clock())

    def _transports(self) -> dict[Delivery, ChatTransport]:
        limits = self._config.limits
        client = adaptive_client(self._connect.client, longest=limits.call_timeout, monotonic=self._time.now)
        if not next(iter(self._config.routes.values())).start_chat:
            self.limiters.append(limiter := self._limiter(limits.connect_rate))
            return {"integration-event": IntegrationEvents(client=client, rate_limiter=limiter)}
        self.limiters.append(limiter := self._limiter(limits.message_rate))
        return {
            "start-chat": StartChat(
                connect=client,
                participant=client,
                chats=self._chats,
                message_limiter=limiter,
                start_limiter=self._limiter(limits.start_chat_rate),
                connection_limiter=self._limiter(limits.connection_rate),
                disconnect_limiter=self._limiter(limits.disconnect_rate),
                streaming_topic_arn=TOPIC,
                clock=self._time.as_clock(),
            )
        }

    def _processor(self) -> FifoBatchProcessor[InboundSms]:
        clock, config = self._time.as_clock(), self._config
        return FifoBatchProcessor(
            handler=TextDelivery(config=config, ledger=self._ledger, transports=self._transports(), clock=clock),
            parse=sms_event.parse,
            limits=config.limits,
            queue=FakeQueue(),
            dead_letters=self._dead_letters,
            ledger=self._ledger,
            reporter=logging.Reporter(TEXT),
            clock=clock,
            jitter=lambda: self._rng.uniform(-1, 1),
        )

    def _work(self, processor: FifoBatchProcessor[InboundSms], *, after: float) -> None:
        self._time.sleep(after)
        while True:
            batch = self.queue.receive(10)
            if batch:
                self._handle(batch, processor)
            self._time.sleep(POLL_SECONDS if batch else 0.1)

    def _handle(self, batch: Sequence[Message], processor: FifoBatchProcessor[InboundSms]) -> None:
        """What forward does with a batch, and SQS with its response."""
        receipts = {message.message_id: message.receipt or "" for message in batch}
        groups, _ = message_groups({"Records": [lambda_record(message) for message in batch]}, sms_event.parse)
        deadline = self._time.time + self._config.limits.batch_deadline

        def process(messages: Sequence[QueueMessage[InboundSms]]) -> list[Result]:
            return processor.process_group(messages, deadline=deadline)

        for results in self._time.all_of([partial(process, messages) for messages in groups]):
            for result in results:
                receipt = receipts[result.message.message_id]
                if isinstance(result, Retry):
                    self.queue.change_visibility(receipt, result.delay)
                else:
                    self.queue.delete(receipt)


class _SlowTable(Table):
    """A table with DynamoDB's latency."""

    def __init__(self, time: VirtualTime, *, by: str) -> None:
        super().__init__(by=by)
        self._time = time

    def get_item(self, **request: Any) -> dict[str, Any]:
        self._time.sleep(DYNAMODB_SECONDS)
        return super().get_item(**request)

    def put_item(self, **request: Any) -> None:
        self._time.sleep(DYNAMODB_SECONDS)
        super().put_item(**request)

    def update_item(self, **request: Any) -> dict[str, Any]:
        self._time.sleep(DYNAMODB_SECONDS)
        return super().update_item(**request)
