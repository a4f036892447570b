"""Fakes of the services that a message handler calls. Each records its calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.errors import BridgeError, LedgerError, NotFoundError, QueueError, RejectedError
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.result import Delivered, Failed, Result, Retry, Skipped
from bridge.replies.participants import Participants
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, NoOpenChat, PartRequest
from testing.clock import FakeClock

Answer = Accepted | NoOpenChat | Exception | Callable[[ChatPart], "Accepted | Exception"]


def outcome(result: Result) -> str:
    """A result as one word, for assertions on several results."""
    match result:
        case Delivered():
            return "forwarded"
        case Skipped():
            return result.reason
        case Failed():
            return "failed"
        case Retry():
            return "retry"


def delivered(result: Result) -> Delivered:
    assert isinstance(result, Delivered), result
    return result


def failure(result: Result) -> Failed:
    assert isinstance(result, Failed), result
    return result


def retry(result: Result) -> Retry:
    assert isinstance(result, Retry), result
    return result


class Scripted:
    """Accepts every part after `answers` are used up. `always`: an error that every call raises."""

    def __init__(self, answers: Iterable[Answer] = (), *, clock: FakeClock | None = None, seconds: float = 0) -> None:
        self.answers = list(answers)
        self.always: Exception | None = None
        self.tried: list[str] = []
        """Contents of all calls, in order; "DISCONNECT" for the end of a chat."""
        self.sessions: list[tuple[str, Mapping[str, str]]] = []
        """Display name and attributes for new chats."""
        self._clock, self._seconds = clock or FakeClock(), seconds

    @property
    def contents(self) -> list[str]:
        """Contents that were shown."""
        raise NotImplementedError

    @property
    def coming(self) -> Answer | None:
        return self.always or (self.answers[0] if self.answers else None)

    def next(self, part: ChatPart) -> Accepted | NoOpenChat | None:
        """The next scripted answer, or None. Every call takes `seconds`."""
        self._clock.time += self._seconds
        answer = self.coming
        if self.answers and not self.always:
            self.answers.pop(0)
        if callable(answer):
            answer = answer(part)
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeTransport(Scripted):
    """A transport with one chat per customer. `calls`: its requests. `shown`: customer and content."""

    idempotent = False

    def __init__(
        self,
        answers: Iterable[Answer] = (),
        *,
        rate_limiter: RateLimiter,
        clock: FakeClock | None = None,
        seconds: float = 0,
    ) -> None:
        super().__init__(answers, clock=clock, seconds=seconds)
        self._rate_limiter = rate_limiter
        self.calls: list[PartRequest] = []
        self.shown: list[tuple[str, str]] = []
        self._chats: dict[str, str] = {}
        self._contacts = itertools.count(1)

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        return self._rate_limiter.call(
            lambda: self._send(request), deadline=request.deadline, key=request.sms.conversation_id
        )

    def _send(self, request: PartRequest) -> Accepted | NoOpenChat:
        part, customer, session = request.part, request.sms.origination_number, request.session
        content = part.content if part.type == "MESSAGE" else part.type
        self.calls.append(request)
        self.tried.append(content)
        self.sessions.append((session.display_name, session.attributes))
        try:
            answer = self.next(part) or self._accepted(customer, ends_chat=part.type == "DISCONNECT")
        except (RejectedError, NotFoundError):  # as in a real transport
            if part.type == "DISCONNECT":
                return NoOpenChat()
            raise
        self.shown.append((customer, content))
        return answer

    @property
    def contents(self) -> list[str]:
        return [content for _, content in self.shown]

    def _accepted(self, customer: str, *, ends_chat: bool) -> Accepted | NoOpenChat:
        if ends_chat:
            contact = self._chats.pop(customer, None)
            return Accepted(contact) if contact is not None else NoOpenChat()
        new = customer not in self._chats
        contact = self._chats.setdefault(customer, f"contact-{next(self._contacts)}" if new else "")
        return Accepted(contact, new_chat=new)


class FakeQueue:
    """A FIFO queue that records messages and delays. `broken`: number of next calls that fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        """Body, group id, deduplication id."""
        self.delays: list[tuple[str, int]] = []
        """Receipt handle, seconds."""
        self.broken = 0

    def send(self, body: str, *, group_id: str, deduplication_id: str) -> None:
        self._fail()
        self.sent.append((body, group_id, deduplication_id))

    def change_visibility(self, delays: Sequence[tuple[str, int]]) -> None:
        self._fail()
        self.delays += delays

    def _fail(self) -> None:
        if self.broken > 0:
            self.broken -= 1
            raise QueueError("the queue is broken")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    body: str
    error: BridgeError
    group_id: str
    deduplication_id: str
    key: str
    attempts: int
    message_id: str | None


