"""The promises under whatever may happen, in whatever order: a state machine turns the clock and makes the trouble.

Intake, forward, both queue adapters and `bridge failed redrive` are the real ones. The queues are the tests' model of
SQS, the ledger is a dictionary with the ledger's conditions, and a small double stands for Connect.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge import logging
from bridge.aws.queues import DeadLetterQueue, FifoQueue
from bridge.config import Config, Delivery
from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    ChatLimitError,
    LedgerError,
    NotFoundError,
    OutOfTimeError,
    QueueError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.metrics import TEXT
from bridge.processing import batch
from bridge.processing.batch import FifoBatchProcessor
from bridge.processing.intake import NotificationIntake
from bridge.processing.message import QueueMessage
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.result import Failed, Result, Retry
from bridge.processing.state import DeliveryState, MessageMetadata
from bridge.texts import sms_event
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, ChatTransport, NoOpenChat, PartRequest, TextDelivery
from bridge.texts.sms_event import InboundSms
from ops.failed.queue import FAILED_VISIBILITY
from ops.failed.redrive import Redrive
from ops.failed.selection import Selection
from testing.builders import ARN, CONFIG, OURS, payload, record
from testing.clock import FakeClock
from testing.ledger import TableLedger
from testing.models.fifo import DEDUPLICATION_SECONDS, Fifo, Message, ReceiptError
from testing.models.sqs import SqsClient, lambda_record

T = TypeVar("T")

ENVIRONMENTS = 4
VISIBILITY = 180.0  # of the conversations queue, as it is deployed
CUSTOMERS = ("+14255550182", "+14255550183")
NOT_OURS_YET = "+12125550199"
ARNS = {OURS: ARN, NOT_OURS_YET: ARN[:-1] + "0"}
LIMITS = replace(CONFIG.limits, part_length=32)
CONFIG_AT_FIRST = replace(CONFIG, limits=LIMITS)
LATE_LINE = re.compile(r"\(sent [^)]*\)\n")

TROUBLE: dict[str, Callable[[], BridgeError]] = {
    "throttle": lambda: ThrottledError("429"),
    "error": lambda: UnavailableError("500"),
    "hang": lambda: UnavailableError("no answer"),
    "lost": lambda: UnavailableError("the answer was lost"),
    "refuse": lambda: AccessRefusedError("403"),
    "not found": lambda: NotFoundError("404"),
    "chat limit": lambda: ChatLimitError("quota"),
    "invalid": lambda: RejectedError("400"),
}
LASTING = ("throttle", "error", "hang", "refuse", "not found", "chat limit")


class KilledError(BaseException):
    """A process ends. No code of the bridge gets to see it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A process's `nth` call of this name: before it, or after it did what was asked."""

    call: str
    nth: int
    done: bool


class Life:
    """Of one process, as the calls that it makes to the outside. At one moment something happens to it.

    One that was killed makes no more calls, whatever it would still clear up.
    """

    def __init__(self, moment: Moment | None, happens: Callable[[], None]) -> None:
        self._moment, self._happens = moment, happens
        self._calls = 0
        self._over = False

    def call(self, name: str, do: Callable[[], T]) -> T:
        moment = self._moment
        if self._over:
            raise KilledError
        if moment is None or moment.call != name:
            return do()
        self._calls += 1
        if self._calls != moment.nth:
            return do()
        if not moment.done:
            self._happen()
        answer = do()
        if moment.done:
            self._happen()
        return answer

    def _happen(self) -> None:
        try:
            self._happens()
        except KilledError:
            self._over = True
            raise


def killed() -> NoReturn:
    raise KilledError


class Mortal:
    """Everything that `of` can do, as long as `life` lasts. `called` is put before the calls' names."""

    def __init__(self, of: object, life: Life, *, called: str = "") -> None:
        self._of, self._life, self._called = of, life, called

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._of, name)
        return lambda *args, **kwargs: self._life.call(self._called + name, lambda: method(*args, **kwargs))


