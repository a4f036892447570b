"""Harnesses of the functions: real processor, handler and ledger, with fakes and a clock that tests advance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from bridge import logging
from bridge.aws.chat_sessions import ChatSessions
from bridge.aws.start_chat import AgentLine, StartChat
from bridge.config import Config, Delivery
from bridge.errors import TransientError
from bridge.metrics import REPLY, TEXT
from bridge.processing.batch import DeadLetterQueue, FifoBatchProcessor, Queue
from bridge.processing.intake import NotificationIntake
from bridge.processing.message import QueueMessage
from bridge.processing.notification import SnsNotification
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.result import Result
from bridge.replies import chat_events
from bridge.replies.delivery import ReplyDelivery
from bridge.replies.participants import Participants
from bridge.texts import sms_event
from bridge.texts.chat_messages import ChatPart, new_session
from bridge.texts.delivery import Accepted, ChatTransport, NoOpenChat, PartRequest, TextDelivery
from bridge.texts.sms_event import InboundSms
from testing.builders import (
    ARN,
    BUSINESS_NUMBER,
    CONFIG,
    CUSTOMER,
    DELIVERIES,
    OTHER_CUSTOMER,
    payload,
    record,
    starting_chats,
)
from testing.chat_events import CHAT, OTHER_CHAT
from testing.chat_services import ChatServices
from testing.clock import FakeClock
from testing.fakes import (
    Answer,
    FakeAgentLine,
    FakeChatSessions,
    FakeDeadLetters,
    FakePhones,
    FakeQueue,
    FakeTransport,
    SmsAnswer,
)
from testing.ledger import TableLedger
from testing.models.table import Table

STREAMING_TOPIC = "arn:aws:sns:us-east-1:111122223333:streaming"
OTHER_BUSINESS_NUMBER, ARN_TOO = "+12125550102", ARN[:-1] + "0"


class ForwardHarness:
    """The forward function. `connect`: fake behind the transport of the delivery; `other`: that of the other delivery.

    The start-chat transport is the real one, with its chats in `table`.
    """

    def __init__(
        self,
        delivery: Delivery = "integration-event",
        config: Config = CONFIG,
        *,
        answers: Iterable[Answer] = (),
        call_seconds: float = 0,
        clock: FakeClock | None = None,
        queue: Queue | None = None,
        dead_letters: DeadLetterQueue | None = None,
        ledger: TableLedger | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.ledger = ledger or TableLedger(clock=self.clock)
        self.dead_letters, self.queue = FakeDeadLetters(), FakeQueue()
        self.table = Table(by="chat_key")
        self.chats = chat_sessions(self.table, self.clock)
        chat_services = ChatServices(clock=self.clock, seconds=call_seconds)
        limiters = {name: _rate_limiter(config, self.clock) for name in DELIVERIES}
        events = FakeTransport(clock=self.clock, seconds=call_seconds, rate_limiter=limiters["integration-event"])
        self.connect: FakeTransport | ChatServices
        self.other: FakeTransport | ChatServices
        by_events = delivery == "integration-event"
        self.connect, self.other = (events, chat_services) if by_events else (chat_services, events)
        self.connect.answers = list(answers)
        self.rate_limiter = limiters[delivery]
        """Limits the calls that show a part."""
        self.transports: dict[Delivery, ChatTransport] = {
            "integration-event": events,
            "start-chat": start_chat(chat_services, self.chats, self.clock, message_limiter=limiters["start-chat"]),
        }
        config = config if by_events else starting_chats(config)
        self.processor = FifoBatchProcessor(
            handler=TextDelivery(
                config=config, ledger=self.ledger, transports=self.transports, clock=self.clock.as_clock()
            ),
            parse=sms_event.parse,
            limits=config.limits,
            queue=queue or self.queue,
            dead_letters=dead_letters or self.dead_letters,
            ledger=self.ledger,
            reporter=logging.Reporter(TEXT),
            clock=self.clock.as_clock(),
            jitter=lambda: 0.0,
        )

    def process(self, groups: Sequence[Sequence[QueueMessage[InboundSms]]]) -> list[Result]:
        return self.processor.process(groups)

    def handle(self, *records: dict[str, Any]) -> dict[str, Any]:
        """One event of the queue, as Lambda delivers it."""
        return self.processor.handle({"Records": list(records)})


class ReplyHarness:
    """The reply function."""

    def __init__(
        self,
        config: Config = CONFIG,
        *,
        answers: Iterable[SmsAnswer] = (),
        clock: FakeClock | None = None,
        queue: Queue | None = None,
        dead_letters: DeadLetterQueue | None = None,
        ledger: TableLedger | None = None,
        chats: ChatSessions | None = None,
    ) -> None:
        """`chats`: in place of `self.chats`."""
        self.clock = clock or FakeClock()
        self.phones, self.agents = FakePhones(answers, clock=self.clock), FakeAgentLine()
        self.chats = FakeChatSessions(
            {
                CHAT: Participants(customer_number=CUSTOMER, business_number=BUSINESS_NUMBER, business_number_arn=ARN),
                OTHER_CHAT: Participants(
                    customer_number=OTHER_CUSTOMER, business_number=OTHER_BUSINESS_NUMBER, business_number_arn=ARN_TOO
                ),
            }
        )
        self.ledger = ledger or TableLedger(clock=self.clock, stage="reply")
        self.dead_letters, self.queue = FakeDeadLetters(), FakeQueue()
        self.processor = FifoBatchProcessor(
            handler=ReplyDelivery(
                chats=chats or self.chats,
                agents=self.agents,
                phones=self.phones,
                ledger=self.ledger,
                rate_limiter=RateLimiter(rate=1000, environments=1, clock=self.clock.as_clock()),
                max_lost_answers=config.limits.max_lost_answers,
                clock=self.clock.as_clock(),
            ),
            parse=chat_events.parse,
            limits=config.limits,
            queue=queue or self.queue,
            dead_letters=dead_letters or self.dead_letters,
            ledger=self.ledger,
            reporter=logging.Reporter(REPLY),
            clock=self.clock.as_clock(),
            jitter=lambda: 0.0,
        )

    def handle(self, *records: dict[str, Any]) -> dict[str, Any]:
        """One event of the queue, as Lambda delivers it."""
        return self.processor.handle({"Records": list(records)})


class IntakeHarness:
    """The intake function, or with `direction` reply-intake."""

    def __init__(self, direction: Literal["text", "reply"] = "text") -> None:
        self.clock = FakeClock()
        self.queue, self.dead_letters = FakeQueue(), FakeDeadLetters()
        texts = direction == "text"
        self.ledger = TableLedger(clock=self.clock, stage="intake" if texts else "reply-intake")
        parse: Any = sms_event.parse if texts else chat_events.parse
        self.intake: NotificationIntake[Any] = NotificationIntake(
            parse=parse,
            queue=self.queue,
            dead_letters=self.dead_letters,
            ledger=self.ledger,
            receipts=self.ledger,
            reporter=logging.Reporter(TEXT if texts else REPLY),
            ledger_has_ignored=texts,
            clock=self.clock.as_clock(),
        )

    def handle(self, *records: dict[str, Any]) -> None:
        """One event of SNS, as Lambda delivers it."""
        self.intake.handle({"Records": list(records)})


class StartChatHarness:
    """The transport of start-chat delivery, over chat sessions in a table."""

    def __init__(self, *, rates: Mapping[str, Any] | None = None, **how: Any) -> None:
        self.clock = FakeClock()
        self.connect = ChatServices(self.clock)
        self.chats = chat_sessions(Table(by="chat_key"), self.clock)
        self.transport = start_chat(self.connect, self.chats, self.clock, **rates or {})
        self.agents = AgentLine(participant=self.connect, chats=self.chats)
        self.route = starting_chats(**how).routes[BUSINESS_NUMBER]

    def send(
        self,
        content: str | ChatPart,
        *,
        key: str = "text",
        number: int = 0,
        customer: str = CUSTOMER,
        deadline: float | None = None,
    ) -> Accepted | NoOpenChat:
        part = ChatPart("MESSAGE", content) if isinstance(content, str) else content
        sms = inbound_sms(key, customer=customer)
        request = PartRequest(
            part=part,
            number=number,
            sms=sms,
            route=self.route,
            session=new_session(sms, self.route, CONFIG.chat),
            deadline=self.clock.time + 10 if deadline is None else deadline,
        )
        return self.transport.send(request)

    @property
    def contents(self) -> list[tuple[str, str]]:
        return self.connect.shown

    def send_until_accepted(self, content: str, *, key: str, number: int = 0) -> Accepted:
        """Repeat the call while it raises a TransientError."""
        while True:
            try:
                answer = self.send(content, key=key, number=number)
            except TransientError:
                continue
            assert isinstance(answer, Accepted)
            return answer


def inbound_sms(key: str, *, customer: str = CUSTOMER) -> InboundSms:
    sms = payload("hi", inboundMessageId=key, originationNumber=customer)
    return sms_event.parse(SnsNotification.from_record(record(sms))).required()


def start_chat(
    services: Any,
    chats: ChatSessions,
    clock: FakeClock,
    *,
    message_limiter: RateLimiter | None = None,
    **rates: float,
) -> StartChat:
    """`rates` in calls per second, by limiter (`start`, `connection`, `disconnect`); 1000 where none is given."""

    def limiter(name: str) -> RateLimiter:
        return RateLimiter(rate=rates.get(name, 1000), environments=1, clock=clock.as_clock())

    return StartChat(
        connect=services,
        participant=services,
        chats=chats,
        message_limiter=message_limiter or limiter("message"),
        start_limiter=limiter("start"),
        connection_limiter=limiter("connection"),
        disconnect_limiter=limiter("disconnect"),
        streaming_topic_arn=STREAMING_TOPIC,
        clock=clock.as_clock(),
    )


def chat_sessions(table: Any, clock: FakeClock) -> ChatSessions:
    return ChatSessions(client=table, table="chats", now=clock.now)


def _rate_limiter(config: Config, clock: FakeClock) -> RateLimiter:
    limits = config.limits
    return RateLimiter(rate=limits.connect_rate, environments=limits.max_concurrency, clock=clock.as_clock())
