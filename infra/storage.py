"""Topics, queues and tables: encrypted, and retained when the stack is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import checks
from infra.encryption import BridgeKey
from infra.logical_ids import retain

RETENTION = Duration.days(14)
"""The maximum of SQS: it leaves people time to correct a cause."""
MAX_MESSAGE_BYTES = 1_048_576
"""The maximum of SQS: a notification of SNS (up to 256 KiB) grows when it becomes JSON in a queue message. Set
explicitly, since AWS's documents disagree on the default."""


class Topic(Construct):
    """An encrypted standard topic, which denies requests without TLS.

    Standard, since neither End User Messaging nor Connect publishes to a FIFO topic.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey, logical_id: str) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key.key, enforce_ssl=True)
        retain(self.topic, logical_id)

    def allow_service(self, sid: str, service: str, conditions: Mapping[str, Any]) -> None:
        """Allow a service to publish, for this account and under these conditions."""
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[iam.ServicePrincipal(service)],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, **conditions},
            )
        )


class Queue(Construct):
    """An encrypted queue. Senders set the deduplication id: messages with equal bodies are different messages."""

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey, fifo: bool, **more: Any) -> None:
        super().__init__(scope, construct_id)
        if fifo:
            more |= {
                "fifo": True,
                "content_based_deduplication": False,
                "deduplication_scope": sqs.DeduplicationScope.MESSAGE_GROUP,
                "fifo_throughput_limit": sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            }
        self.queue = sqs.Queue(
            self,
            "Queue",
            retention_period=RETENTION,
            max_message_size_bytes=MAX_MESSAGE_BYTES,
            encryption_master_key=key.key,
            enforce_ssl=True,
            **more,
        )
        retain(self.queue, f"{construct_id}Queue")


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
    """What the pipelines share. Its constructs are children of `scope`, since logical ids come from their paths.

    - `undelivered`: what SNS or Lambda could not deliver to an intake function; standard, as both require.
    - `failed`: the dead-letter queue of the FIFO queues; FIFO, as SQS requires. It has no redrive allow policy: that
      would refer to queues that already refer to this queue, and CloudFormation allows no circular reference.
    """

    def __init__(self, scope: Construct, *, key: BridgeKey) -> None:
        self.undelivered = Queue(scope, "Undelivered", key=key, fifo=False).queue
        checks.acknowledge(
            self.undelivered,
            "AwsSolutions-SQS3",
            "It is a dead-letter queue itself: of the subscription and of intake's asynchronous calls, at which the "
            "rule does not look.",
        )
        self.failed = Queue(scope, "Failed", key=key, fifo=True).queue
        ledger = Table(scope, "Ledger", key=key, partition_key="text_key")
        ledger.add_index("ByConversation", partition_key="conversation", sort_key="first_seen_at")
        ledger.add_index("BySnsMessage", partition_key="sns_message_id")
        ledger.add_index("Failed", partition_key="failed_on", sort_key="failed_at")
        self.ledger = ledger.table
