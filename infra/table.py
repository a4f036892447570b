"""What is remembered, for a time: the ledger, and the open chats."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.key import BridgeKey
from infra.pinned import pin


class Remembered(Construct):
    """A table whose items are forgotten when `expires_at` (seconds since 1970) has passed."""

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey, by: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name=by, type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expires_at",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key.key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
        )
        pin(self.table, construct_id, protected=True)

    def index(self, name: str, *, by: str, then: str | None = None) -> None:
        """Find items by another attribute, in the order of a number: keys only, and only items that have both.

        CloudFormation adds one index to a table that is there in one update; a new table may have several at once.
        """
        number = dynamodb.AttributeType.NUMBER
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=dynamodb.Attribute(name=by, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=then, type=number) if then else None,
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