def moments(*calls: str) -> st.SearchStrategy[Moment | None]:
    return st.none() | st.builds(Moment, st.sampled_from(calls), st.integers(1, 2), st.booleans())


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
    """Whether intake said so."""


@dataclass(slots=True, kw_only=True)
class Showing:
    """A part that Connect took. It is noted in the ledger, or something happened that excuses it being shown again."""

    key: str
    part: ChatPart
    noted: bool = False
    excuse: str | None = None

    @property
    def loose(self) -> bool:
        return not self.noted and self.excuse is None


class ContactCentre:
    """Takes what it is sent, but for the trouble that `script` has for the next calls, and then `outage`."""

    def __init__(self, clock: FakeClock, on_part: Callable[[Showing, str, str], None]) -> None:
        self.script: list[str] = []
        self.until = 0.0
        """When the batch that is worked on has had its time."""
        self.outage: str | None = None
        self.showings: list[Showing] = []
        self.rejected: set[str] = set()
        self._clock, self._on_part = clock, on_part
        self._chats: set[tuple[str, str]] = set()

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        part, source, destination = request.part, request.sms.origination_number, request.route.arn
        assert self._clock.time <= self.until, "Connect is called after the batch deadline"
        key = request.session.attributes["inboundMessageId"]
        trouble = self.script.pop() if self.script else self.outage
        trouble = None if trouble == "none" else trouble
        self._clock.time += 5 if trouble == "hang" else 0.1
        if trouble == "invalid":
            self.rejected.add(key)
        if trouble and trouble != "lost":
            raise TROUBLE[trouble]()
        showing = Showing(key=key, part=part)
        self._on_part(showing, source, destination)
        self.showings.append(showing)
        accepted = self._take(part, (source, destination))
        if trouble == "lost":
            showing.excuse = "its answer was lost"
            raise TROUBLE[trouble]()
        return accepted

    def _take(self, part: ChatPart, chat: tuple[str, str]) -> Accepted | NoOpenChat:
        if part.type == "DISCONNECT":
            was_open = chat in self._chats
            self._chats.discard(chat)
            return Accepted("contact") if was_open else NoOpenChat()
        new = chat not in self._chats
        self._chats.add(chat)
        return Accepted("contact", new)

    def of(self, key: str) -> list[Showing]:
        return [showing for showing in self.showings if showing.key == key]

    def to_note(self, key: str) -> list[Showing]:
        """What the ledger learns of when it is told that a part was accepted."""
        return [showing for showing in self.of(key) if showing.loose][-1:]


