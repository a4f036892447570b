"""Far more texts than Connect takes, through the bridge's own delivery and pace, on the model of its queue.

On a clock that runs as fast as this machine can, so that twenty minutes take seconds and the same seed gives the same
run. Real: the batch processor, its rate limiters and what they call. Simulated: Connect's token bucket, the queue, and
the time that the ledger takes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.virtual import World
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

QUOTA, BURST = 17.0, 26.0
"""Of SendChatIntegrationEvent for an account and Region: "Amazon Connect service quotas", administrator guide."""
ANSWER, STORE, BETWEEN = 0.08, 0.005, 0.02
"""Seconds: what Connect and DynamoDB take for a call, and a function from the end of one batch to its next."""


CROWDS = {"everyone once": 10**9, "1,000 customers, ten texts each": 1000, "20 who never stop": 20}
"""Among how many customers each text of a flood draws its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """`times` the quota for so many `seconds`, from so many customers at once; one more begins amid it."""

    seed: int
    times: float = 20.0
    seconds: float = 30.0
    customers: int = 10**9
    workers: int = 4
    quota: float = QUOTA
    burst: float = BURST
    begins: float = 15.0
    texts: int = 5
    every: float = 30.0
    """The ordinary conversation: when it begins, its texts, and the seconds between them."""


@dataclass(slots=True, kw_only=True)
class Drained:
    """`share` of the quota that was used while texts were waiting; `refused` is the number of 429s.

    `waits` of the ordinary conversation's texts, each beside the wait that its place in the line makes: seconds.
    """

    texts: int
    seconds: float
    share: float
    refused: int
    failed: int
    given_back: int
    waits: list[tuple[float, float]]
    most_receives: int
    shown: list[float] = field(repr=False)
    rates: list[tuple[float, list[float]]] = field(repr=False)


class _Connect:
    """A token bucket for the whole account; a call that it refuses takes nothing from it."""

    def __init__(self, world: World, *, quota: float, burst: float, rng: random.Random) -> None:
        self._world, self._quota, self._burst, self._rng = world, quota, burst, rng
        self._tokens, self._filled = burst, world.time
        self.refused = 0
        self.shown: dict[str, float] = {}

    def send(self, request: PartRequest) -> Accepted:
        part = request.part
        self._world.sleep(ANSWER / 2)
        now = self._world.time
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._quota)
        self._filled = now
        accepted = self._tokens >= 1
        if accepted:
            self._tokens -= 1
            self.shown[part.content.rpartition("\n")[2]] = now  # a late one has a line above it
        self._world.sleep(ANSWER / 2 * (0.8 + 0.4 * self._rng.random()))
        if not accepted:
            self.refused += 1
            raise ThrottledError("Connect answered TooManyRequests (429)")
        return Accepted(request.sms.origination_number)


class _Transport:
    """One function's way to Connect, with a rate limiter of its own."""

    def __init__(self, connect: _Connect, rate_limiter: RateLimiter) -> None:
        self.send, self.rate_limiter = connect.send, rate_limiter


class _Ledger(TableLedger):
    """As slow as DynamoDB where a text needs it."""

    def __init__(self, world: World) -> None:
        super().__init__(clock=FakeClock())
        self._world = world

    def _fail(self, method: str) -> None:
        self._world.sleep(STORE)
        super()._fail(method)


def settings(**changes: Any) -> Config:
    """What the product has by default."""
    toml = Path(__file__).resolve().parent.parent / "docs/bridge.toml"
    config = Config.from_json(configuration.load(toml).runtime_json())
    return replace(config, limits=replace(config.limits, **changes))


