"""A flood: far more texts than Connect accepts, through the bridge's own delivery and rate limiters.

Time is virtual: twenty minutes take seconds, and the same seed gives the same run. Real: the batch processor, its rate
limiters and the delivery. Simulated: Connect's token bucket, the queue (a model), and the latency of the ledger.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from bridge import logging
from bridge.config import Config
from bridge.errors import ThrottledError
from bridge.metrics import TEXT
from bridge.processing.batch import FifoBatchProcessor
from bridge.processing.clock import Clock
from bridge.processing.message import QueueMessage, message_groups
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.result import Result, Retry
from bridge.texts import sms_event
from bridge.texts.delivery import Accepted, PartRequest, TextDelivery
from bridge.texts.sms_event import InboundSms
from infra import config as configuration
from testing.builders import payload, sqs_record
from testing.clock import NOON, FakeClock
from testing.fakes import FakeDeadLetters, FakeQueue
from testing.ledger import TableLedger
from testing.models.fifo import Fifo, Message
from testing.models.sqs import lambda_record

T = TypeVar("T")
QUOTA, BURST = 17.0, 26.0
"""Of SendChatIntegrationEvent for an account and Region: "Amazon Connect service quotas", administrator guide."""
CONNECT_SECONDS, DYNAMODB_SECONDS, POLL_SECONDS = 0.08, 0.005, 0.02
"""Latency of Connect and of DynamoDB, and the pause between two batches of a function."""
CROWDS = {"everyone once": 10**9, "1,000 customers, ten texts each": 1000, "20 who never stop": 20}
"""Number of customers by name of the run; each text has a random one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """`times` the quota for so many `seconds`, from so many `customers`; meanwhile one more conversation begins.

    Of that conversation: `begins`, seconds after the start; `texts`, their number; `every`, seconds between them.
    """

    seed: int
    times: float = 20.0
    seconds: float = 30.0
    customers: int = 10**9
    workers: int = 4
    begins: float = 15.0
    texts: int = 5
    every: float = 30.0

    @property
    def size(self) -> int:
        return round(self.times * QUOTA * self.seconds)


@dataclass(slots=True, kw_only=True)
class Drained:
    """`share` of the quota that was used while texts were waiting; `refused`: number of 429s.

    `waits`: for each text of the ordinary conversation, seconds until it was shown, and seconds that the texts ahead of
    it take at the full quota.
    """

    texts: int
    seconds: float
    share: float
    refused: int
    failed: int
    waits: list[tuple[float, float]]
    shown: list[float] = field(repr=False)
    rates: list[tuple[float, list[float]]] = field(repr=False)