class AccountingLedger(TableLedger):
    """Keeps account of which showings it knows of."""

    def __init__(self, centre: ContactCentre, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.answers_lost = 0
        self._centre = centre

    def record_part(self, key: str, metadata: MessageMetadata, **arguments: Any) -> DeliveryState:
        to_note = self._centre.to_note(key)
        try:
            known = super().record_part(key, metadata, **arguments)
        except LedgerError:
            for showing in self._centre.of(key):
                if showing.loose:
                    showing.excuse = "the ledger could not be written"
            raise
        for showing in to_note:
            showing.noted = True
        if self.answers_lost > 0:
            self.answers_lost -= 1
            raise LedgerError("written, but the answer was lost")
        return known

    def heal(self) -> None:
        self.broken.clear()
        self.answers_lost = 0


class InTurn:
    """Stands for the pool of threads: one conversation after the other, so that an example can be played again."""

    def __init__(self, max_workers: int) -> None:
        assert max_workers > 0

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, do: Callable[[Any], Any], each: Sequence[Any]) -> Iterator[Any]:
        return iter([do(one) for one in each])

    def submit(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(do(*args, **kwargs))
        return future


class RememberingProcessor(FifoBatchProcessor[InboundSms]):
    results: Sequence[Result] = ()

    def process(self, groups: Sequence[Sequence[QueueMessage[InboundSms]]]) -> list[Result]:
        results = super().process(groups)
        self.results = results
        return results


class Transport:
    """One process's way to the contact centre."""

    def __init__(self, centre: Any, rate_limiter: RateLimiter) -> None:
        self.send, self.rate_limiter = centre.send, rate_limiter


@dataclass(slots=True)
class Held:
    """A batch that an environment has received and not begun."""

    messages: list[Message]
    until: float = field(kw_only=True)
    """When its texts are seen by others again."""


@dataclass(frozen=True, slots=True)
class Run:
    """What happens while a batch is worked on: trouble with Connect's next calls, and something at one moment.

    Then the process is killed, or, if it is `overlapped`, another environment gets a batch done meanwhile.
    """

    trouble: Sequence[str] = ()
    moment: Moment | None = None
    overlapped: bool = False


intake_deaths = moments("send_message", "record_failure")
operator_deaths = moments("receive_message", "send_message_batch", "delete_message_batch", "redriven")
runs = st.builds(
    Run,
    trouble=st.lists(st.sampled_from(["none", "refuse", *sorted(TROUBLE), "invalid", "lost", "none"]), max_size=5),
    moment=moments(
        *("send", "record_part", "send_message", "record_failure"),
        *("send", "record_part", "read", "record_retry", "change_message_visibility_batch", "answer"),
    ),
    overlapped=st.booleans(),
)
sizes = st.sampled_from([1, 2, 10, 10, 10])
waits = st.none() | st.sampled_from([0.0, 1.0, 6.0, 130.0, VISIBILITY, 301.0, 1000.0, 7 * 3600.0, 7 * 3600.0])
picks = st.integers(0, 1000)


class Bridge(RuleBasedStateMachine):
    """Rules are what may happen; invariants are the promises."""

    drains_within = max(VISIBILITY, LIMITS.retry_longest) + 60

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
        """Notifications on which intake raised an error: Lambda hands them in again."""
        self.held: list[Held] = []
        self.batch: Sequence[Message] = ()
        self.elsewhere = 0.0
        """Seconds that went by in environments which overlapped others."""
        self.broken: list[str] = []
        """Promises broken while the bridge ran: it must not get to catch an AssertionError."""
        self.entries: dict[str, Message] = {}
        """Everything that was ever on the conversations queue, by message id; `failures` likewise."""
        self.failures: dict[str, Message] = {}
        self._numbers = itertools.count(1)
        self._key_of: dict[str, str] = {}

    # ---- what may happen

    @initialize(customer=st.sampled_from(CUSTOMERS))
    def somebody_has_texted(self, customer: str) -> None:
        self.people_text(customer=customer, lengths=[1, 9, 2], ages=[0, 3, 1], kind="text", death=None)
        self.people_text(customer=customer, lengths=[1], ages=[0], kind="unknown", death=None)

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
        ages=st.lists(st.integers(0, 20), min_size=4, max_size=4),
        kind=st.sampled_from([*["text"] * 7, "stop", "unknown", "malformed"]),
        death=intake_deaths,
    )
    def people_text(self, customer: str, lengths: list[int], ages: list[int], kind: str, death: Moment | None) -> None:
        """`lengths` in words; `ages`: how many seconds ago EUM published each, since SNS has mixed them up."""
        now = self.clock.time
        self._take_in(
            [self._text(customer, length, now - age, kind) for length, age in zip(lengths, ages, strict=False)], death
        )

    @rule(pick=picks)
    def sns_hands_over_again(self, pick: int) -> None:
        self._take_in([self._pick(list(self.texts.values()), pick)], None)

    @precondition(lambda self: self.with_lambda)
    @rule(death=intake_deaths)
    def lambda_hands_in_again(self, death: Moment | None) -> None:
        again, self.with_lambda = self.with_lambda, []
        self._take_in(again, death)

    @rule(rounds=st.lists(st.tuples(sizes, runs, waits), min_size=2, max_size=6))
    def an_environment_receives_and_works(self, rounds: list[tuple[int, Run, float | None]]) -> None:
        """After each batch an operator redrives what failed, or time passes."""
        for most, run, wait in rounds:
            if held := self._receive(most):
                self._work(held, run)
            self._promises()
            if wait is None:
                self._redrive(None)
            else:
                self.clock.time += wait

    @precondition(lambda self: len(self.held) < ENVIRONMENTS)
    @rule(most=sizes)
    def an_environment_receives(self, most: int) -> None:
        if held := self._receive(most):
            self.held.append(held)

    @precondition(lambda self: self.held)
    @rule(pick=picks, run=runs)
    def an_environment_works(self, pick: int, run: Run) -> None:
        self._work(self.held.pop(pick % len(self.held)), run)

    @rule(wait=waits)
    def time_passes(self, wait: float | None) -> None:
        self.clock.time += wait or 60

    @rule(kind=st.none() | st.sampled_from(LASTING))
    def an_outage_begins_or_ends(self, kind: str | None) -> None:
        self.centre.outage = kind

    @rule(
        methods=st.sets(st.sampled_from(["received", "read", "record_part", "record_retry", "failed", "duplicate"])),
        times=st.integers(1, 6),
        answers_lost=st.integers(0, 1),
    )
    def the_ledger_breaks_or_is_mended(self, methods: set[str], times: int, answers_lost: int) -> None:
        self.ledger.broken = dict.fromkeys(methods, times)
        self.ledger.answers_lost = answers_lost

    @rule(
        what=st.sampled_from(
            [
                ("send_message", "conversations"),
                ("send_message", "failed"),
                ("change_message_visibility_batch", "conversations"),
            ]
        ),
        times=st.integers(0, 4),
        done=st.booleans(),
    )
    def a_queue_breaks_or_is_mended(self, what: tuple[str, str], times: int, done: bool) -> None:
        self.sqs.fail_next(*what, times=times, done=done)

    @rule(part_length=st.sampled_from([16, 32, 64]), more_numbers=st.booleans())
    def somebody_deploys(self, part_length: int, more_numbers: bool) -> None:
        routes = {number: replace(CONFIG.routes[OURS], arn=ARNS[number]) for number in ARNS}
        self.config = replace(
            self._configured(replace(self.config, routes=routes) if more_numbers else self.config),
            limits=replace(LIMITS, part_length=part_length),
        )

    @rule(death=operator_deaths)
    def an_operator_redrives(self, death: Moment | None) -> None:
        self._redrive(death)

    # ---- what is promised

    @invariant()
    def nothing_is_broken(self) -> None:
        self._remember()
        assert not self.broken, self.broken

    @invariant()
    def nothing_is_lost(self) -> None:
        kept = {self._key(message) for queue in (self.conversations, self.failed) for message in queue.messages()}
        for text in self.texts.values():
            assert not text.taken or text.key in kept or self._finished(text.key), f"{text.key} is lost"

    @invariant()
    def nothing_is_shown_twice_or_half_without_an_event_that_explains_it(self) -> None:
        for text in self.texts.values():
            showings = self.centre.of(text.key)
            assert self._is_whole(text, showings), (text, showings)
            loose = [showing for showing in showings if showing.loose]
            assert not loose, f"nothing explains why {loose} was not noted"

    @invariant()
    def what_is_in_failed_was_meant_to_fail_and_says_why(self) -> None:
        waiting = {self._key(message) for message in self.conversations.messages()}
        for message in self.failed.messages():
            text = self.texts[self._key(message)]
            said = {name: value["StringValue"] for name, value in message.attributes.items()}
            assert self._was_meant_to_fail(text, message, said), (text, said)
            noted = self.ledger.record(text.key) if text.key in self.ledger.table.items else None
            explained = noted and (noted.state.finished or noted.reason)
            assert explained or text.key in waiting or text in self.with_lambda, f"{text.key} failed without a reason"

    @invariant()
    def no_queue_takes_the_same_thing_twice_within_five_minutes(self) -> None:
        came: dict[tuple[str, str], float] = {}
        for entry in self.entries.values():
            redriven = entry.deduplication_id if entry.deduplication_id in self.failures else "published"
            self._five_minutes_apart(came, (self._key(entry), redriven), entry)
        for failure in self.failures.values():
            cause = failure.attributes.get("entry_id", {"StringValue": "intake"})["StringValue"]
            self._five_minutes_apart(came, (self._key(failure), f"failed {cause}"), failure)

    def teardown(self) -> None:
        """All trouble ends: everything is delivered by itself or explained; redriven, it is delivered too."""
        self.centre.outage = None
        self.ledger.heal()
        self.sqs.heal()
        self.held.clear()
        self.somebody_deploys(part_length=32, more_numbers=True)
        self._take_in(self.with_lambda, None)
        self.with_lambda = []
        self._drain()
        in_failed = {self._key(message) for message in self.failed.messages()}
        for text in self.texts.values():
            if not self._finished(text.key):
                assert text.key in in_failed, f"{text.key} is nowhere"
                assert self.ledger.outcome(text.key) == "failed" and self.ledger.record(text.key).reason
        self.clock.time += FAILED_VISIBILITY
        self._redrive(None)
        self._drain()
        assert {text.key for text in self.texts.values() if not self._finished(text.key)} == {
            text.key for text in self.texts.values() if text.kind == "malformed"
        }
        assert {self.texts[self._key(message)].kind for message in self.failed.messages()} <= {"malformed"}

    # ---- which way texts go into a chat

    def _contact_centre(self) -> ContactCentre:
        return ContactCentre(self.clock, self._on_part)

    def _configured(self, config: Config) -> Config:
        return config

    def _transports(self, life: Life) -> dict[Delivery, ChatTransport]:
        return {"integration-event": Transport(self._mortal(self.centre, life), self._rate_limiter())}

    def _rate_limiter(self) -> RateLimiter:
        return RateLimiter(rate=1000, environments=1, clock=self.clock.as_clock())

    def _is_whole(self, text: Text, showings: Sequence[Showing]) -> bool:
        """Whether the parts that are noted are the text, or its beginning as long as it is not finished."""
        noted = "".join(showing.part.content for showing in showings if showing.noted)
        seen = LATE_LINE.sub("", noted, count=1)
        if self._finished(text.key):
            return seen == text.body
        in_late_line = noted.startswith("(sent"[: len(noted)]) and "\n" not in noted
        return text.body.startswith(seen) or in_late_line

    # ---- how it is played

    def _text(self, customer: str, words: int, sent_at: float, kind: str) -> Text:
        key = f"t{next(self._numbers)}"
        body = "STOP" if kind == "stop" else " ".join(f"{key}.{word}" for word in range(words))
        destination = NOT_OURS_YET if kind == "unknown" else OURS
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

    def _take_in(self, texts: Sequence[Text], death: Moment | None) -> None:
        life = Life(death, killed)
        ledger = self._mortal(self.ledger, life)
        intake: NotificationIntake[InboundSms] = NotificationIntake(
            parse=sms_event.parse,
            queue=FifoQueue(client=self._mortal(self.sqs, life), url="conversations"),
            dead_letters=self._failed("intake", life),
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

    def _receive(self, most: int) -> Held | None:
        batch = self.conversations.receive(most)
        return Held(batch, until=self.clock.time + VISIBILITY) if batch else None

    def _work(self, held: Held, run: Run | None = None) -> None:
        """As the event source mapping and a forward environment do it."""
        run = run or Run()
        life = Life(run.moment, (lambda: self._others_work(held)) if run.overlapped else killed)
        before = self.batch, self.centre.script, self.centre.until
        started, elsewhere = self.clock.time, self.elsewhere
        until = started + self.config.limits.batch_deadline
        self.batch, self.centre.script, self.centre.until = held.messages, list(run.trouble), until
        ledger, clock = self._mortal(self.ledger, life), self.clock.as_clock()
        processor = RememberingProcessor(
            handler=TextDelivery(config=self.config, ledger=ledger, transports=self._transports(life), clock=clock),
            parse=sms_event.parse,
            limits=self.config.limits,
            queue=FifoQueue(client=self._mortal(self.sqs, life), url="conversations"),
            dead_letters=self._failed("forward", life),
            ledger=ledger,
            reporter=logging.Reporter(TEXT),
            clock=clock,
            jitter=lambda: 0.0,
        )
        records = [lambda_record(message) for message in held.messages]
        try:
            answer = processor.handle({"Records": records})
            life.call("answer", lambda: None)  # on its way to Lambda
        except KilledError:
            loose = [showing for showing in self.centre.showings if showing.loose]
            assert len(loose) <= 1, f"killed once, and {loose} may be shown again"
            for showing in loose:
                showing.excuse = "killed before it was noted"
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

    def _others_work(self, held: Held) -> None:
        """Another environment, while this one is in the middle of its batch.

        Not when this one holds its texts no longer: a function that begins three minutes after its batch was received
        has lost the lock, and nothing is promised of it.
        """
        started = self.clock.time
        if started + 60 < held.until and (other := self._receive(10)):
            self._work(other)
        self.elsewhere += self.clock.time - started
        self.centre.until += self.clock.time - started  # it may have been about to call

    def _check_results(self, results: Sequence[Result], *, held: Held, started: float, returned: set[str]) -> None:
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
            given_back = [message.message_id in returned for message in order]
            assert given_back == sorted(given_back), "a text was taken off the queue before one that it follows"
            waiting = [live[message.message_id] for message in order if message.message_id in returned & live.keys()]
            self._check_waiting(waiting, lost_the_lock=started >= held.until)

    @staticmethod
    def _check_waiting(waiting: Sequence[Message], *, lost_the_lock: bool) -> None:
        """`waiting` are texts of one conversation in the order of their delivery.

        SQS hands out what is before a hidden message: where that is another order than the queue's, the one that is
        first there is seen last.
        """
        in_queue = sorted(waiting, key=lambda message: message.sequence)
        seen_at = [message.visible_at for message in in_queue]
        alike = len(set(seen_at)) <= 1
        if in_queue == [*waiting]:
            assert alike or lost_the_lock, "a hidden follower blocks its conversation"
        else:
            last = len(set(seen_at[1:])) == 1 and seen_at[0] > seen_at[1]
            assert last or alike or lost_the_lock, "a text can get between the parts of one that waits"

    def _redrive(self, death: Moment | None) -> None:
        outputs = {"FailedQueueUrl": "failed", "ConversationsQueueUrl": "conversations"}
        life = Life(death, killed)
        sqs, ledger = self._mortal(self.sqs, life), self._mortal(self.ledger.operators, life)
        with suppress(ClientError, KilledError):
            Redrive(sqs=sqs, outputs=outputs, ledger=ledger, selection=Selection(), clock=self.clock.as_clock()).run()

    def _drain(self) -> None:
        started = self.clock.time
        while len(self.conversations):
            if held := self._receive(10):
                self._work(held)
            else:
                self.clock.time = min(
                    m.visible_at for m in self.conversations.messages() if m.visible_at > self.clock.time
                )
            self._promises()
            took = self.clock.time - started
            assert took <= self.drains_within, "does not drain by itself"
        self._promises()

    def _promises(self) -> None:
        self.nothing_is_broken()
        self.nothing_is_lost()
        self.nothing_is_shown_twice_or_half_without_an_event_that_explains_it()
        self.what_is_in_failed_was_meant_to_fail_and_says_why()
        self.no_queue_takes_the_same_thing_twice_within_five_minutes()

    def _remember(self) -> None:
        for message in self.conversations.messages():
            self.entries.setdefault(message.message_id, message)
        for message in self.failed.messages():
            self.failures.setdefault(message.message_id, message)

    def _on_part(self, showing: Showing, source: str, destination: str) -> None:
        """Nothing is shown before everything is done that comes before it: on the queue, and by time in its batch."""
        text = self.texts[showing.key]
        if (source, destination) != (text.customer, ARNS[text.destination]):
            self.broken.append(f"{text.key} was shown to another customer's chat")
        if any(earlier.loose for earlier in self.centre.of(text.key)):
            self.broken.append(f"a part of {text.key} was shown before the one before it was noted")
        self._remember()
        together = {message.message_id: message for message in self.batch}
        entry = min((message for message in self.batch if self._key(message) == text.key), key=self._order)
        for message in self.conversations.messages():
            other = self.texts[self._key(message)]
            same_conversation = (other.customer, other.destination) == (text.customer, text.destination)
            if other is text or not same_conversation or other.kind == "malformed" or self._done(message):
                continue
            if message.message_id in together:
                overtaken = self._order(together[message.message_id]) < self._order(entry)
            else:
                overtaken = message.sequence < entry.sequence
            if overtaken:
                self.broken.append(f"{text.key} overtook {other.key}")

    def _done(self, entry: Message) -> bool:
        """Whether nothing of this entry is still to be shown: its text was shown, or the entry failed and is a gap."""
        failed = {f.attributes["entry_id"]["StringValue"] for f in self.failures.values() if "entry_id" in f.attributes}
        return self._finished(self._key(entry)) or entry.message_id in failed

    def _was_meant_to_fail(self, text: Text, message: Message, said: dict[str, str]) -> bool:
        match said.get("error"):
            case "MalformedNotificationError":
                return text.kind == "malformed"
            case "UnknownNumberError":
                return text.kind == "unknown"
            case "RejectedError":
                return text.key in self.centre.rejected
            case None:
                return False
        age = message.sent_at - self.entries[said["entry_id"]].sent_at
        return said["reason"].startswith("gave up") and age >= self.config.limits.give_up_after - 1

    def _finished(self, key: str) -> bool:
        return key in self.ledger.table.items and self.ledger.record(key).state.finished

    def _five_minutes_apart(self, came: dict[tuple[str, str], float], what: tuple[str, str], message: Message) -> None:
        before = came.get(what)
        assert before is None or message.sent_at - before >= DEDUPLICATION_SECONDS, f"{what} was taken twice"
        came[what] = message.sent_at

    def _order(self, message: Message) -> tuple[int, float, int]:
        """What was received before stays ahead; what came for the first time is sorted by when it was sent."""
        return -message.receives, self.texts[self._key(message)].sent_at, message.sequence

    def _key(self, message: Message) -> str:
        """Bodies must come through untouched, so each is looked up as it was published."""
        return self._key_of[message.body]

    def _failed(self, stage: str, life: Life) -> DeadLetterQueue:
        return DeadLetterQueue(client=self._mortal(self.sqs, life), url="failed", stage=stage, now=self.clock.now)

    def _delete(self, message: Message) -> None:
        try:
            self.conversations.delete(message.receipt or "")
        except ReceiptError:
            return  # it comes again, and the ledger knows it

    @staticmethod
    def _mortal(of: object, life: Life) -> Any:
        return Mortal(of, life)

    @staticmethod
    def _pick(of: Sequence[T], pick: int) -> T:
        return of[pick % len(of)]


def in_turn_and_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ThreadPoolExecutor", InTurn)
    silent = dict.fromkeys(("debug", "info", "warning", "error"), lambda *_, **__: None)
    monkeypatch.setattr(logging, "logger", SimpleNamespace(**silent))


def play(machine: type[Bridge], monkeypatch: pytest.MonkeyPatch, *, examples: int) -> None:
    in_turn_and_silent(monkeypatch)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_the_promises_hold_whatever_happens_in_whatever_order(monkeypatch: pytest.MonkeyPatch) -> None:
    play(Bridge, monkeypatch, examples=120)
