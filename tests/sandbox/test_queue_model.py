"""The model of SQS FIFO queues, compared with the local AWS over random operations, and where the two differ.

The model stays with what AWS documents. Each difference has a test of its own, which fails when MiniStack mends it.
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

from sandbox.local import Sandbox
from tests.model.fifo import Fifo, Message, ReceiptError

LONG = 300
"""Seconds that no test takes: what is hidden for them stays so until the test says otherwise."""
SHORT = 1
MOST = 10
"""Messages in one receive, and so on the queue: which groups share a smaller batch is a difference, below."""


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
    """The same done to the model and to the local AWS; what they answer must be the same."""

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
        """The model's message ids, by those of the local AWS."""
        self.receipts: list[tuple[Message, str]] = []
        """Every receipt ever: the model's message as it was received, and the handle of the local AWS."""

    def drop(self) -> None:
        self.real.drop()
        self.real_failed.drop()

    def send(self, group: str, number: int) -> None:
        body = f"{group}{number}"
        message = self.model.send(body, group=group, deduplication_id=str(number))
        message_id = self.real.send(body, group=group, deduplication_id=str(number))
        assert self.id_of.setdefault(message_id, message.message_id) == message.message_id

    def receive(self, most: int) -> None:
        if len({message.group for message in self.model.messages()}) > 1:
            most = MOST
        self._same(self.model.receive(most), self.real.receive(most))

    def delete(self, pick: int) -> None:
        for message, handle in self._usable(pick):
            refused = self._refused(lambda m=message: self.model.delete(m.receipt or ""))
            assert refused == self._refused(lambda h=handle: self.real.delete(h))

    def give_back(self, pick: int) -> None:
        for chosen, _ in self._usable(pick):
            for message, handle in self._with(chosen):
                refused = self._refused(lambda m=message: self.model.change_visibility(m.receipt or "", 0))
                assert refused == self._refused(lambda h=handle: self.real.change_visibility(h, 0))

    def wait(self, pick: int) -> None:
        """Until the visibility time-out of some is over, of the rest not."""
        if held := [receipt for receipt in self.receipts if self._held(receipt[0])]:
            for message, handle in self._with(held[pick % len(held)][0]):
                self.model.change_visibility(message.receipt or "", SHORT)
                self.real.change_visibility(handle, SHORT)
            time.sleep(SHORT + 0.1)
            self.clock.time += SHORT + 0.1

    def everything_ends_the_same(self) -> None:
        """All is given back and received once more; then both are looked at in the dead-letter queue."""
        for message, handle in self.receipts:
            if self._held(message):
                self.model.change_visibility(message.receipt or "", 0)
                self.real.change_visibility(handle, 0)
        self._same(self.model.receive(MOST), self.real.receive(MOST))
        self._same(self._all(self.model_failed), self._all(self.real_failed))

    def _same(self, modelled: Sequence[Message], real: Sequence[Any]) -> None:
        def in_groups(of: list[tuple[str, str, int]]) -> dict[str, list[tuple[str, str, int]]]:
            return {group: [m for m in of if m[1][0] == group] for group in sorted({m[1][0] for m in of})}

        assert in_groups([(m.message_id, m.body, m.receives) for m in modelled]) == in_groups(
            [(self.id_of[m["MessageId"]], m["Body"], int(m["Attributes"]["ApproximateReceiveCount"])) for m in real]
        )
        handles = {self.id_of[message["MessageId"]]: message["ReceiptHandle"] for message in real}
        self.receipts += [(message, handles[message.message_id]) for message in modelled]

    @staticmethod
    def _all(queue: Any) -> list[Any]:
        everything: list[Any] = []
        while batch := queue.receive(MOST):
            everything += batch
        return everything

    def _usable(self, pick: int) -> list[tuple[Message, str]]:
        """One receipt, or none. Not one whose time is over and whose message is still there: a difference, below."""
        current = {message.receipt for message in self.model.messages()}
        usable = [r for r in self.receipts if r[0].receipt not in current or self._held(r[0])]
        return [usable[-1 - pick % len(usable)]] if usable else []

    def _with(self, message: Message) -> list[tuple[Message, str]]:
        """Where messages are moved after some receives, those of a group together: a difference, below."""
        if not self.redrives or not self._held(message):
            return [receipt for receipt in self.receipts if receipt[0].receipt == message.receipt]
        return [receipt for receipt in self.receipts if receipt[0].group == message.group and self._held(receipt[0])]

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
            assert exc.response["Error"]["Code"] == "ReceiptHandleIsInvalid"
            return True
        return False


picks = st.integers(0, 100)
receives = st.tuples(st.just("receive"), st.sampled_from([1, 2, MOST]))
operations = st.one_of(
    receives,
    st.tuples(st.just("send"), st.sampled_from("abc"), st.integers(1, 3)),
    receives,
    st.tuples(st.just("delete"), picks),
    st.tuples(st.just("give_back"), picks),
)


