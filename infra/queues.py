"""The three queues: texts on their way, texts that failed, and what never reached intake."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import checks
from infra.key import BridgeKey
from infra.pinned import pin

LONGEST = Duration.days(14)
"""The most that SQS allows: time for people to mend what is wrong."""
LARGEST = 1_048_576
"""Bytes of a message: the most that SQS allows, since a notification of SNS (256 KiB) grows when it is put into a
queue as JSON. Said, since documents do not agree on the default and a queue keeps that of the day of its creation."""


class OrderedQueue(Construct):
    """One message group for each conversation or chat: the lock that keeps its texts in order.

    Deduplication ids are the sender's business: equal bodies are not the same text.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: BridgeKey,
        failed: FailedQueue,
        visibility: Duration,
        max_receive_count: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self.queue = sqs.Queue(
            self,
            "Queue",
            fifo=True,
            content_based_deduplication=False,
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
            fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            visibility_timeout=visibility,
            retention_period=LONGEST,
            max_message_size_bytes=LARGEST,
            dead_letter_queue=sqs.DeadLetterQueue(queue=failed.queue, max_receive_count=max_receive_count),
            encryption_master_key=key.key,
            enforce_ssl=True,
        )
        pin(self.queue, f"{construct_id}Queue")


class FailedQueue(Construct):
    """FIFO, as the dead-letter queue of a FIFO queue must be.

    It does not say whose dead-letter queue it may be: the two queues would refer to each other, and CloudFormation
    allows no circle.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey) -> None:
        super().__init__(scope, construct_id)
        self.queue = sqs.Queue(
            self,
            "Queue",
            fifo=True,
            content_based_deduplication=False,
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
            fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            retention_period=LONGEST,
            max_message_size_bytes=LARGEST,
            encryption_master_key=key.key,
            enforce_ssl=True,
        )
        pin(self.queue, "FailedQueue")


class UndeliveredQueue(Construct):
    """What SNS or Lambda could not hand to intake; standard, as both of them require."""

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey) -> None:
        super().__init__(scope, construct_id)
        self.queue = sqs.Queue(
            self,
            "Queue",
            retention_period=LONGEST,
            max_message_size_bytes=LARGEST,
            encryption_master_key=key.key,
            enforce_ssl=True,
        )
        pin(self.queue, "UndeliveredQueue")
        checks.acknowledge(
            self.queue,
            "AwsSolutions-SQS3",
            "It is a dead-letter queue itself: of the subscription and of intake's asynchronous calls, at which the "
            "rule does not look.",
        )
