"""The model of SQS FIFO queues compared with the local AWS: random operations, and each rule in which they differed.

MiniStack itself differs from SQS in each of the rules at the end. sandbox/ministack_patches.py corrects it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from sandbox.lifecycle import Sandbox
from testing.models.fifo import Fifo, Message, ReceiptError

LONG = 300
"""A visibility timeout in seconds that is longer than any test."""
SHORT = 1
MOST = 10


class Queue:
    """A FIFO queue of the local AWS, as high-throughput as the bridge's."""

    def __init__(self, client: Any, *, dead_letters: Queue | None = None, max_receives: int = 0) -> None:
        attributes = {
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
            "VisibilityTimeout": str(LONG),
        }
        if dead_letters:
            policy = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": max_receives}
            attributes["RedrivePolicy"] = json.dumps(policy)
        self._client = client
        self._url = client.create_queue(QueueName=f"model-{uuid.uuid4().hex}.fifo", Attributes=attributes)["QueueUrl"]

    @property
    def arn(self) -> str:
        answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def send(self, body: str, *, group: str, deduplication_id: str) -> str:
        answer = self._client.send_message(
            QueueUrl=self._url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=deduplication_id
        )
        return str(answer["MessageId"])

    def receive(self, most: int = MOST, *, visibility: int = LONG) -> list[Any]:
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=visibility,
            MessageSystemAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def delete(self, receipt: str) -> None:
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)

    def change_visibility(self, receipt: str, seconds: int) -> None:
        self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    def drop(self) -> None:
        self._client.delete_queue(QueueUrl=self._url)


@dataclass(slots=True)
class Clock:
    time: float = 0.0

    def now(self) -> float:
        return self.time


class Both:
    """Performs each operation on the model and on the local AWS and compares the results."""

    def __init__(self, client: Any, *, max_receives: int | None) -> None:
        self.clock = Clock()
        self.redrives = max_receives is not None
        self.model_failed = Fifo(now=self.clock.now, visibility=LONG, name="failed")
        self.model = Fifo(
            now=self.clock.now,
            visibility=LONG,
            max_receives=max_receives,
            dead_letters=self.model_failed if self.redrives else None,
        )
        self.real_failed = Queue(client)
        self.real = Queue(
            client, dead_letters=self.real_failed if self.redrives else None, max_receives=max_receives or 0
        )
        self.id_of: dict[str, str] = {}
        """Message ids of the model by message ids of the local AWS."""
        self.receipts: list[tuple[Message, str]] = []
        """All receipts: the received message of the model, and the receipt handle of the local AWS."""

    def drop(self) -> None:
        self.real.drop()
        self.real_failed.drop()

    def send(self, group: str, number: int) -> None:
        body = f"{group}{number}"
        message = self.model.send(body, group=group, deduplication_id=str(number))
        message_id = self.real.send(body, group=group, deduplication_id=str(number))
        assert self.id_of.setdefault(message_id, message.message_id) == message.message_id

    def receive(self, most: int) -> None:
        self._same(self.model.receive(most), self.real.receive(most))

    def delete(self, pick: int) -> None:
        for message, handle in self._usable(pick):
            refused = self._refused(lambda m=message: self.model.delete(m.receipt or ""))
            assert refused == self._refused(lambda h=handle: self.real.delete(h))

    def return_to_queue(self, pick: int) -> None:
        for message, handle in self._usable(pick):
            refused = self._refused(lambda m=message: self.model.change_visibility(m.receipt or "", 0))
            assert refused == self._refused(lambda h=handle: self.real.change_visibility(h, 0))

    def wait(self, pick: int) -> None:
        """Waits until the visibility timeout of some messages is over, but not of all."""
        if held := [receipt for receipt in self.receipts if self._held(receipt[0])]:
            message, handle = held[pick % len(held)]
            self.model.change_visibility(message.receipt or "", SHORT)
            self.real.change_visibility(handle, SHORT)
            time.sleep(SHORT + 0.1)
            self.clock.time += SHORT + 0.1

    def everything_ends_the_same(self) -> None:
        """Makes all messages visible and receives them again, then compares the dead-letter queues."""
        for message, handle in self.receipts:
            if self._held(message):
                self.model.change_visibility(message.receipt or "", 0)
                self.real.change_visibility(handle, 0)
        self._same(self.model.receive(MOST), self.real.receive(MOST))
        self._same(self._all(self.model_failed), self._all(self.real_failed))

    def _same(self, modelled: Sequence[Message], real: Sequence[Any]) -> None:
        assert [(m.message_id, m.body, m.receives) for m in modelled] == [
            (self.id_of[m["MessageId"]], m["Body"], int(m["Attributes"]["ApproximateReceiveCount"])) for m in real
        ]
        handles = {self.id_of[message["MessageId"]]: message["ReceiptHandle"] for message in real}
        self.receipts += [(message, handles[message.message_id]) for message in modelled]

    @staticmethod
    def _all(queue: Any) -> list[Any]:
        everything: list[Any] = []
        while batch := queue.receive(MOST):
            everything += batch
        return everything

    def _usable(self, pick: int) -> list[tuple[Message, str]]:
        """One receipt, or none."""
        return [self.receipts[-1 - pick % len(self.receipts)]] if self.receipts else []

    def _held(self, message: Message) -> bool:
        now = self.clock.now()
        return any(m.receipt == message.receipt and m.visible_at > now for m in self.model.messages())

    @staticmethod
    def _refused(use: Any) -> bool:
        try:
            use()
        except ReceiptError:
            return True
        except ClientError as exc:
            assert exc.response["Error"]["Code"] in ("ReceiptHandleIsInvalid", "InvalidParameterValue")
            return True
        return False


