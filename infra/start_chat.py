"""What start-chat delivery adds to the stack: the open chats, and the pipeline of agents' replies."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from bridge.metrics import REPLY
from bridge.replies.chat_events import FILTER_POLICY
from infra.config import STREAMING_TOPIC
from infra.encryption import BridgeKey
from infra.function import BridgeFunction, Shared
from infra.logical_ids import retain
from infra.pipeline import Pipeline
from infra.storage import Table


class StreamingTopic(Construct):
    """A standard topic, since Connect streams to no other. Only the given Connect instances may publish to it.

    The condition is ArnEquals with the ARN of the instance alone: with `/*` behind it Connect delivers nothing, and
    reports no error.
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
        retain(self.topic, STREAMING_TOPIC)


class StartChatDelivery:
    """`forward` is the worker of the texts. The constructs are children of `scope`, as in Pipeline."""

    def __init__(self, scope: Construct, *, forward: BridgeFunction, shared: Shared) -> None:
        config, key = shared.config, shared.key
        self.chats = Table(scope, "Chats", key=key, partition_key="chat_key").table
        self.streaming = StreamingTopic(scope, "Streaming", key=key, instances=config.instances()).topic
        key.grant_connect()
        if flows := config.contact_flows():
            forward.function.add_environment("CHATS_TABLE", self.chats.table_name)
            forward.function.add_environment("STREAMING_TOPIC_ARN", self.streaming.topic_arn)
            forward.allow("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=self.chats.table_arn)
        for instance, arns in flows.items():
            for arn in (instance, *arns):
                forward.allow("connect:StartChatContact", on=arn)

        self.replies = Pipeline(
            scope,
            direction=REPLY,
            topic=self.streaming,
            intake="reply_intake",
            queue="Replies",
            worker="reply",
            shared=shared,
            filter_policy=FILTER_POLICY,
        )
        reply = self.replies.worker
        reply.function.add_environment("CHATS_TABLE", self.chats.table_name)
        reply.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=self.chats.table_arn)
        for number in config.numbers:  # also those that start no chats any more: their chats may still be open
            reply.allow("sms-voice:SendTextMessage", on=number.arn)