def test_the_model_and_the_local_queue_do_the_same_whatever_is_asked_of_them(sandbox: Sandbox) -> None:
    client = sandbox.client("sqs")
    compared = 0

    # Not shrunk: each try takes real time.
    @settings(
        max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @example(max_receives=None, operations=[("give_back", 2), ("receive", MOST)], wait=None)  # the head, then nothing
    @example(
        max_receives=None,  # one group is left, and a receive that does not take all of it
        operations=[("delete", 0), ("give_back", 1), ("give_back", 2), ("receive", 1)],
        wait=None,
    )
    @example(max_receives=2, operations=[("give_back", 0), ("receive", 1), ("give_back", 0), ("receive", 1)], wait=None)
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
    """One that moves what was received twice, and where it goes."""
    client = sandbox.client("sqs")
    failed = Queue(client)
    queue = Queue(client, dead_letters=failed, max_receives=2)
    yield queue, failed
    queue.drop()
    failed.drop()


@pytest.fixture
def model() -> tuple[Fifo, Fifo, Clock]:
    """The same as the model has it."""
    clock = Clock()
    failed = Fifo(now=clock.now, visibility=LONG, name="failed")
    return Fifo(now=clock.now, visibility=LONG, max_receives=2, dead_letters=failed), failed, clock


Model = tuple[Fifo, Fifo, Clock]
Queues = tuple[Queue, Queue]


def send(to: Fifo | Queue, *bodies: str) -> None:
    for body in bodies:
        to.send(body, group=body[0], deduplication_id=body)


def test_difference_a_small_batch_mixes_groups_where_sqs_fills_it_from_one(queues: Queues, model: Model) -> None:
    """re:Post, "Why doesn't my SQS FIFO queue return all messages": as many of the same group as possible."""
    for queue in (queues[0], model[0]):
        send(queue, "a1", "b1", "a2")
    assert [message.body for message in model[0].receive(2)] == ["a1", "a2"]
    assert [message["Body"] for message in queues[0].receive(2)] == ["a1", "b1"]


def test_difference_a_receipt_is_taken_after_its_time_where_that_of_a_fifo_queue_expires(
    queues: Queues, model: Model
) -> None:
    """re:Post, "ReceiptHandleIsInvalid": for FIFO queues, a receipt handle expires after the visibility time-out."""
    for queue in (queues[0], model[0]):
        send(queue, "a1", "b1")
    modelled, real = model[0].receive(visibility=SHORT), queues[0].receive(visibility=SHORT)
    time.sleep(SHORT + 0.1)
    model[2].time += SHORT + 0.1
    with pytest.raises(ReceiptError):
        model[0].delete(modelled[0].receipt or "")
    with pytest.raises(ReceiptError):
        model[0].change_visibility(modelled[1].receipt or "", LONG)
    queues[0].delete(real[0]["ReceiptHandle"])
    queues[0].change_visibility(real[1]["ReceiptHandle"], LONG)
    assert [message.body for message in model[0].receive()] == ["a1", "b1"]
    assert queues[0].receive() == []


def test_difference_a_message_is_moved_although_its_group_waits_where_sqs_moves_what_it_would_hand_out(
    queues: Queues, model: Model
) -> None:
    """API reference, RedrivePolicy: a message is moved when its receives exceed maxReceiveCount; a group that waits is
    not received from."""
    for queue in (queues[0], model[0]):
        send(queue, "a1", "a2")
    for message in model[0].receive():
        model[0].change_visibility(message.receipt or "", 0)
    for real in queues[0].receive():
        queues[0].change_visibility(real["ReceiptHandle"], 0)
    model[0].change_visibility(model[0].receive()[1].receipt or "", 0)
    queues[0].change_visibility(queues[0].receive()[1]["ReceiptHandle"], 0)
    assert (model[0].receive(), queues[0].receive()) == ([], [])
    assert model[1].receive() == []
    assert [message["Body"] for message in queues[1].receive()] == ["a2"]


def test_difference_a_moved_message_keeps_its_deduplication_id_where_sqs_gives_it_its_message_id(
    queues: Queues, model: Model
) -> None:
    """Developer guide, dead-letter queues: so that two messages that share an id by chance can both be moved."""
    for queue in (queues[0], model[0]):
        send(queue, "a1")
    for _ in range(2):
        for message in model[0].receive():
            model[0].change_visibility(message.receipt or "", 0)
        for real in queues[0].receive():
            queues[0].change_visibility(real["ReceiptHandle"], 0)
    assert (model[0].receive(), queues[0].receive()) == ([], [])
    (modelled,), (moved,) = model[1].receive(), queues[1].receive()
    assert modelled.deduplication_id == modelled.message_id
    assert moved["Attributes"]["MessageDeduplicationId"] == "a1" != moved["MessageId"]
