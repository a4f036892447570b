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
        pin(self.table, construct_id)
