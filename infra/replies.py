"""What agents say in chats that the bridge started, on its way to the phones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from bridge.streamed import FILTER_POLICY
from infra.config import BridgeConfig
from infra.forward import BATCH
from infra.function import BridgeFunction
from infra.intake import TIMEOUT
from infra.key import BridgeKey
from infra.queues import RepliesQueue, UndeliveredQueue
from infra.streaming import StreamingTopic


class ReplyIntake(BridgeFunction):
    """Puts what is for the phone on its chat's group; a FIFO queue cannot subscribe to a standard topic itself."""

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
            name="reply_intake",
            description="Puts each reply of an agent on its chat",
            code=code,
            config=config,
            key=key,
            timeout=TIMEOUT,
            environment=environment,
        )

    def take_from(self, topic: StreamingTopic, *, undelivered: UndeliveredQueue) -> None:
        """Be called for what is for the phone, and for the end of a chat."""
        self.function.configure_async_invoke(
            retry_attempts=2, max_event_age=Duration.hours(6), on_failure=destinations.SqsDestination(undelivered.queue)
        )
        self.may("sqs:SendMessage", on=undelivered.queue.queue_arn)
        subscription = topic.topic.add_subscription(
            subscriptions.LambdaSubscription(self.function, dead_letter_queue=undelivered.queue)
        )
        # The construct has no word for "$or".
        resource = cast(sns.CfnSubscription, subscription.node.default_child)
        resource.filter_policy = json.loads(json.dumps(FILTER_POLICY))


class Reply(BridgeFunction):
    """Texts replies to phones, from the very number that the customer texted."""

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
            name="reply",
            description="Texts agents' replies to phones, each chat's in order",
            code=code,
            config=config,
            key=key,
            timeout=Duration.seconds(config.limits.function_timeout),
            environment=environment,
        )

    def take_from(self, replies: RepliesQueue, *, max_concurrency: int) -> None:
        """Be called with batches of the queue, in at most so many environments at once."""
        self.may(
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ChangeMessageVisibility",
            on=replies.queue.queue_arn,
        )
        lambda_.EventSourceMapping(
            self,
            "Batches",
            target=self.function,
            event_source_arn=replies.queue.queue_arn,
            batch_size=BATCH,
            report_batch_item_failures=True,
            max_concurrency=max_concurrency,
        )

    def may_text_from(self, numbers: Sequence[str]) -> None:
        """Let it text from these numbers of ours, by ARN."""
        for arn in numbers:
            self.may("sms-voice:SendTextMessage", on=arn)
