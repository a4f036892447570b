"""Forward: from a queue to where its texts are to go."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import BridgeConfig
from infra.function import BridgeFunction
from infra.key import BridgeKey
from infra.pinned import BATCHES, fix

BATCH = 10
"""The most that SQS gives of a FIFO queue."""


class Forward(BridgeFunction):
    """Takes texts in batches and returns those that it could not deliver."""

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
            timeout=Duration.seconds(config.limits.function_timeout),
            environment=environment,
        )

    def take_from(self, queue: sqs.Queue, *, max_concurrency: int) -> None:
        """Be called with batches of the queue, in at most so many environments at once."""
        self.may(
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ChangeMessageVisibility",
            on=queue.queue_arn,
        )
        batches = lambda_.EventSourceMapping(
            self,
            "Batches",
            target=self.function,
            event_source_arn=queue.queue_arn,
            batch_size=BATCH,
            report_batch_item_failures=True,
            max_concurrency=max_concurrency,
        )
        fix(batches, BATCHES[self.name])
