"""A fake of boto3's SQS client over the model of FIFO queues.

It rejects what SQS rejects, with the rules of sandbox/aws_limits.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any

from botocore.exceptions import ClientError

from sandbox import aws_limits
from sandbox.aws_limits import RefusedError
from testing.models.fifo import Fifo, Message, ReceiptError


class SqsClient:
    """`queues` by URL. `fail_next` makes calls fail, before or after they take effect.

    Entries of a batch that fail: sends to a group in `refusing`; deletes of a body in `undeletable`; visibility changes
    of a message id in `unhideable`. `calls`: names of all operations, in order.
    """

    def __init__(self, queues: Mapping[str, Fifo]) -> None:
        self._queues = queues
        self._failing: dict[tuple[str, str], list[bool]] = {}
        self.refusing: set[str] = set()
        self.undeletable: set[str] = set()
        self.unhideable: set[str] = set()
        self.calls: list[str] = []

    def fail_next(self, operation: str, url: str, *, times: int, done: bool = False) -> None:
        """`done`: the calls take effect, and only the response is lost."""
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
        MessageSystemAttributes: Mapping[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        trace = _trace_header(MessageSystemAttributes or {})
        failure = self._failure("send_message", QueueUrl)
        request = {
            "MessageBody": MessageBody,
            "MessageGroupId": MessageGroupId,
            "MessageDeduplicationId": MessageDeduplicationId,
            "MessageAttributes": MessageAttributes,
        }
        try:
            aws_limits.check_message(request, fifo=True)
        except RefusedError as exc:
            raise _error(exc.code, "SendMessage") from exc
        if failure is False:
            raise _error("ServiceUnavailable", "SendMessage")
        message = self._queues[QueueUrl].send(
            MessageBody,
            group=MessageGroupId,
            deduplication_id=MessageDeduplicationId,
            attributes=MessageAttributes,
            trace=trace,
        )
        if failure:
            raise _error("ServiceUnavailable", "SendMessage")
        return {"MessageId": message.message_id, "SequenceNumber": _sequence(message)}

    def send_message_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        self._check_batch(Entries, "SendMessageBatch")
        failure = self._failure("send_message_batch", QueueUrl)
        if failure is False:
            raise _error("ServiceUnavailable", "SendMessageBatch")
        taken, refused = [], []
        for entry in Entries:
            if entry["MessageGroupId"] in self.refusing:
                refused.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                continue
            try:
                aws_limits.check_message(entry, fifo=True)
            except RefusedError as exc:
                refused.append({"Id": entry["Id"], "Code": exc.code, "SenderFault": True})
                continue
            message = self._queues[QueueUrl].send(
                entry["MessageBody"],
                group=entry["MessageGroupId"],
                deduplication_id=entry["MessageDeduplicationId"],
                attributes=entry.get("MessageAttributes"),
            )
            taken.append({"Id": entry["Id"], "MessageId": message.message_id, "SequenceNumber": _sequence(message)})
        if failure:
            raise _error("ServiceUnavailable", "SendMessageBatch")
        return {"Successful": taken} | ({"Failed": refused} if refused else {})

    def delete_message_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        self._check_batch(Entries, "DeleteMessageBatch")
        failure = self._failure("delete_message_batch", QueueUrl)
        if failure is False:
            raise _error("ServiceUnavailable", "DeleteMessageBatch")
        queue, gone, left = self._queues[QueueUrl], [], []
        bodies = {message.receipt: message.body for message in queue.messages()}
        for entry in Entries:
            try:
                if bodies.get(entry["ReceiptHandle"]) in self.undeletable:
                    raise ReceiptError(entry["ReceiptHandle"])
                queue.delete(entry["ReceiptHandle"])
                gone.append({"Id": entry["Id"]})
            except ReceiptError:
                left.append({"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True})
        if failure:
            raise _error("ServiceUnavailable", "DeleteMessageBatch")
        return {"Successful": gone} | ({"Failed": left} if left else {})

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        queue = self._queues[QueueUrl]
        hidden = sum(message.visible_at > queue.now() for message in queue.messages())
        counts = {
            "ApproximateNumberOfMessages": len(queue) - hidden,
            "ApproximateNumberOfMessagesNotVisible": hidden,
        }
        headers = {"date": formatdate(queue.now(), usegmt=True)}
        return {
            "Attributes": {name: str(counts[name]) for name in AttributeNames},
            "ResponseMetadata": {"HTTPHeaders": headers},
        }

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MaxNumberOfMessages: int = 1,  # noqa: N803
        VisibilityTimeout: int | None = None,  # noqa: N803
        **others: Any,
    ) -> dict[str, Any]:
        _check(
            "ReceiveMessage",
            others | {"MaxNumberOfMessages": MaxNumberOfMessages, "VisibilityTimeout": VisibilityTimeout},
        )
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
        self._check_batch(Entries, "ChangeMessageVisibilityBatch")
        ids = {message.receipt: message.message_id for message in self._queues[QueueUrl].messages()}
        for entry in Entries:
            if ids.get(entry["ReceiptHandle"]) in self.unhideable:
                refused.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                continue
            try:
                self._queues[QueueUrl].change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"])
            except ReceiptError:
                refused.append({"Id": entry["Id"], "Code": "MessageNotInflight", "SenderFault": True})
        if failure:
            raise _error("ServiceUnavailable", "ChangeMessageVisibilityBatch")
        return {"Failed": refused} if refused else {}

    def _check_batch(self, entries: Sequence[Mapping[str, Any]], operation: str) -> None:
        _check(operation, {"Entries": entries})
        if not 1 <= len(entries) <= 10 or len({entry["Id"] for entry in entries}) != len(entries):
            raise _error("TooManyEntriesInBatchRequest", operation)

    def _failure(self, operation: str, url: str) -> bool | None:
        """None: no failure; else whether the call takes effect."""
        self.calls.append(operation)
        failing = self._failing.get((operation, url))
        return failing.pop() if failing else None


def _check(operation: str, request: Mapping[str, Any]) -> None:
    try:
        aws_limits.check_sqs(operation, request)
    except RefusedError as exc:
        raise _error(exc.code, operation) from exc


def received(message: Message) -> dict[str, Any]:
    """A message in the format of ReceiveMessage's response."""
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "Attributes": _attributes(message),
        "MessageAttributes": message.attributes,
    }


