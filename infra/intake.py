"""Intake: from a topic onto the queue that keeps the order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.config import BridgeConfig
from infra.function import BridgeFunction
from infra.key import BridgeKey
from infra.pinned import INTAKES, fix
from infra.queues import UndeliveredQueue

TIMEOUT = Duration.seconds(30)
"""Intake makes one or two short calls; this is for a bad day."""


class Intake(BridgeFunction):
    """Both ways in which a text can miss it lead to undelivered: SNS cannot hand over, or every try crashes."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        code: lambda_.Code,
        config: BridgeConfig,
        key: BridgeKey,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name=name,
            description=description,
            code=code,
            config=config,
            key=key,
            timeout=TIMEOUT,
            environment=environment,
        )

    def take_from(
        self, topic: sns.Topic, *, undelivered: UndeliveredQueue, only: Mapping[str, Any] | None = None
    ) -> None:
        """Be called for each notification of the topic; `only` is a filter policy over message attributes."""
        self.function.configure_async_invoke(
            retry_attempts=2,
            max_event_age=Duration.hours(6),
            on_failure=destinations.SqsDestination(undelivered.queue),
        )
        self.may("sqs:SendMessage", on=undelivered.queue.queue_arn)
        subscription = topic.add_subscription(
            subscriptions.LambdaSubscription(self.function, dead_letter_queue=undelivered.queue)
        )
        if only:  # the construct has no word for "$or"
            cast(sns.CfnSubscription, subscription.node.default_child).filter_policy = json.loads(json.dumps(only))
        ids, beside = INTAKES[self.name], self.function.node
        fix(subscription, ids.subscription)
        fix(beside.find_child("EventInvokeConfig"), ids.invoke_config)
        (permission,) = (child for child in beside.children if isinstance(child, lambda_.CfnPermission))
        fix(permission, ids.permission)
