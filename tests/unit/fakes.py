"""Collaborators of the functions, as small as they can be and still behave; each keeps what it was told."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bridge.compose import Accepted, NewSession, Part, Plan
from bridge.config import Chat, Config, Limits, Route
from bridge.delivery import Clock
from bridge.entry import Entry
from bridge.errors import BridgeError, LedgerError, QueueError
from bridge.known import Facts, Known, Outcome

CUSTOMER, OTHER_CUSTOMER = "+14255550182", "+14255550183"
OURS = "+12125550101"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

CONFIG = Config(
    chat=Chat(
        disconnect_keywords=("STOP",),
        show_disconnect_keyword=True,
        empty_message="(empty message)",
        late_message="(sent {sent})",
        body_attribute="",
        supported_content_types=("text/plain",),
    ),
    limits=Limits(
        connect_rate=1000,
        start_chat_rate=100,
        connection_rate=100,
        message_rate=100,
        disconnect_rate=100,
        sms_rate=100,
        max_concurrency=2,
        part_length=1024,
        mark_late_after=900,
        give_up_after=21_600,
        call_timeout=5,
        batch_deadline=10,
        retry_first=5,
        retry_longest=300,
        blocked_retry=120,
    ),
    routes={OURS: Route(arn=ARN, display_name="{customer}", attributes={"queue": "sales"}, streaming_topic_arn=None)},
)

_ids = itertools.count(1)


def payload(body: object = "Hello", **changes: object) -> dict[str, Any]:
    """What EUM publishes; a change to None is a null, to ... takes the field out."""
    fields = {
        "originationNumber": CUSTOMER,
        "destinationNumber": OURS,
        "messageKeyword": "KEYWORD_111122223333",
        "messageBody": body,
        "inboundMessageId": f"text-{next(_ids)}",
        "previousPublishedMessageId": None,
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def record(message: object = None, *, sent_at: datetime | str = NOON, **sns: object) -> dict[str, Any]:
    """A record as Lambda gets it from SNS. `message` is a payload, or text that is published as it stands."""
    message = payload() if message is None else message
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:111122223333:inbound:6bd6a5d2",
        "Sns": {
            "Type": "Notification",
            "MessageId": f"sns-{next(_ids)}",
            "TopicArn": "arn:aws:sns:us-east-1:111122223333:inbound",
            "Subject": None,
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": sent_at if isinstance(sent_at, str) else sent_at.isoformat().replace("+00:00", ".000Z"),
            "MessageAttributes": {},
        }
        | sns,
    }


def sqs_record(
    message: object = None,
    *,
    group: str = "group-1",
    sent_at: datetime | str = NOON,
    queued_at: datetime = NOON,
    receive_count: int = 1,
    body: str | None = None,
) -> dict[str, Any]:
    """A message of the conversations queue as the event source mapping hands it over."""
    number = next(_ids)
    return {
        "messageId": f"entry-{number}",
        "receiptHandle": f"handle-{number}",
        "body": body if body is not None else json.dumps(record(message, sent_at=sent_at)),
        "attributes": {
            "ApproximateReceiveCount": str(receive_count),
            "SentTimestamp": str(int(queued_at.timestamp() * 1000)),
            "MessageGroupId": group,
            "MessageDeduplicationId": f"dedup-{number}",
            "SequenceNumber": f"{number:020}",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def entry(message: object = None, **arguments: Any) -> Entry:
    return Entry.from_record(sqs_record(message, **arguments))


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now.timestamp()
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def as_clock(self) -> Clock:
        return Clock(now=self.now, monotonic=self.now, sleep=self.sleep)


Answer = Accepted | Exception | Callable[[Part], "Accepted | Exception"]


class Scripted:
    """Accepts everything, but for what stands in `answers`, which is used up first; or `always` the same trouble."""

    def __init__(self, answers: Iterable[Answer] = (), *, clock: FakeClock | None = None, seconds: float = 0) -> None:
        self.answers = list(answers)
        self.always: Exception | None = None
        self.calls: list[Any] = []
        self.tried: list[str] = []
        """What it was asked to show, in order; "DISCONNECT" for the end of a chat."""
        self.sessions: list[tuple[str, Mapping[str, str]]] = []
        """What it was told for new chats: display name and attributes."""
        self._clock, self._seconds = clock or FakeClock(), seconds

    @property
    def contents(self) -> list[str]:
        """What it showed."""
        raise NotImplementedError

    @property
    def coming(self) -> Answer | None:
        return self.always or (self.answers[0] if self.answers else None)

    def next(self, part: Part) -> Accepted | None:
        """None where nothing is planned. Every call takes its time."""
        self._clock.time += self._seconds
        answer = self.coming
        if self.answers and not self.always:
            self.answers.pop(0)
        if callable(answer):
            answer = answer(part)
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeConnect(Scripted):
    """Chats by customer, for chat integration events. `calls`: customer, part, session; `shown`: customer, content."""

    def __init__(self, answers: Iterable[Answer] = (), *, clock: FakeClock | None = None, seconds: float = 0) -> None:
        super().__init__(answers, clock=clock, seconds=seconds)
        self.shown: list[tuple[str, str]] = []
        self._chats: dict[str, str] = {}
        self._contacts = itertools.count(1)

    def send(self, part: Part, *, source: str, destination: str, session: NewSession) -> Accepted:
        content = part.content if part.type == "MESSAGE" else part.type
        self.calls.append((source, part, session))
        self.tried.append(content)
        self.sessions.append((session.display_name, session.attributes))
        answer = self.next(part) or self._accepted(source, ends_chat=part.type == "DISCONNECT")
        self.shown.append((source, content))
        return answer

    @property
    def contents(self) -> list[str]:
        return [content for _, content in self.shown]

    def _accepted(self, source: str, *, ends_chat: bool) -> Accepted:
        if ends_chat:
            return Accepted(self._chats.pop(source, None), False)
        new = source not in self._chats
        return Accepted(self._chats.setdefault(source, f"contact-{next(self._contacts)}" if new else ""), new)


@dataclass
class Noted:
    known: Known
    facts: Facts = field(default_factory=Facts)
    attempts: int = 0
    duplicates: int = 0
    reason: str | None = None
    error: str | None = None
    received_at: float | None = None
    failed_entry: str | None = None
    redriven_at: datetime | None = None


NOTHING = Known(outcome="pending", plan=None, parts_done=0, retries=0, contact=None, new_chat=False)


class FakeLedger:
    """A dictionary with the ledger's conditions. `broken` names methods that raise, as often as it says."""

    def __init__(self) -> None:
        self.texts: dict[str, Noted] = {}
        self.broken: dict[str, int] = {}

    def read(self, text_key: str) -> Known | None:
        self._maybe("read")
        noted = self.texts.get(text_key)
        return noted.known if noted else None

    def received(self, text_key: str, facts: Facts, *, stage: str, at: float) -> None:
        self._maybe("received")
        noted = self.texts.setdefault(text_key, Noted(NOTHING, facts))
        if noted.received_at is None:
            noted.received_at = at

    def begun(self, text_key: str, facts: Facts, *, plan: Plan) -> Plan:
        self._maybe("begun")
        noted = self._noted(text_key, facts, 0)
        noted.known = replace(noted.known, plan=noted.known.plan or plan)
        return noted.known.plan or plan

    def part_done(
        self,
        text_key: str,
        facts: Facts,
        *,
        plan: Plan,
        part: int,
        parts: int,
        attempts: int,
        contact: str | None,
        new_chat: bool,
        entry_id: str,
        nothing_shown: str | None = None,
    ) -> Known:
        self._maybe("part_done")
        noted = self._noted(text_key, facts, attempts)
        if noted.known.parts_done == part:
            outcome: Outcome = "pending" if part + 1 < parts else "ignored" if nothing_shown else "forwarded"
            stays = part + 1 < parts and noted.failed_entry == entry_id
            outcome = noted.known.outcome if stays else outcome
            noted.known = replace(
                noted.known, outcome=outcome, plan=plan, parts_done=part + 1, contact=contact, new_chat=new_chat
            )
            if not stays:
                noted.reason, noted.error = nothing_shown, None
        return noted.known

    def given_back(self, text_key: str, facts: Facts, error: BridgeError, *, attempts: int, entry_id: str) -> None:
        self._maybe("given_back")
        noted = self._noted(text_key, facts, attempts)
        if not noted.known.finished and noted.failed_entry != entry_id:
            noted.known = replace(noted.known, outcome="pending", retries=noted.known.retries + 1)
            noted.reason, noted.error = str(error), error.code

    def failed(
        self,
        text_key: str,
        facts: Facts,
        error: BridgeError,
        *,
        stage: str,
        attempts: int = 0,
        entry_id: str | None = None,
    ) -> None:
        self._maybe("failed")
        noted = self._noted(text_key, facts, attempts)
        if not noted.known.finished:
            noted.known = replace(noted.known, outcome="failed")
            noted.reason, noted.error, noted.failed_entry = str(error), error.code, entry_id or text_key

    def ignored(self, text_key: str, facts: Facts, reason: str, *, stage: str) -> None:
        self._maybe("ignored")
        noted = self._noted(text_key, facts, 0)
        noted.known, noted.reason = replace(noted.known, outcome="ignored"), reason

    def duplicate(self, text_key: str) -> None:
        self._maybe("duplicate")
        self.texts[text_key].duplicates += 1

    def redriven(self, text_key: str, *, entry: str, at: datetime) -> None:
        """As an operator notes it."""
        noted = self.texts.get(text_key)
        if noted:
            noted.redriven_at = at
            if noted.known.outcome == "failed" and noted.failed_entry == entry:
                noted.known = replace(noted.known, outcome="pending")

    def discarded(self, text_key: str, *, entry: str | None, at: datetime) -> bool:
        """As an operator notes it; without an entry what SQS itself moved. Says whether the note held."""
        self._maybe("discarded")
        noted = self.texts.get(text_key)
        if noted is None or (noted.known.outcome, entry) not in (("pending", None), ("failed", noted.failed_entry)):
            return False
        noted.known = replace(noted.known, outcome="discarded")
        return True

    def outcome(self, text_key: str) -> str:
        return self.texts[text_key].known.outcome

    def _noted(self, text_key: str, facts: Facts, attempts: int) -> Noted:
        noted = self.texts.setdefault(text_key, Noted(NOTHING))
        noted.facts = facts
        noted.attempts += attempts
        return noted

    def _maybe(self, method: str) -> None:
        if self.broken.get(method, 0) > 0:
            self.broken[method] -= 1
            raise LedgerError(f"{method} is broken")


@dataclass
class DeadLetter:
    body: str
    error: BridgeError
    conversation: str
    deduplication_id: str
    text_key: str
    attempts: int
    entry_id: str | None


class FakeFailed:
    def __init__(self) -> None:
        self.entries: list[DeadLetter] = []
        self.broken = 0

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
    ) -> None:
        if self.broken > 0:
            self.broken -= 1
            raise QueueError("the failed queue is broken")
        self.entries.append(DeadLetter(body, error, conversation, deduplication_id, text_key, attempts, entry_id))


def with_chat(**changes: Any) -> Config:
    return replace(CONFIG, chat=replace(CONFIG.chat, **changes))


def with_limits(**changes: Any) -> Config:
    return replace(CONFIG, limits=replace(CONFIG.limits, **changes))
