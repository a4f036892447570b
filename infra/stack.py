"""The stack.

phone ─▶ EUM ─▶ topic ─▶ intake ─▶ conversations ─▶ forward ─▶ Amazon Connect
                  │        │ │            │           │ │
                  └────┬───┘ └────────────┴─┬─────────┘ └─ ledger
                  undelivered             failed
phone ◀─ EUM ◀─ reply ◀─ replies ◀─ reply-intake ◀─ streaming topic ◀─ agent      (start-chat delivery)
"""

from __future__ import annotations

from aws_cdk import Environment, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from bridge.metrics import TEXT
from infra.config import BridgeConfig
from infra.encryption import BridgeKey
from infra.function import Shared
from infra.inbound import TwoWayChannel
from infra.monitoring import add_monitoring
from infra.outputs import add_outputs
from infra.pipeline import Pipeline
from infra.start_chat import StartChatDelivery
from infra.storage import Storage


class BridgeStack(Stack):
    """Protected against deletion: without a subscription the topic would drop what End User Messaging publishes."""

    def __init__(
        self, scope: Construct, construct_id: str, *, config: BridgeConfig, code: lambda_.Code, env: Environment
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            stack_name=config.stack,
            description="Inbound SMS become messages in Amazon Connect chats",
            termination_protection=True,
            analytics_reporting=False,
        )
        key = BridgeKey(self, "Key")
        storage = Storage(self, key=key)
        channel = TwoWayChannel(self, key=key)
        shared = Shared(config=config, code=code, key=key, storage=storage)
        texts = Pipeline(
            self, shared, direction=TEXT, topic=channel.topic, intake="intake", queue="Conversations", worker="forward"
        )
        if not all(map(config.starts_chats, config.numbers)):
            reason = "The action has no resource types and no condition keys in IAM."
            texts.worker.allow_without_resource("connect:SendChatIntegrationEvent", reason=reason)
        pipelines, start_chat = [texts], None
        if config.instances():  # in which the bridge starts chats, or did: they may still be open
            start_chat = StartChatDelivery(self, shared, forward=texts.worker)
            pipelines.append(start_chat.replies)
        alarm_topic = add_monitoring(self, shared, pipelines)

        key.grant_topic(channel.role, name="EndUserMessaging")
        key.grant_sns(to="Undelivered")
        key.grant_cloudwatch()
        for function in (function for pipeline in pipelines for function in pipeline.functions):
            key.grant_queues(function.role, name=function.camel_name)
            key.grant_tables(function.role, name=function.camel_name)
        key.grant_logs()
        add_outputs(self, shared, channel=channel, texts=texts, start_chat=start_chat, alarm_topic=alarm_topic)
