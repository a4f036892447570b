"""SQS over HTTP in front of the model queues, with injected faults, and the event source mapping.

Source: the Amazon SQS API reference (AWS JSON 1.0), and "Using Lambda with Amazon SQS" in the Lambda developer guide.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from testing.faults.injection import FaultInjector
from testing.faults.lambda_runtime import Function, Invocation
from testing.faults.record import Batch, Record, Send
from testing.faults.sns import identity
from testing.http_server import Answer, Request, Server
from testing.models.fifo import Fifo, Message, ReceiptError
from testing.models.sqs import lambda_record

ACCOUNT = "111122223333"
BATCH = 10
_UNAVAILABLE = Answer(
    500,
    b'{"__type":"com.amazonaws.sqs#InternalError","message":"fault"}',
    {"Content-Type": "application/x-amz-json-1.0"},
)


class SqsEndpoint:
    """The operations of SQS that the functions call."""

    def __init__(
        self, queues: Mapping[str, Fifo], *, injector: FaultInjector, record: Record, group_lock: bool = True
    ) -> None:
        """Without `group_lock` every message is its own group: several workers get those of one conversation."""
        self._queues, self._injector, self._record, self._group_lock = queues, injector, record, group_lock
        self.server = Server(self._answer)
        self.sent = asyncio.Event()

    def url(self, queue: str) -> str:
        return f"{self.server.url}/{ACCOUNT}/{queue}"

    async def _answer(self, request: Request) -> Answer | None:
        operation = request.headers["x-amz-target"].partition(".")[2]
        fault = self._injector.draw()
        if fault:
            self._record.faults[f"SQS {fault}"] += 1
        if fault == "error":
            return _UNAVAILABLE
        if fault == "reset before":
            return None
        parameters = json.loads(request.body)
        queue = self._queues[parameters["QueueUrl"].rpartition("/")[2]]
        handler: Callable[[Fifo, dict[str, Any]], dict[str, Any]] = {
            "SendMessage": self._send,
            "ChangeMessageVisibilityBatch": self._change_visibility,
        }[operation]
        response = handler(queue, parameters)
        if fault == "reset after":
            return None
        return Answer(200, json.dumps(response).encode(), {"Content-Type": "application/x-amz-json-1.0"})

    def _send(self, queue: Fifo, parameters: dict[str, Any]) -> dict[str, Any]:
        body = parameters["MessageBody"]
        message = queue.send(
            body,
            group=parameters["MessageGroupId" if self._group_lock else "MessageDeduplicationId"],
            deduplication_id=parameters["MessageDeduplicationId"],
            attributes=parameters.get("MessageAttributes"),
            trace=parameters.get("MessageSystemAttributes", {}).get("AWSTraceHeader", {}).get("StringValue"),
        )
        self._record.sends.append(
            Send(
                at=time.time(),
                queue=queue.name,
                entry=message.message_id,
                sequence=message.sequence,
                identity=identity(json.loads(body)),
            )
        )
        self.sent.set()
        return {
            "MessageId": message.message_id,
            "MD5OfMessageBody": _md5(body),
            "SequenceNumber": f"{message.sequence:020}",
        }

    def _change_visibility(self, queue: Fifo, parameters: dict[str, Any]) -> dict[str, Any]:
        done: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        for entry in parameters["Entries"]:
            try:
                queue.change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"])
                done.append({"Id": entry["Id"]})
            except ReceiptError:
                refused.append({"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True})
        return {"Successful": done, "Failed": refused}


class EventSourceMapping:
    """Delivers batches of a queue to a function, one to each free environment."""

    def __init__(self, queue: Fifo, function: Function, *, sqs: SqsEndpoint, record: Record) -> None:
        self._queue, self._function, self._sqs, self._record = queue, function, sqs, record
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while True:
            environment = await self._function.free()
            while not (batch := self._queue.receive(BATCH)):
                self._sqs.sent.clear()
                try:
                    async with asyncio.timeout(0.1):  # a visibility timeout may end meanwhile
                        await self._sqs.sent.wait()
                except TimeoutError:
                    pass
            task = asyncio.create_task(self._invoke(batch, environment))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.sleep(0)

    async def _invoke(self, batch: list[Message], environment: Any) -> None:
        receipts = {message.message_id: message.receipt or "" for message in batch}
        event = {"Records": [_lambda_record(message, self._queue.name) for message in batch]}
        batch_record = Batch(
            entries=tuple(receipts),
            texts=tuple(identity(json.loads(message.body)) for message in batch),
        )
        invocation = await self._function.invoke(event, on=environment)
        batch_record.invocation = invocation
        self._record.batches.append(batch_record)
        for entry in _succeeded(invocation, receipts):
            try:
                self._queue.delete(receipts[entry])
            except ReceiptError:
                self._record.faults["deleted too late"] += 1


def _succeeded(invocation: Invocation, receipts: Mapping[str, str]) -> list[str]:
    """Ids to delete. Without a response none: all are received again after their visibility timeout."""
    if invocation.outcome != "answered":
        return []
    failed = {failure["itemIdentifier"] for failure in invocation.result["batchItemFailures"]}
    assert failed <= receipts.keys()
    return [entry for entry in receipts if entry not in failed]


def _lambda_record(message: Message, queue: str) -> dict[str, Any]:
    return lambda_record(message) | {
        "md5OfBody": _md5(message.body),
        "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}",
        "awsRegion": "us-east-1",
    }


def _md5(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