def lambda_record(message: Message) -> dict[str, Any]:
    """A message as an SQS record of a Lambda event."""
    return {
        "messageId": message.message_id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": _attributes(message),
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def _attributes(message: Message) -> dict[str, str]:
    source = f"arn:aws:sqs:us-east-1:111122223333:{message.moved_from}"
    moved = {"DeadLetterQueueSourceArn": source} if message.moved_from else {}
    traced = {"AWSTraceHeader": message.trace} if message.trace else {}
    return (
        moved
        | traced
        | {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int(message.sent_at * 1000)),
            "MessageGroupId": message.group,
            "MessageDeduplicationId": message.deduplication_id,
            "SequenceNumber": _sequence(message),
        }
    )


def _trace_header(attributes: Mapping[str, Any]) -> str | None:
    """SQS rejects other system attributes and malformed headers."""
    if not attributes:
        return None
    try:
        ((name, said),) = attributes.items()
        fields = [field.split("=") for field in said["StringValue"].split(";")]
        header = {key: value for key, value in fields}  # noqa: C416 (a field that is no pair raises)
        _, seconds, unique = header["Root"].split("-")
        int(seconds, 16), int(unique, 16)
    except (ValueError, KeyError) as exc:
        raise _error("InvalidParameterValue", "SendMessage") from exc
    if name != "AWSTraceHeader" or said["DataType"] != "String":
        raise _error("InvalidParameterValue", "SendMessage")
    return str(said["StringValue"])


def _sequence(message: Message) -> str:
    return f"{message.sequence:020}"


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)  # type: ignore[typeddict-item]