class VirtualTime:
    """Runs threads one at a time. `time`, in seconds, advances only when all of them sleep."""

    def __init__(self, time: float = 0.0) -> None:
        self.time = time
        self._due: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = itertools.count()
        self._yielded = threading.Semaphore(0)
        self._errors: list[BaseException] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        semaphore = threading.Semaphore(0)
        self._wake(semaphore, self.time + max(0.0, seconds))
        self._yielded.release()
        semaphore.acquire()

    def spawn(self, work: Callable[[], object]) -> None:
        start = threading.Semaphore(0)

        def live() -> None:
            start.acquire()
            try:
                work()
            except BaseException as exc:
                self._errors.append(exc)
            finally:
                self._yielded.release()

        threading.Thread(target=live, daemon=True).start()
        self._wake(start, self.time)

    def all_of(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Run functions concurrently. Returns their results when the last one is done."""
        results: dict[int, T] = {}
        done = threading.Semaphore(0)

        def one(number: int, work: Callable[[], T]) -> None:
            results[number] = work()
            if len(results) == len(works):
                self._wake(done, self.time)

        for number, work in enumerate(works):
            self.spawn(partial(one, number, work))
        self._yielded.release()
        done.acquire()
        return [results[number] for number in range(len(works))]

    def run(self, *, until: Callable[[], bool]) -> None:
        """Raises what a thread raised. Threads that still sleep at the end never wake."""
        while not until():
            self.time, _, semaphore = heapq.heappop(self._due)
            semaphore.release()
            self._yielded.acquire()
            if self._errors:
                raise self._errors[0]

    def _wake(self, semaphore: threading.Semaphore, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), semaphore))


class _Connect:
    """Connect with one token bucket for the account; a refused call takes no token."""

    def __init__(self, time: VirtualTime, rng: random.Random) -> None:
        self._time, self._rng = time, rng
        self._tokens, self._filled = BURST, time.time
        self.refused = 0
        self.shown: dict[str, float] = {}

    def send(self, request: PartRequest) -> Accepted:
        self._time.sleep(CONNECT_SECONDS / 2)
        now = self._time.time
        self._tokens = min(BURST, self._tokens + (now - self._filled) * QUOTA)
        self._filled = now
        accepted = self._tokens >= 1
        if accepted:
            self._tokens -= 1
            self.shown[request.part.content.rpartition("\n")[2]] = now  # a late text begins with a line about it
        self._time.sleep(CONNECT_SECONDS / 2 * (0.8 + 0.4 * self._rng.random()))
        if not accepted:
            self.refused += 1
            raise ThrottledError("Connect answered TooManyRequests (429)")
        return Accepted(request.sms.origination_number)


class _Transport:
    """One function's transport, with its own rate limiter."""

    def __init__(self, connect: _Connect, rate_limiter: RateLimiter) -> None:
        self.send, self.rate_limiter = connect.send, rate_limiter


class _Ledger(TableLedger):
    """The ledger with DynamoDB's latency."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__(clock=FakeClock())
        self._time = time

    def _fail(self, method: str) -> None:
        self._time.sleep(DYNAMODB_SECONDS)
        super()._fail(method)


def settings() -> Config:
    """The default configuration."""
    toml = Path(__file__).resolve().parent.parent / "docs/bridge.toml"
    return Config.from_json(configuration.load(toml).runtime_json())


def play(flood: Flood) -> Drained:
    """Run a flood until all its texts are shown or failed."""
    return _Run(flood).play()


class _Run:
    def __init__(self, flood: Flood) -> None:
        self._flood, self._config = flood, settings()
        self._rng = random.Random(flood.seed)
        self._time = time = VirtualTime(NOON.timestamp())
        self._began = time.time
        self._clock = Clock(now=time.now, monotonic=time.now, sleep=time.sleep)
        self._queue, self._dead_letters = Fifo(now=time.now, visibility=180), FakeDeadLetters()
        self._connect, self._ledger = _Connect(time, self._rng), _Ledger(time)
        limits = self._config.limits
        self._limiters = [
            RateLimiter(rate=limits.connect_rate, environments=limits.max_concurrency, clock=self._clock)
            for _ in range(flood.workers)
        ]
        self._ahead: dict[str, int] = {}
        self._sent: dict[str, float] = {}
        self._rates: list[tuple[float, list[float]]] = []

    def play(self) -> Drained:
        workers: list[Callable[[], None]] = [partial(self._worker, number) for number in range(self._flood.workers)]
        for work in (self._crowd, self._ordinary, self._watch, *workers):
            self._time.spawn(work)
        total, connect, dead = self._flood.size + self._flood.texts, self._connect, self._dead_letters.messages
        self._time.run(until=lambda: len(connect.shown) + len(dead) == total and len(self._queue) == 0)
        shown = sorted(at - self._began for at in connect.shown.values())
        return Drained(
            texts=total,
            seconds=shown[-1],
            share=(len(shown) - BURST) / shown[-1] / QUOTA,
            refused=connect.refused,
            failed=len(dead),
            waits=[(connect.shown[body] - self._sent[body], ahead / QUOTA) for body, ahead in self._ahead.items()],
            shown=shown,
            rates=self._rates,
        )

    def _crowd(self) -> None:
        for number in range(self._flood.size):
            self._text(f"flood {number}", f"customer {self._rng.randrange(self._flood.customers)}")
            self._time.sleep(self._began + (number + 1) / (self._flood.times * QUOTA) - self._time.time)

    def _ordinary(self) -> None:
        self._time.sleep(self._flood.begins)
        for number in range(self._flood.texts):
            body = f"ordinary {number}"
            self._ahead[body] = len(self._queue)
            self._text(body, "ordinary")
            self._time.sleep(self._flood.every)

    def _text(self, body: str, customer: str) -> None:
        now = self._sent[body] = self._time.time
        business_number = next(iter(self._config.routes))
        message = payload(body, originationNumber=customer, destinationNumber=business_number)
        record = sqs_record(message, sent_at=datetime.fromtimestamp(now, UTC).isoformat())
        self._queue.send(record["body"], group=customer, deduplication_id=body)

    def _watch(self) -> None:
        while True:
            self._rates.append((self._time.time - self._began, [limiter.rate for limiter in self._limiters]))
            self._time.sleep(1)

    def _worker(self, number: int) -> None:
        transport = _Transport(self._connect, self._limiters[number])
        processor = FifoBatchProcessor(
            handler=TextDelivery(
                config=self._config,
                ledger=self._ledger,
                transports={"integration-event": transport},
                clock=self._clock,
            ),
            parse=sms_event.parse,
            limits=self._config.limits,
            queue=FakeQueue(),
            dead_letters=self._dead_letters,
            ledger=self._ledger,
            reporter=logging.Reporter(TEXT),
            clock=self._clock,
            jitter=lambda: self._rng.uniform(-1, 1),
        )
        self._time.sleep(POLL_SECONDS * number / self._flood.workers)
        while True:
            batch = self._queue.receive(10)
            if batch:
                self._handle(batch, processor)
            self._time.sleep(POLL_SECONDS if batch else 0.1)

    def _handle(self, batch: list[Message], processor: FifoBatchProcessor[InboundSms]) -> None:
        """What forward does with a batch, and SQS with its response."""
        receipts = {message.message_id: message.receipt or "" for message in batch}
        groups, _ = message_groups({"Records": [lambda_record(message) for message in batch]}, sms_event.parse)
        deadline = self._time.time + self._config.limits.batch_deadline

        def process(messages: list[QueueMessage[InboundSms]]) -> list[Result]:
            return processor.process_group(messages, deadline=deadline)

        for results in self._time.all_of([partial(process, messages) for messages in groups]):
            for result in results:
                receipt = receipts[result.message.message_id]
                if isinstance(result, Retry):
                    self._queue.change_visibility(receipt, result.delay)
                else:
                    self._queue.delete(receipt)