def play(
    flood: Flood, config: Config | None = None, *, rate_limiter: Callable[..., RateLimiter] = RateLimiter
) -> Drained:
    config = config or settings()
    route = next(iter(config.routes))
    rng = random.Random(flood.seed)
    world = World(NOON.timestamp())
    began = world.time
    clock = Clock(now=world.now, monotonic=world.now, sleep=world.sleep)
    queue = Fifo(now=world.now, visibility=180)
    connect = _Connect(world, quota=flood.quota, burst=flood.burst, rng=rng)
    dead = FakeDeadLetters()
    ahead: dict[str, int] = {}
    sent: dict[str, float] = {}
    receives: list[int] = []
    given_back = 0
    rates: list[tuple[float, list[float]]] = []

    def text(body: str, customer: str) -> None:
        sent[body] = world.time
        message = payload(body, originationNumber=customer, destinationNumber=route)
        record = sqs_record(message, sent_at=_iso(world.time))
        queue.send(record["body"], group=customer, deduplication_id=body)

    def crowd() -> None:
        for number in range(round(flood.times * flood.quota * flood.seconds)):
            text(f"flood {number}", f"customer {rng.randrange(flood.customers)}")
            world.sleep(began + (number + 1) / (flood.times * flood.quota) - world.time)

    def ordinary() -> None:
        world.sleep(flood.begins)
        for number in range(flood.texts):
            body = f"ordinary {number}"
            ahead[body] = len(queue)
            text(body, "ordinary")
            world.sleep(flood.every)

    limiters = [
        rate_limiter(rate=config.limits.connect_rate, environments=config.limits.max_concurrency, clock=clock)
        for _ in range(flood.workers)
    ]
    ledger = _Ledger(world)

    def worker(number: int) -> None:
        nonlocal given_back
        transport = _Transport(connect, limiters[number])
        processor = FifoBatchProcessor(
            handler=TextDelivery(
                config=config, ledger=ledger, transports={"integration-event": transport}, clock=clock
            ),
            parse=sms_event.parse,
            limits=config.limits,
            queue=FakeQueue(),
            dead_letters=dead,
            ledger=ledger,
            reporter=logging.Reporter(TEXT),
            clock=clock,
            jitter=lambda: rng.uniform(-1, 1),
        )
        world.sleep(BETWEEN * number / flood.workers)
        while True:
            batch = queue.receive(10)
            if batch:
                given_back += _handle(batch, processor, world, queue, config)
                receives.extend(message.receives for message in batch)
            world.sleep(BETWEEN if batch else 0.1)

    def watch() -> None:
        while True:
            rates.append((world.time - began, [one.rate for one in limiters]))
            world.sleep(1)

    for work in (crowd, ordinary, watch):
        world.spawn(work)
    for number in range(flood.workers):
        world.spawn(partial(worker, number))
    total = round(flood.times * flood.quota * flood.seconds) + flood.texts
    world.run(until=lambda: len(connect.shown) + len(dead.messages) == total and len(queue) == 0)
    shown = sorted(at - began for at in connect.shown.values())
    return Drained(
        texts=total,
        seconds=shown[-1],
        share=(len(shown) - flood.burst) / shown[-1] / flood.quota,
        refused=connect.refused,
        failed=len(dead.messages),
        given_back=given_back,
        waits=[(connect.shown[body] - sent[body], places / flood.quota) for body, places in ahead.items()],
        most_receives=max(receives),
        shown=shown,
        rates=rates,
    )


def _handle(
    batch: list[Message], processor: FifoBatchProcessor[InboundSms], world: World, queue: Fifo, config: Config
) -> int:
    """What forward does with a batch, and SQS with its answer."""
    receipts = {message.message_id: message.receipt or "" for message in batch}
    groups, _ = message_groups({"Records": [lambda_record(message) for message in batch]}, sms_event.parse)
    deadline = world.time + config.limits.batch_deadline

    def process(messages: list[QueueMessage[InboundSms]]) -> list[Result]:
        return processor.process_group(messages, deadline=deadline)

    given_back = 0
    for reports in world.all_of([partial(process, messages) for messages in groups]):
        for result in reports:
            receipt = receipts[result.message.message_id]
            if isinstance(result, Retry):
                given_back += 1
                queue.change_visibility(receipt, result.delay)
            else:
                queue.delete(receipt)
    return given_back


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def described(drained: Drained) -> str:
    waits = ", ".join(f"{waited:.0f} of {place:.0f} s" for waited, place in drained.waits)
    return (
        f"{drained.texts} texts in {drained.seconds:.0f} s: {drained.share:.1%} of the quota, "
        f"{drained.refused} refused ({drained.refused / drained.texts:.1%}), {drained.failed} failed, "
        f"{drained.given_back} given back, received {drained.most_receives} times at most; waits {waits}; "
        f"rate {median(sum(rates) for _, rates in drained.rates):.1f}"
    )