picks = st.integers(0, 100)
receives = st.tuples(st.just("receive"), st.sampled_from([1, 2, MOST]))
operations = st.one_of(
    receives,
    st.tuples(st.just("send"), st.sampled_from("abc"), st.integers(1, 3)),
    receives,
    st.tuples(st.just("delete"), picks),
    st.tuples(st.just("return_to_queue"), picks),
)


def test_the_model_and_the_local_queue_do_the_same_whatever_is_asked_of_them(sandbox: Sandbox) -> None:
    client = sandbox.client("sqs")
    compared = 0

    # Not shrunk: each run takes real time.
    @settings(
        max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @example(
        max_receives=None, operations=[("return_to_queue", 2), ("receive", MOST)], wait=None
    )  # the head, then nothing
    @example(
        max_receives=None,  # one group is left, and a receive that does not take all of it
        operations=[("delete", 0), ("return_to_queue", 1), ("return_to_queue", 2), ("receive", 1)],
        wait=None,
    )
    @example(
        max_receives=2,
        operations=[("return_to_queue", 0), ("receive", 1), ("return_to_queue", 0), ("receive", 1)],
        wait=None,
    )
    @example(
        max_receives=2,  # the first messages of a group go, so that another group has the oldest one
        operations=[
            ("send", "b", 3),
            ("send", "a", 3),
            ("delete", 89),
            ("receive", 1),
            ("receive", 2),
            ("send", "a", 3),
        ],
        wait=(33, 90),
    )
    @given(
        max_receives=st.sampled_from([None, None, 2, 3]),
        operations=st.lists(operations, min_size=4, max_size=30),
        wait=st.none() | st.none() | st.tuples(picks, picks),
    )
    def compare(max_receives: int | None, operations: list[tuple[Any, ...]], wait: tuple[int, int] | None) -> None:
        nonlocal compared
        both = Both(client, max_receives=max_receives)
        wait_at = wait[0] % len(operations) if wait else -1
        try:
            for group in "aab":
                both.send(group, len(both.model) + 1)
            both.receive(MOST)
            for number, (operation, *arguments) in enumerate(operations):
                if wait and number == wait_at:
                    both.wait(wait[1])
                getattr(both, operation)(*arguments)
            both.everything_ends_the_same()
            compared += len(both.receipts)
        finally:
            both.drop()

    compare()
    assert compared > 50, "hardly anything was received"


@pytest.fixture
def queues(sandbox: Sandbox) -> Iterator[tuple[Queue, Queue]]:
    """A queue with maxReceiveCount 2, and its dead-letter queue."""
    client = sandbox.client("sqs")
    failed = Queue(client)
    queue = Queue(client, dead_letters=failed, max_receives=2)
    yield queue, failed
    queue.drop()
    failed.drop()


@pytest.fixture
def model() -> tuple[Fifo, Fifo, Clock]:
    """The same queues of the model."""
    clock = Clock()
    failed = Fifo(now=clock.now, visibility=LONG, name="failed")
    return Fifo(now=clock.now, visibility=LONG, max_receives=2, dead_letters=failed), failed, clock


Model = tuple[Fifo, Fifo, Clock]
Queues = tuple[Queue, Queue]


def send(to: Fifo | Queue, *bodies: str) -> None:
    for body in bodies:
        to.send(body, group=body[0], deduplication_id=body)


def bodies(received: Sequence[Any]) -> list[str]:
    return [message.body if isinstance(message, Message) else message["Body"] for message in received]


def receipts(received: Sequence[Any]) -> list[str]:
    return [(m.receipt or "") if isinstance(m, Message) else m["ReceiptHandle"] for m in received]


def test_a_small_batch_is_filled_from_one_group(queues: Queues, model: Model) -> None:
    """re:Post, "Why doesn't my SQS FIFO queue return all messages": as many of the same group as possible."""
    for queue in (queues[0], model[0]):
        send(queue, "a1", "b1", "a2")
        assert bodies(queue.receive(2)) == ["a1", "a2"]


def test_a_message_before_a_hidden_one_of_its_group_is_handed_out(queues: Queues, model: Model) -> None:
    for queue in (queues[0], model[0]):
        send(queue, "a1", "a2", "a3")
        first, _, third = receipts(queue.receive())
        queue.change_visibility(third, 0)
        assert bodies(queue.receive()) == [], "what is behind hidden ones waits"
        queue.change_visibility(first, 0)
        assert bodies(queue.receive()) == ["a1"]


def test_a_receipt_expires_with_the_time_for_which_its_message_is_hidden(queues: Queues, model: Model) -> None:
    """re:Post, "ReceiptHandleIsInvalid": for FIFO queues, a receipt handle expires after the visibility time-out."""
    held: list[tuple[Fifo | Queue, list[str]]] = []
    for queue in (queues[0], model[0]):
        send(queue, "a1", "b1")
        held.append((queue, receipts(queue.receive(visibility=SHORT))))
    time.sleep(SHORT + 0.1)
    model[2].time += SHORT + 0.1
    for queue, (one, other) in held:
        with pytest.raises((ReceiptError, ClientError)):
            queue.delete(one)
        with pytest.raises((ReceiptError, ClientError)):
            queue.change_visibility(other, LONG)
        assert bodies(queue.receive()) == ["a1", "b1"]


def test_a_message_is_moved_when_receivable_not_while_its_group_waits(queues: Queues, model: Model) -> None:
    """API reference, RedrivePolicy: a message is moved when its receives exceed maxReceiveCount."""
    for queue, failed in (queues, model[:2]):
        send(queue, "a1", "a2")
        for receipt in receipts(queue.receive()):
            queue.change_visibility(receipt, 0)
        first, second = receipts(queue.receive())
        queue.change_visibility(second, 0)
        assert (bodies(queue.receive()), bodies(failed.receive())) == ([], [])
        queue.change_visibility(first, 0)
        assert (bodies(queue.receive()), bodies(failed.receive())) == ([], ["a1", "a2"])


def test_a_moved_message_is_deduplicated_by_its_message_id(queues: Queues, model: Model) -> None:
    """Developer guide, dead-letter queues: so that two messages that share an id by chance can both be moved."""
    for queue, _ in (queues, model[:2]):
        send(queue, "a1")
        for _ in range(2):
            for receipt in receipts(queue.receive()):
                queue.change_visibility(receipt, 0)
        assert bodies(queue.receive()) == []
    (modelled,), (moved,) = model[1].receive(), queues[1].receive()
    assert modelled.deduplication_id == modelled.message_id
    assert moved["Attributes"]["MessageDeduplicationId"] == moved["MessageId"] != "a1"
