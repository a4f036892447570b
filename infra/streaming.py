"""Where Connect streams the chats that the bridge started."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.config import STREAMING_TOPIC
from infra.key import BridgeKey
from infra.pinned import pin


class StreamingTopic(Construct):
    """Standard, since Connect streams to no other. Connect publishes as itself, for these instances only.

    The condition is ArnEquals on the bare ARN of an instance: with anything behind it Connect delivers nothing, and
    says nothing.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey, instances: Sequence[str]) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key.key, enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="ConnectStreams",
                principals=[iam.ServicePrincipal("connect.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnEquals": {"aws:SourceArn": list(instances)},
                },
            )
        )
        pin(self.topic, STREAMING_TOPIC)
