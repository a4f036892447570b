"""What start-chat delivery adds to the stack: the open chats, and the pipeline of agents' replies."""

from __future__ import annotations

from constructs import Construct

from bridge.metrics import REPLY
from bridge.replies.chat_events import FILTER_POLICY
from infra.config import STREAMING_TOPIC
from infra.function import BridgeFunction, Shared
from infra.pipeline import Pipeline
from infra.storage import Table, Topic


class StartChatDelivery:
    """`forward` is the worker of the texts. The constructs are children of `scope`, as in Pipeline."""

    def __init__(self, scope: Construct, shared: Shared, *, forward: BridgeFunction) -> None:
        config, key = shared.config, shared.key
        self.chats = Table(scope, "Chats", key=key, partition_key="chat_key").table
        streaming = Topic(scope, "Streaming", key=key, logical_id=STREAMING_TOPIC)
        # ArnEquals with the bare ARN of the instance: with `/*` behind it Connect delivers nothing, without an error.
        instances = {"ArnEquals": {"aws:SourceArn": list(config.instances())}}
        streaming.allow_service("ConnectStreams", "connect.amazonaws.com", instances)
        self.streaming = streaming.topic
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
            shared,
            direction=REPLY,
            topic=self.streaming,
            intake="reply_intake",
            queue="Replies",
            worker="reply",
            filter_policy=FILTER_POLICY,
        )
        reply = self.replies.worker
        reply.function.add_environment("CHATS_TABLE", self.chats.table_name)
        reply.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=self.chats.table_arn)
        for number in config.numbers:  # also those that start no chats any more: their chats may still be open
            reply.allow("sms-voice:SendTextMessage", on=number.arn)
