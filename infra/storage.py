"""Queues and tables: encrypted, retained when the stack is deleted."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import checks
from infra.config import Limits
from infra.encryption import BridgeKey
from infra.logical_ids import retain

RETENTION = Duration.days(14)
"""The maximum of SQS: it leaves people time to correct a cause."""
MAX_MESSAGE_BYTES = 1_048_576
"""The maximum of SQS: a notification of SNS (up to 256 KiB) grows when it becomes JSON in a queue message. Set
explicitly, since AWS's documents disagree on the default."""
VISIBILITY_TIMEOUTS = 6
"""Visibility timeout divided by the function's timeout. Lambda's documentation recommends at least six, so that no
message becomes visible while its batch is being processed."""


def _queue(scope: Construct, key: BridgeKey, *, fifo: bool, **more: Any) -> sqs.Queue:
    """A queue with what all have in common. Senders set the deduplication id: equal bodies are different messages."""
    if fifo:
        more |= {
            "fifo": True,
            "content_based_deduplication": False,
            "deduplication_scope": sqs.DeduplicationScope.MESSAGE_GROUP,
            "fifo_throughput_limit": sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        }
    return sqs.Queue(
        scope,
        "Queue",
        retention_period=RETENTION,
        max_message_size_bytes=MAX_MESSAGE_BYTES,
        encryption_master_key=key.key,
        enforce_ssl=True,
        **more,
    )


class FifoQueue(Construct):
    """The queue of a pipeline: one message group per conversation or chat, which keeps its messages in order."""

    def __init__(
        self, scope: Construct, construct_id: str, *, key: BridgeKey, failed: FailedQueue, limits: Limits
    ) -> None:
        super().__init__(scope, construct_id)
        self.queue = _queue(
            self,
            key,
            fifo=True,
            visibility_timeout=Duration.seconds(VISIBILITY_TIMEOUTS * limits.function_timeout),
            dead_letter_queue=sqs.DeadLetterQueue(queue=failed.queue, max_receive_count=limits.max_receive_count),
        )
        retain(self.queue, f"{construct_id}Queue")


class FailedQueue(Construct):
    """The dead-letter queue of the pipelines; FIFO, as SQS requires for FIFO queues.

    It has no redrive allow policy: that would name the source queues, which already refer to this queue, and
    CloudFormation allows no circular reference.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey) -> None:
        super().__init__(scope, construct_id)
        self.queue = _queue(self, key, fifo=True)
        retain(self.queue, "FailedQueue")


class UndeliveredQueue(Construct):
    """What SNS or Lambda could not deliver to an intake function; a standard queue, as both require."""

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey) -> None:
        super().__init__(scope, construct_id)
        self.queue = _queue(self, key, fifo=False)
        retain(self.queue, "UndeliveredQueue")
        checks.acknowledge(
            self.queue,
            "AwsSolutions-SQS3",
            "It is a dead-letter queue itself: of the subscription and of intake's asynchronous calls, at which the "
            "rule does not look.",
        )


class Table(Construct):
    """A table whose items expire at `expires_at` (seconds since 1970). The construct id is its logical id."""

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey, partition_key: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expires_at",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key.key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
        )
        retain(self.table, construct_id, protected=True)

    def add_index(self, name: str, *, partition_key: str, sort_key: str | None = None) -> None:
        """A sparse index of keys only; `sort_key` is a number.

        CloudFormation adds only one index per update to an existing table; a new table may have several at once.
        """
        number = dynamodb.AttributeType.NUMBER
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=sort_key, type=number) if sort_key else None,
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )


class Storage:
    """What the pipelines share. Its constructs are children of `scope`, since logical ids come from their paths."""

    def __init__(self, scope: Construct, *, key: BridgeKey) -> None:
        self.undelivered = UndeliveredQueue(scope, "Undelivered", key=key)
        self.failed = FailedQueue(scope, "Failed", key=key)
        self.ledger = Table(scope, "Ledger", key=key, partition_key="text_key")
        self.ledger.add_index("ByConversation", partition_key="conversation", sort_key="first_seen_at")
        self.ledger.add_index("BySnsMessage", partition_key="sns_message_id")
        self.ledger.add_index("Failed", partition_key="failed_on", sort_key="failed_at")
