"""The role in which End User Messaging publishes."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.pinned import pin


class TwoWayChannelRole(Construct):
    """Only for this account's numbers, which a topic policy for the service would not say."""

    def __init__(self, scope: Construct, construct_id: str, *, topic_arn: str) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description="End User Messaging publishes inbound texts to the bridge's topic",
            assumed_by=iam.ServicePrincipal(
                "sms-voice.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        self.role.add_to_principal_policy(iam.PolicyStatement(actions=["sns:Publish"], resources=[topic_arn]))
        pin(self.role, "TwoWayChannelRole")
