"""The two-way channel: the topic that End User Messaging publishes inbound texts to, and the role that it assumes."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.encryption import BridgeKey
from infra.logical_ids import retain
from infra.storage import Topic


class TwoWayChannel:
    """The constructs are children of `scope`, since logical ids come from their paths.

    The topic's policy allows nobody to publish. IAM does: the role, and the people to whom the account grants it. Only
    the role's trust policy can limit End User Messaging to numbers of this account.
    """

    def __init__(self, scope: Construct, *, key: BridgeKey) -> None:
        self.topic = Topic(scope, "Inbound", key=key, logical_id="InboundTopic").topic
        self.role = iam.Role(
            Construct(scope, "Channel"),
            "Role",
            description="End User Messaging publishes inbound texts to the bridge's topic",
            assumed_by=iam.ServicePrincipal(
                "sms-voice.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        publish = iam.PolicyStatement(actions=["sns:Publish"], resources=[self.topic.topic_arn])
        self.role.add_to_principal_policy(publish)
        retain(self.role, "TwoWayChannelRole")
