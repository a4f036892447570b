"""Delivering a batch: each conversation's texts in order, conversations at the same time.

What is done with each class of trouble is decided here, and only here, for either direction: InOrder holds it, Courier
says how a customer's text gets into a chat. A text leaves with a Report; whoever runs a batch turns the reports into
visibility, partial failures, logs and metrics.
"""

from __future__ import annotations

import random
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

from bridge import compose
from bridge.backoff import blocked_wait, retry_wait
from bridge.compose import Accepted, NewSession, Part
from bridge.config import Config, Route
from bridge.entry import Entry
from bridge.errors import (
    BlockedError,
    BridgeError,
    LedgerError,
    NotFoundError,
    OutOfTimeError,
    PermanentError,
    QueueError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnexpectedError,
    UnknownNumberError,
    ending,
)
from bridge.known import Facts, Known
from bridge.notification import InboundSms
from bridge.pacing import Pacer

T = TypeVar("T")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
"""Seconds between calls for one part within a batch, doubling."""
_TURNS = 4
"""After so many turns missed in a row the wait for the next one doubles."""
_NO_CHAT = "a disconnect keyword, and nothing to show of it; Connect named no chat that it ended"


class Connect(Protocol):
    def send(self, part: Part, *, source: str, destination: str, session: NewSession) -> Accepted: ...


class StartChats(Protocol):
    def send(
        self, part: Part, *, number: int, sms: InboundSms, route: Route, session: NewSession, until: float
    ) -> Accepted: ...


class Memory(Protocol):
    def read(self, text_key: str) -> Known | None: ...
    def begun(self, text_key: str, facts: Facts, *, plan: compose.Plan) -> compose.Plan: ...
    def part_done(
        self,
        text_key: str,
        facts: Facts,
        *,
        plan: compose.Plan,
        part: int,
        parts: int,
        attempts: int,
        contact: str | None,
        new_chat: bool,
        entry_id: str,
        nothing_shown: str | None = None,
    ) -> Known: ...
    def given_back(self, text_key: str, facts: Facts, error: BridgeError, *, attempts: int, entry_id: str) -> None: ...
    def failed(
        self,
        text_key: str,
        facts: Facts,
        error: BridgeError,
        *,
        stage: str,
        attempts: int = 0,
        entry_id: str | None = None,
    ) -> None: ...
    def duplicate(self, text_key: str) -> None: ...


