"""Forward's courier among fakes, by either way into a chat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from bridge.chats import Chats
from bridge.config import Config, StartChatRoute
from bridge.delivery import Courier, DeadLetters
from bridge.pacing import Pacer
from bridge.start_chat import StartChat
from tests.model.table import Table
from tests.unit.chat_services import ChatServices
from tests.unit.fakes import CONFIG, Answer, FakeClock, FakeConnect, FakeFailed, FakeLedger

Delivery = Literal["integration-event", "start-chat"]
DELIVERIES: tuple[Delivery, ...] = ("integration-event", "start-chat")
STREAMING_TOPIC = "arn:aws:sns:us-east-1:111122223333:streaming"
HOW = StartChatRoute(instance_id="instance", contact_flow_id="flow", chat_minutes=1500, first_text="message")


class Stage:
    """A Courier, its time standing still and its jitter zero.

    `connect` is what texts are to reach; `other` is the way that they are not to take. Of start-chat, the way into the
    chat is the real one, over `chats` in a table.
    """

    def __init__(
        self,
        delivery: Delivery = "integration-event",
        config: Config = CONFIG,
        *,
        answers: Iterable[Answer] = (),
        call_seconds: float = 0,
        clock: FakeClock | None = None,
        failed: DeadLetters | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.ledger, self.failed = FakeLedger(), FakeFailed()
        self.table = Table(by="chat_key")
        self.chats = open_chats(self.table, self.clock)
        self.connect: FakeConnect | ChatServices
        self.other: FakeConnect | ChatServices
        chat_services = ChatServices(clock=self.clock, seconds=call_seconds)
        events = FakeConnect(clock=self.clock, seconds=call_seconds)
        by_events = delivery == "integration-event"
        self.connect, self.other = (events, chat_services) if by_events else (chat_services, events)
        self.connect.answers = list(answers)
        self.pacer = _pacer(config, self.clock)
        """Of the calls that show something."""
        self.courier = Courier(
            config=config if by_events else starting_chats(config),
            connect=events,
            ledger=self.ledger,
            failed=failed or self.failed,
            pacer=self.pacer if by_events else _pacer(config, self.clock),
            start_chat=(
                start_chat(chat_services, self.chats, self.clock),
                _pacer(config, self.clock) if by_events else self.pacer,
            ),
            clock=self.clock.as_clock(),
            spread=lambda: 0.0,
        )


def start_chat(services: Any, chats: Chats, clock: FakeClock, **rates: float) -> StartChat:
    """`rates` in calls per second, as many as one likes where none is given."""

    def pace(name: str) -> Pacer:
        return Pacer(rate=rates.get(name, 1000), environments=1, monotonic=clock.now, sleep=clock.sleep)

    return StartChat(
        connect=services,
        participant=services,
        chats=chats,
        starting=pace("starting"),
        connecting=pace("connecting"),
        ending=pace("ending"),
        streaming_topic_arn=STREAMING_TOPIC,
        now=clock.now,
    )


def open_chats(table: Any, clock: FakeClock) -> Chats:
    return Chats(client=table, table="chats", now=clock.now)


def _pacer(config: Config, clock: FakeClock) -> Pacer:
    return Pacer(
        rate=config.limits.connect_rate,
        environments=config.limits.max_concurrency,
        monotonic=clock.now,
        sleep=clock.sleep,
    )


def starting_chats(config: Config = CONFIG, **how: Any) -> Config:
    """The same, but that the bridge starts its numbers' chats."""
    route = replace(HOW, **how)
    return replace(config, routes={ours: replace(of, start_chat=route) for ours, of in config.routes.items()})
