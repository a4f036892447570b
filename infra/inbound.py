"""Where End User Messaging publishes inbound texts, and the role with which it does so."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.encryption import BridgeKey
from infra.logical_ids import retain


class InboundTopic(Construct):
    """A standard topic, since End User Messaging takes no FIFO topic.

    Its resource policy allows nothing and denies requests without TLS. IAM decides who may publish: the two-way
    channel role, and the people to whom the account grants it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key.key, enforce_ssl=True)
        retain(self.topic, "InboundTopic")


class TwoWayChannelRole(Construct):
    """End User Messaging assumes it for numbers of this account only; a topic policy could not limit the account."""

    def __init__(self, scope: Construct, construct_id: str, *, topic: sns.Topic) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description="End User Messaging publishes inbound texts to the bridge's topic",
            assumed_by=iam.ServicePrincipal(
                "sms-voice.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        self.role.add_to_principal_policy(iam.PolicyStatement(actions=["sns:Publish"], resources=[topic.topic_arn]))
        retain(self.role, "TwoWayChannelRole")
