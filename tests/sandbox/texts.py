"""Sends texts to the deployed bridge and reads what became of them: in chats, ledger and queues."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sandbox.lifecycle import Sandbox
from sandbox.simulator.client import Simulator

BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER = "+12125550101", "+12125550102"
START_CHAT = "+12125550103"
"""The number with start-chat delivery."""


def customer(number: int) -> str:
    """A customer number from the ranges reserved for fiction."""
    return f"+1{301 + number // 100}55501{number % 100:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text to be sent."""

    customer: str
    body: str
    business_number: str = BUSINESS_NUMBER
    key: str = field(default_factory=lambda: str(uuid.uuid4()))

    def message(self) -> str:
        return json.dumps(
            {
                "originationNumber": self.customer,
                "destinationNumber": self.business_number,
                "messageKeyword": "KEYWORD_111122223333",
                "messageBody": self.body,
                "inboundMessageId": self.key,
                "previousPublishedMessageId": None,
            }
        )


SAID: set[str] = set()
"""All texts and replies of this run. Tests check that none of them is in a log."""


class _Agents(Simulator):
    """A client of the simulator that records what agents write."""

    def _act(self, action: str, chat: str, **how: Any) -> dict[str, Any]:
        SAID.add(str(how.get("text", "")))
        return super()._act(action, chat, **how)


class Phones:
    """The customers' phones: sends texts, and reads what became of them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.outputs = sandbox.outputs
        self.simulator: Simulator = _Agents(sandbox.simulator_url)
        self._sns, self._sqs = sandbox.client("sns"), sandbox.client("sqs")
        self._dynamodb = sandbox.client("dynamodb")

    def send(self, texts: Iterable[Text], *, per_second: float = 20, at_once: int = 2) -> None:
        """Sends at a limited rate: MiniStack starts a process for each concurrent invocation."""
        with ThreadPoolExecutor(max_workers=at_once) as pool:
            published = []
            for text in texts:
                published.append(pool.submit(self.publish, text.message()))
                time.sleep(1 / per_second)
        for one in published:
            one.result()

    def queue(self, texts: Sequence[Text]) -> None:
        """Sends texts and waits until they are queued, because SNS keeps no order."""
        self.send(texts)
        until(lambda: all(self.item(text.key) for text in texts), seconds=60, what="all queued")

    def publish(self, message: str) -> str:
        SAID.add(_body(message))
        answer = self._sns.publish(TopicArn=self.outputs["InboundTopicArn"], Message=message)
        return str(answer["MessageId"])

    def item(self, key: str) -> dict[str, Any]:
        """A text's ledger item as plain values; empty when there is none."""
        answer = self._dynamodb.get_item(
            TableName=self.outputs["LedgerTableName"], Key={"text_key": {"S": key}}, ConsistentRead=True
        )
        return {name: _plain(value) for name, value in answer.get("Item", {}).items()}

    def items(self, texts: Iterable[Text]) -> dict[str, dict[str, Any]]:
        return {text.key: self.item(text.key) for text in texts}

    def outcome(self, text: Text) -> str | None:
        return self.item(text.key).get("outcome")

    def shown(self) -> list[dict[str, Any]]:
        """The simulator's journal: accepted calls, in order."""
        return self.simulator.journal()

    def contents(self, customer: str) -> list[str]:
        return [entry["content"] for entry in self.shown() if entry["source"] == customer and entry["content"]]

    def failed(self) -> list[Any]:
        """The messages in failed. They stay there."""
        return list(self._peek("FailedQueueUrl"))

    def undelivered(self) -> list[Any]:
        return list(self._peek("UndeliveredQueueUrl"))

    def waiting(self) -> int:
        """How many texts are in the conversations queue, invisible ones too."""
        return self.count("ConversationsQueueUrl")

    def count(self, queue: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def empty(self, *queues: str) -> None:
        for queue in queues:
            self._sqs.purge_queue(QueueUrl=self.outputs[queue])

    @contextmanager
    def fault(self, kind: str, **how: Any) -> Iterator[None]:
        self.simulator.fault(kind, **how)
        try:
            yield
        finally:
            self.simulator.clear_faults()

    def _peek(self, queue: str) -> Iterator[Any]:
        url = self.outputs[queue]
        seen: set[str] = set()
        messages: list[Any] = []
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=60,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            got = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
            if not got:
                break
            seen.update(message["MessageId"] for message in got)
            messages += got
        for message in messages:
            self._sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        yield from messages


def until(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """Waits for a true value of `condition` and returns it."""
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)


def assert_each_shown_once_in_the_order_of_the_queue(phones: Phones, texts: Sequence[Text]) -> None:
    items = phones.items(texts)
    assert Counter(item.get("outcome") for item in items.values()) == {"forwarded": len(texts)}, "lost"
    by_content = {text.body: text for text in texts}
    order: dict[str, list[dict[str, Any]]] = {}
    times_shown: Counter[str] = Counter()
    for entry in phones.shown():
        text = by_content.get(entry["content"])
        if text:
            times_shown[text.key] += 1
            order.setdefault(text.customer, []).append(items[text.key])
    assert set(times_shown) == {text.key for text in texts}, "the ledger says forwarded, but no chat shows it"
    assert {key: times for key, times in times_shown.items() if times > 1} == {}, "twice"
    assert {who: shown for who, shown in order.items() if not in_order(shown)} == {}, "out of order"


def in_order(items: Sequence[Mapping[str, Any]]) -> bool:
    """In the order in which intake queued them, or, within a batch, sorted by Timestamp."""
    return all(
        int(one["sequence"]) < int(next_["sequence"]) or one["sent_at"] <= next_["sent_at"]
        for one, next_ in pairwise(items)
    )


def forwarded(phones: Phones, texts: Sequence[Text]) -> bool:
    return all(phones.outcome(text) == "forwarded" for text in texts)


def _body(message: str) -> str:
    try:
        return str(json.loads(message)["messageBody"])
    except (ValueError, KeyError, TypeError):
        return message


def _plain(value: dict[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    if kind == "N":
        return int(inner)
    return {name: _plain(of) for name, of in inner.items()} if kind == "M" else inner