class FakeDeadLetters:
    """A dead-letter queue. `broken`: number of next calls that fail."""

    def __init__(self) -> None:
        self.messages: list[DeadLetter] = []
        self.broken = 0

    def send(
        self,
        body: str,
        error: BridgeError,
        *,
        group_id: str,
        deduplication_id: str,
        key: str,
        attempts: int = 0,
        message_id: str | None = None,
    ) -> None:
        if self.broken > 0:
            self.broken -= 1
            raise QueueError("the failed queue is broken")
        self.messages.append(DeadLetter(body, error, group_id, deduplication_id, key, attempts, message_id))


SmsAnswer = Exception | Callable[[str], None]


class FakePhones:
    """End User Messaging. `calls`: time and phone of each; `sent`: phone, origin, body."""

    def __init__(self, answers: Iterable[SmsAnswer] = (), *, clock: FakeClock) -> None:
        self.answers = list(answers)
        self.always: Exception | None = None
        self.calls: list[tuple[float, str]] = []
        self.sent: list[tuple[str, str, str]] = []
        self._clock = clock

    def send(self, body: str, *, to: str, origin: str) -> None:
        self.calls.append((self._clock.time, to))
        answer = self.always or (self.answers.pop(0) if self.answers else None)
        if isinstance(answer, Exception):
            raise answer
        if answer:
            answer(body)
        self.sent.append((to, origin, body))

    @property
    def bodies(self) -> list[str]:
        return [body for _, _, body in self.sent]


class FakeChatSessions:
    """Chats that the bridge started, by InitialContactId. `broken`: number of next calls that fail.

    `claims`: contact and seconds.
    """

    def __init__(self, participants: Mapping[str, Participants]) -> None:
        self.participants_of = dict(participants)
        self.ended: list[str] = []
        self.offers: list[tuple[str, tuple[str, ...]]] = []
        self.claims: list[tuple[str, float]] = []
        self.broken = 0

    def claim_phone(self, initial_contact_id: str, *, seconds: float) -> tuple[Participants | None, float]:
        self._fail()
        self.claims.append((initial_contact_id, seconds))
        return self.participants_of.get(initial_contact_id), 0.0

    def end(self, initial_contact_id: str) -> None:
        self._fail()
        self.ended.append(initial_contact_id)

    def save_options(self, initial_contact_id: str, options: tuple[str, ...]) -> None:
        self.offers.append((initial_contact_id, options))
        participants = self.participants_of[initial_contact_id]
        self.participants_of[initial_contact_id] = Participants(
            customer_number=participants.customer_number,
            business_number=participants.business_number,
            business_number_arn=participants.business_number_arn,
            options=options,
        )

    def _fail(self) -> None:
        if self.broken > 0:
            self.broken -= 1
            raise LedgerError("the table of chats is broken")


class FakeAgentLine:
    """Messages to agents. `told`: contact and line. `answers`: errors that the next calls raise."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.links: dict[str, str] = {}
        self.answers: list[Exception] = []

    def tell_agent(self, initial_contact_id: str, line: str) -> None:
        self._fail()
        self.told.append((initial_contact_id, line))

    def attachment_link(self, initial_contact_id: str, attachment_id: str) -> str | None:
        self._fail()
        return self.links.get(attachment_id)

    def _fail(self) -> None:
        if self.answers:
            raise self.answers.pop(0)
