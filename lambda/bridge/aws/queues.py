"""Adapters of the FIFO queues and of the dead-letter queue."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.aws.errors import SDK_ERRORS, error_code
from bridge.errors import BridgeError, QueueError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10
_TRACE_HEADER = re.compile(
    r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01](;Lineage=[0-9A-Za-z:|]{1,256})?"
)
"""The form that Lambda sets. Lineage is for its detection of loops."""
_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that SQS rejects in messages and attributes (SendMessage in its API reference)."""


class FifoQueue:
    """The queue of a worker, with a message group for each conversation or chat."""

    def __init__(self, *, client: SQSClient, url: str) -> None:
        self._client, self._url = client, url

    def send(self, body: str, *, group_id: str, deduplication_id: str) -> None:
        """Raises QueueError. SQS drops a message whose deduplication id it received within the last five minutes.

        The message carries the trace of this invocation, so that X-Ray draws one path to the function that receives it.
        """
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=group_id,
                MessageDeduplicationId=deduplication_id,
                **_trace(),
            )
        except SDK_ERRORS as exc:
            raise QueueError(f"the queue did not accept the message ({error_code(exc)})") from exc

    def change_visibility(self, delays: Sequence[tuple[str, int]]) -> None:
        """Hide messages, by receipt handle, for so many seconds.

        Raises QueueError where SQS refuses one: that message stays hidden for the queue's own visibility timeout.
        """
        for start in range(0, len(delays), _BATCH):
            entries: list[Any] = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                for number, (handle, seconds) in enumerate(delays[start : start + _BATCH])
            ]
            try:
                answer = self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
            except SDK_ERRORS as exc:
                raise QueueError(f"the visibility timeout could not be changed ({error_code(exc)})") from exc
            if refused := answer.get("Failed"):
                codes = ", ".join(sorted({entry["Code"] for entry in refused}))
                raise QueueError(f"the visibility timeout of {len(refused)} messages could not be changed ({codes})")


class DeadLetterQueue:
    """The FIFO dead-letter queue: unchanged message bodies, with reason, function and time of the failure.

    Parameters:
        stage: the function that fails messages.
        now: seconds since the epoch.
    """

    def __init__(self, *, client: SQSClient, url: str, stage: str, now: Callable[[], float] = time.time) -> None:
        self._client, self._url, self._stage, self._now = client, url, stage, now

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
        """Raises QueueError.

        `deduplication_id` must differ for each failure: SQS would silently drop a message that is redriven and fails
        again within five minutes.
        """
        values = {
            "text_key": key,
            "stage": self._stage,
            "error": error.code,
            "reason": str(error),
            "failed_at": datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds"),
            "attempts": str(attempts),
            "entry_id": message_id,
        }
        attributes: Mapping[str, Any] = {
            name: {"DataType": "String", "StringValue": _REFUSED.sub("?", value)}
            for name, value in values.items()
            if value
        }
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=group_id,
                MessageDeduplicationId=deduplication_id,
                MessageAttributes=attributes,
            )
        except SDK_ERRORS as exc:
            raise QueueError(f"the failed queue did not accept the message ({error_code(exc)})") from exc


def _trace() -> Mapping[str, Any]:
    """The parameter of SendMessage for the X-Ray header that Lambda sets anew for each invocation.

    Empty if the header is absent or of another form, for which SQS would reject the message. The header counts neither
    as a message attribute nor towards the size of the message:
    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
    """
    header = os.environ.get("_X_AMZN_TRACE_ID", "")
    if not _TRACE_HEADER.fullmatch(header):
        return {}
    return {"MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}}
