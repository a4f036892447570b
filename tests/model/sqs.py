"""SQS's client, as far as the bridge and its operator use it, over the model of its FIFO queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any

from botocore.exceptions import ClientError

from tests.model.fifo import Fifo, Message, ReceiptError


class SqsClient:
    """`queues` by URL. `fail_next` lets calls fail, each kind either before or after SQS did what was asked."""

    def __init__(self, queues: Mapping[str, Fifo]) -> None:
        self._queues = queues
        self._failing: dict[tuple[str, str], list[bool]] = {}

    def fail_next(self, operation: str, url: str, *, times: int, done: bool = False) -> None:
        """`done`: SQS does it, and only its answer is lost."""
        self._failing[operation, url] = [done] * times

    def heal(self) -> None:
        self._failing.clear()

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803 (the API's own names, here and below)
        MessageBody: str,  # noqa: N803
        MessageGroupId: str,  # noqa: N803
        MessageDeduplicationId: str,  # noqa: N803
        MessageAttributes: Mapping[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        failure = self._failure("send_message", QueueUrl)
        if failure is False:
            raise _error("ServiceUnavailable", "SendMessage")
        message = self._queues[QueueUrl].send(
            MessageBody,
            group=MessageGroupId,
            deduplication_id=MessageDeduplicationId,
            attributes=MessageAttributes,
        )
        if failure:
            raise _error("ServiceUnavailable", "SendMessage")
        return {"MessageId": message.message_id, "SequenceNumber": _sequence(message)}

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MaxNumberOfMessages: int = 1,  # noqa: N803
        VisibilityTimeout: int | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        queue = self._queues[QueueUrl]
        batch = queue.receive(MaxNumberOfMessages, visibility=VisibilityTimeout)
        headers = {"date": formatdate(queue.now(), usegmt=True)}
        return {"ResponseMetadata": {"HTTPHeaders": headers}} | (
            {"Messages": [received(message) for message in batch]} if batch else {}
        )

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        try:
            self._queues[QueueUrl].delete(ReceiptHandle)
        except ReceiptError as exc:
            raise _error("ReceiptHandleIsInvalid", "DeleteMessage") from exc

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        try:
            self._queues[QueueUrl].change_visibility(ReceiptHandle, VisibilityTimeout)
        except ReceiptError as exc:
            raise _error("MessageNotInflight", "ChangeMessageVisibility") from exc

    def change_message_visibility_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        failure = self._failure("change_message_visibility_batch", QueueUrl)
        if failure is False:
            raise _error("ServiceUnavailable", "ChangeMessageVisibilityBatch")
        refused = []
        for entry in Entries:
            try:
                self._queues[QueueUrl].change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"])
            except ReceiptError:
                refused.append({"Id": entry["Id"], "Code": "MessageNotInflight", "SenderFault": True})
        if failure:
            raise _error("ServiceUnavailable", "ChangeMessageVisibilityBatch")
        return {"Failed": refused} if refused else {}

    def _failure(self, operation: str, url: str) -> bool | None:
        """None: all is well; else whether SQS does what was asked."""
        failing = self._failing.get((operation, url))
        return failing.pop() if failing else None


def received(message: Message) -> dict[str, Any]:
    """A message in the shape of ReceiveMessage's answer."""
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "Attributes": _attributes(message),
        "MessageAttributes": message.attributes,
    }


def lambda_record(message: Message) -> dict[str, Any]:
    """A message in the shape in which the event source mapping hands it to a function."""
    return {
        "messageId": message.message_id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": _attributes(message),
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def _attributes(message: Message) -> dict[str, str]:
    return {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "MessageGroupId": message.group,
        "MessageDeduplicationId": message.deduplication_id,
        "SequenceNumber": _sequence(message),
    }


def _sequence(message: Message) -> str:
    return f"{message.sequence:020}"


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)  # type: ignore[typeddict-item]
