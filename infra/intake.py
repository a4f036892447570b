"""Intake: from the topic onto conversations."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.config import BridgeConfig
from infra.function import BridgeFunction
from infra.key import BridgeKey
from infra.queues import UndeliveredQueue
from infra.topic import InboundTopic

TIMEOUT = Duration.seconds(30)
"""Intake makes one or two short calls; this is for a bad day."""


class Intake(BridgeFunction):
    """Both ways in which a text can miss it lead to undelivered: SNS cannot hand over, or every try crashes."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        config: BridgeConfig,
        key: BridgeKey,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name="intake",
            description="Puts each inbound text on its conversation",
            code=code,
            config=config,
            key=key,
            timeout=TIMEOUT,
            environment=environment,
        )

    def take_from(self, topic: InboundTopic, *, undelivered: UndeliveredQueue) -> None:
        """Be called for each notification of the topic."""
        self.function.configure_async_invoke(
            retry_attempts=2,
            max_event_age=Duration.hours(6),
            on_failure=destinations.SqsDestination(undelivered.queue),
        )
        self.may("sqs:SendMessage", on=undelivered.queue.queue_arn)
        topic.topic.add_subscription(
            subscriptions.LambdaSubscription(self.function, dead_letter_queue=undelivered.queue)
        )
