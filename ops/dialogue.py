"""One conversation both ways in a sandbox: a customer texts, an agent answers in the chat, the phone gets it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.config import BridgeConfig, Number
from ops.chats import inbound
from ops.target import Target, aws_errors
from sandbox.simulator.client import Simulator

QUESTION, ANSWER, THANKS = (
    "Is my bicycle ready?",
    "Yes, since this morning. Shall we keep it until Saturday?",
    "Please do 🙏",
)
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """What came of it. `chat` as the contact centre tells of it, `phone` the texts that the customer got."""

    delivery: str
    ours: str
    customer: str
    chat: Mapping[str, Any] | None
    phone: Sequence[Mapping[str, Any]]

    @property
    def broken(self) -> str | None:
        """What did not arrive, in one line."""
        said = [(message["role"], message["content"]) for message in (self.chat or {}).get("messages", ())]
        if said != [("CUSTOMER", QUESTION), ("AGENT", ANSWER), ("CUSTOMER", THANKS)]:
            return f"{self.delivery}: the agent's chat has {len(said)} of 3 messages, or others"
        if [text["body"] for text in self.phone] != [ANSWER]:
            return f"{self.delivery}: the phone got {len(self.phone)} texts, not the agent's answer alone"
        return None


def numbers(config: BridgeConfig) -> dict[str, Number]:
    """The first number of each delivery that the configuration has."""
    first: dict[str, Number] = {}
    for number in config.numbers:
        first.setdefault(config.delivery_of(number), number)
    return first


def play(target: Target, double: Simulator, *, delivery: str, ours: str, customer: str, timeout: float) -> Dialogue:
    """Question, answer, thanks, each after the one before has arrived. Raises TargetError."""

    def text(body: str) -> None:
        with aws_errors(target):
            target.client("sns").publish(
                TopicArn=target.outputs["InboundTopicArn"], Message=inbound(customer, ours, body)
            )

    def chat() -> dict[str, Any] | None:
        return next((chat for chat in double.chats() if chat["source"] == customer), None)

    def shown(count: int) -> Callable[[], bool]:
        return lambda: len((chat() or {"messages": ()})["messages"]) >= count

    until = time.monotonic() + timeout
    text(QUESTION)
    if _wait(shown(1), until):
        double.reply(customer, ANSWER)
        if _wait(lambda: bool(double.phone(customer)), until):
            text(THANKS)
            _wait(shown(3), until)
    return Dialogue(delivery=delivery, ours=ours, customer=customer, chat=chat(), phone=double.phone(customer))


def _wait(condition: Callable[[], bool], until: float) -> bool:
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(POLL_SECONDS)
    return False