class DeadLetters(Protocol):
    def put(
        self,
        body: str,
        error: BridgeError,
        *,
        conversation: str,
        deduplication_id: str,
        text_key: str,
        attempts: int = 0,
        entry_id: str | None = None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as this module takes it; tests hand in one that they turn themselves."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one text in this batch.

    `wait` is the seconds for which a text that was given back stays hidden. `error` says why it failed or was given
    back; followers of a text that was given back have none. `waited` is the seconds that a text that was given back
    has been on its queue. `parts` counts those that were accepted now. "ended" is an entry that says that a chat ended.
    """

    entry: Entry
    result: Literal["forwarded", "failed", "ignored", "duplicate", "given back", "ended"]
    error: BridgeError | None = None
    wait: int = 0
    waited: int = 0
    parts: int = 0
    attempts: int = 0
    contact: str | None = None
    new_chat: bool = False
    gave_up: bool = False
    milliseconds: int | None = None
    defect: str | None = field(default=None, repr=False)


def jitter() -> float:
    """In [-1, 1]: what waits are spread by."""
    return random.uniform(-1, 1)  # noqa: S311 (jitter is no secret)


class InOrder(ABC):
    """Takes batches through, whatever is done with a text. One per environment: it holds the pace of its calls.

    `stage` is where the ledger says that a text failed.
    """

    def __init__(
        self,
        *,
        config: Config,
        ledger: Memory,
        failed: DeadLetters,
        pacer: Pacer,
        stage: str,
        clock: Clock | None = None,
        spread: Callable[[], float] = jitter,
    ) -> None:
        self._config, self._stage = config, stage
        self._ledger, self._failed, self._pacer = ledger, failed, pacer
        self._clock = clock or Clock()
        self._spread = spread

    def deliver(self, conversations: Sequence[Sequence[Entry]]) -> list[Report]:
        """Reports of all texts, none of which is missing; takes little longer than the batch deadline."""
        until = self._clock.monotonic() + self._config.limits.batch_deadline
        if len(conversations) == 1:
            return self.deliver_conversation(conversations[0], until=until)
        with ThreadPoolExecutor(max_workers=len(conversations) or 1) as pool:
            reports = pool.map(lambda texts: self.deliver_conversation(texts, until=until), conversations)
            return [report for of_one in reports for report in of_one]

    def deliver_conversation(self, entries: Sequence[Entry], *, until: float) -> list[Report]:
        """Texts of one conversation, in order. After one that must wait, its followers wait with it, untried.

        While one message of a group is hidden, SQS withholds those behind it: so all are hidden for the same time.
        """
        reports: list[Report] = []
        for number, entry in enumerate(entries):
            report = self._deliver(entry, until=until)
            if report.result == "given back":
                if isinstance(report.error, OutOfTimeError) and (reports or report.parts):
                    report = replace(report, wait=0)  # the conversation got on; nothing is wrong with it
                followers = entries[number + 1 :]
                return [
                    *reports,
                    report,
                    *(Report(entry=follower, result="given back", wait=report.wait) for follower in followers),
                ]
            reports.append(report)
        return reports

    def _deliver(self, entry: Entry, *, until: float) -> Report:
        attempt = Attempt(entry=entry)
        try:
            return self._forward(attempt, until=until)
        except PermanentError as exc:
            return self._give_up(attempt, exc)
        except (TransientError, BlockedError) as exc:
            return self._give_back(attempt, exc)
        except Exception as exc:
            # The message could quote what was texted; where it happened says enough.
            return self._give_back(
                attempt,
                UnexpectedError(f"a defect of the bridge: {type(exc).__name__}"),
                defect="".join(traceback.format_tb(exc.__traceback__)),
            )

    @abstractmethod
    def _forward(self, attempt: Attempt, *, until: float) -> Report:
        """What is to be done with one text. A BridgeError decides what becomes of it, by its class."""

    def _until_accepted(
        self,
        attempt: Attempt,
        call: Callable[[], T],
        *,
        until: float,
        turn: Callable[[float], bool] = lambda _: True,
        pacer: Pacer | None = None,
    ) -> T:
        """The answer to a call. Tries again while the deadline allows, each time at the pacer's pace.

        `turn` waits for a pace beside that one, and is False where its turn would come too late.
        """
        pacer = pacer or self._pacer
        pause, last = _FIRST_PAUSE, None
        while True:
            if not turn(until):
                raise last or OutOfTimeError("other texts to the same phone left no room for it in this batch")
            if not pacer.take(until=until):
                raise last or OutOfTimeError("the rate of calls left no room for it in this batch")
            attempt.called()
            try:
                answer = call()
            except TransientError as exc:
                last = exc
                if isinstance(exc, ThrottledError):
                    pacer.throttled()
            else:
                pacer.accepted()
                return answer
            wait = pause * (1 + 0.5 * self._spread())
            pause = min(2 * pause, _LONGEST_PAUSE)
            if self._clock.monotonic() + wait >= until:
                raise last
            self._clock.sleep(wait)

    def _milliseconds_since_sent(self, entry: Entry) -> int | None:
        sent_at = entry.sent_at
        return max(0, int((self._clock.now() - sent_at.timestamp()) * 1000)) if sent_at else None

    def _duplicate(self, entry: Entry) -> Report:
        with suppress(LedgerError):  # it is only counted there
            self._ledger.duplicate(entry.text_key)
        return Report(entry=entry, result="duplicate")

    def _give_up(self, attempt: Attempt, error: BridgeError, *, gave_up: bool = False) -> Report:
        """To failed, then into the ledger; killed between the two, the same happens again and SQS drops the second."""
        entry = attempt.entry
        try:
            self._failed.put(
                entry.body,
                error,
                conversation=entry.group,
                deduplication_id=entry.entry_id,
                text_key=entry.text_key,
                attempts=attempt.attempts,
                entry_id=entry.entry_id,
            )
            self._ledger.failed(
                entry.text_key,
                entry.facts,
                error,
                stage=self._stage,
                attempts=attempt.take_attempts(),
                entry_id=entry.entry_id,
            )
        except (QueueError, LedgerError) as exc:
            self._note_return(attempt, exc)
            return self._hidden(attempt, exc)
        return Report(entry=entry, result="failed", error=error, attempts=attempt.attempts, gave_up=gave_up)

    def _give_back(self, attempt: Attempt, error: BridgeError, *, defect: str | None = None) -> Report:
        entry, limits = attempt.entry, self._config.limits
        tried = not isinstance(error, OutOfTimeError)
        age = self._clock.now() - entry.queued_at
        if tried and age >= limits.give_up_after:
            return replace(
                self._give_up(attempt, type(error)(f"gave up after {_hours(age)}; last: {error}"), gave_up=True),
                defect=defect,
            )
        if tried:
            self._note_return(attempt, error)
        return replace(self._hidden(attempt, error), defect=defect)

    def _note_return(self, attempt: Attempt, error: BridgeError) -> None:
        """The text itself is safe in its queue. A ledger that has just refused is not asked again: time is short."""
        entry = attempt.entry
        attempt.noted = False
        if not isinstance(error, LedgerError):
            with suppress(LedgerError):
                self._ledger.given_back(
                    entry.text_key,
                    entry.facts,
                    error,
                    attempts=attempt.take_attempts(),
                    entry_id=entry.entry_id,
                )
                attempt.noted = True

    def _hidden(self, attempt: Attempt, error: BridgeError) -> Report:
        limits = self._config.limits
        if isinstance(error, BlockedError):
            wait = blocked_wait(pace=limits.blocked_retry, spread=self._spread())
        else:
            wait = retry_wait(
                retries=attempt.turns_missed if isinstance(error, OutOfTimeError) else attempt.returns,
                first=limits.retry_first,
                longest=limits.retry_longest,
                spread=self._spread(),
            )
        return Report(
            entry=attempt.entry,
            result="given back",
            error=error,
            wait=wait,
            waited=max(0, int(self._clock.now() - attempt.entry.queued_at)),
            parts=attempt.parts,
            attempts=attempt.attempts,
            new_chat=attempt.new_chat,
        )


class Courier(InOrder):
    """Delivers customers' texts as messages of a chat."""

    def __init__(
        self,
        *,
        config: Config,
        connect: Connect,
        ledger: Memory,
        failed: DeadLetters,
        pacer: Pacer,
        start_chat: tuple[StartChats, Pacer] | None = None,
        clock: Clock | None = None,
        spread: Callable[[], float] = jitter,
    ) -> None:
        """`start_chat` for routes that have it, with the pace of its messages."""
        super().__init__(
            config=config,
            ledger=ledger,
            failed=failed,
            pacer=pacer,
            stage="forward",
            clock=clock,
            spread=spread,
        )
        self._connect, self._start_chat = connect, start_chat

    def _forward(self, attempt: Attempt, *, until: float) -> Report:
        entry = attempt.entry
        sms = entry.inbound_sms()
        known = self._ledger.read(sms.text_key)
        attempt.noted_returns = known.retries if known else 0
        if known and known.finished:
            return self._duplicate(entry)
        route = self._route(sms)
        chat = self._config.chat
        plan = known.plan if known and known.plan else self._plan(sms, entry)
        parts = compose.parts(sms, plan, chat)
        session = compose.new_session(sms, route, chat)
        part = known.parts_done if known else 0
        while part < len(parts):
            accepted = self._send(attempt, parts, part, sms=sms, route=route, session=session, until=until)
            attempt.accepted(accepted)
            known = self._ledger.part_done(
                sms.text_key,
                entry.facts,
                plan=plan,
                part=part,
                parts=len(parts),
                attempts=attempt.take_attempts(),
                contact=accepted.contact if accepted else None,
                new_chat=bool(accepted and accepted.new_chat),
                entry_id=entry.entry_id,
                nothing_shown=None if accepted or len(parts) > 1 else _NO_CHAT,
            )
            part = known.parts_done
            if known.plan and known.plan != plan:  # another worker cut it otherwise, and got further
                plan = known.plan
                parts = compose.parts(sms, plan, chat)
        return Report(
            entry=entry,
            result="ignored" if known and known.outcome == "ignored" else "forwarded",
            parts=attempt.parts,
            attempts=attempt.attempts,
            contact=known.contact if known else None,
            new_chat=attempt.new_chat,
            milliseconds=self._milliseconds_since_sent(entry),
        )

    def _plan(self, sms: InboundSms, entry: Entry) -> compose.Plan:
        """How a text is cut, kept before the first of several parts is sent: that one may be taken and its answer lost,
        and its client token would then stop a part that was cut otherwise, with all that is only in there."""
        chat, limits = self._config.chat, self._config.limits
        plan = compose.plan(sms, sent_at=entry.sent_at, now=self._clock.now(), chat=chat, limits=limits)
        if len(compose.parts(sms, plan, chat)) > 1:
            return self._ledger.begun(sms.text_key, entry.facts, plan=plan)
        return plan

    def _route(self, sms: InboundSms) -> Route:
        try:
            return self._config.routes[sms.destination_number]
        except KeyError as exc:
            raise UnknownNumberError(
                f"bridge.toml has no number {ending(sms.destination_number)}: add a [[numbers]] block, deploy, redrive"
            ) from exc

    def _send(
        self,
        attempt: Attempt,
        parts: Sequence[Part],
        number: int,
        *,
        sms: InboundSms,
        route: Route,
        session: NewSession,
        until: float,
    ) -> Accepted | None:
        """Connect's answer to part `number`; None for a DISCONNECT that found no chat.

        How Connect says that there is no chat to end is not documented for certain: an answer without a contact, by
        the reference of the API; or one of these errors.
        """
        part = parts[number]
        start_chat, pacer = self._start_chat if route.start_chat and self._start_chat else (None, None)
        if route.start_chat and start_chat is None:  # never by the other API, which the account may not call
            raise UnexpectedError(
                "a number has start-chat delivery, and the function's environment lacks what it needs"
            )

        def send() -> Accepted | None:
            try:
                accepted = (
                    start_chat.send(part, number=number, sms=sms, route=route, session=session, until=until)
                    if start_chat
                    else self._connect.send(part, source=sms.origination_number, destination=route.arn, session=session)
                )
            except (RejectedError, NotFoundError):
                if part.type == "DISCONNECT":
                    return None
                raise
            return None if part.type == "DISCONNECT" and accepted.contact is None else accepted

        return self._until_accepted(attempt, send, until=until, pacer=pacer)


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What has happened to one text in this batch so far."""

    entry: Entry
    noted_returns: int | None = None
    """How often the text was given back before, once the ledger has said so."""
    noted: bool = True
    """Whether the ledger knows of this return, too."""
    attempts: int = 0
    parts: int = 0
    new_chat: bool = False
    _unwritten: int = 0

    def called(self) -> None:
        self.attempts += 1
        self._unwritten += 1

    def accepted(self, accepted: Accepted | None) -> None:
        if accepted:
            self.parts += 1
            self.new_chat = self.new_chat or accepted.new_chat

    def take_attempts(self) -> int:
        """Those that the ledger has not been told of yet."""
        taken, self._unwritten = self._unwritten, 0
        return taken

    @property
    def returns(self) -> int:
        """How often the text was given back before. SQS's receive count is more than that, since followers are
        received with their head and not tried: it serves only where the ledger cannot keep count."""
        if self.noted and self.noted_returns is not None:
            return self.noted_returns
        return max(self.noted_returns or 0, self.entry.receive_count - 1)

    @property
    def turns_missed(self) -> int:
        """How a text that was not tried at all is hidden: soon again at first, since nothing is wrong with it, but
        not for ever, since SQS counts each receive against maxReceiveCount."""
        return (self.entry.receive_count - 1) // _TURNS


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
