"""The pipeline of a direction: topic -> intake function -> FIFO queue -> worker function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from bridge.metrics import TEXT, Direction
from infra.function import BridgeFunction, Shared
from infra.logical_ids import FUNCTIONS, set_logical_id
from infra.storage import Queue

INTAKE_TIMEOUT = Duration.seconds(30)
"""Intake makes one or two short calls; this leaves room for their retries."""
BATCH_SIZE = 10
"""The maximum for a FIFO queue."""
VISIBILITY_TIMEOUTS = 6
"""Visibility timeout divided by the function's timeout. Lambda's documentation recommends at least six, so that no
message becomes visible while its batch is being processed."""


class Pipeline:
    """Used for texts and for replies.

    `queue` is the construct id of the FIFO queue, `intake` and `worker` are names of handlers in lambda/bridge;
    `filter_policy` limits the subscription by message attributes. The constructs are children of `scope`, since
    logical ids come from their paths.
    """

    def __init__(
        self,
        scope: Construct,
        shared: Shared,
        *,
        direction: Direction,
        topic: sns.Topic,
        intake: str,
        queue: str,
        worker: str,
        filter_policy: Mapping[str, Any] | None = None,
    ) -> None:
        self.direction, self.topic, self._storage = direction, topic, shared.storage
        storage, limits = shared.storage, shared.config.limits
        self.queue = Queue(
            scope,
            queue,
            key=shared.key,
            fifo=True,
            visibility_timeout=Duration.seconds(VISIBILITY_TIMEOUTS * limits.function_timeout),
            dead_letter_queue=sqs.DeadLetterQueue(queue=storage.failed, max_receive_count=limits.max_receive_count),
        ).queue
        environment = {
            f"{queue.upper()}_QUEUE_URL": self.queue.queue_url,
            "FAILED_QUEUE_URL": storage.failed.queue_url,
            "LEDGER_TABLE": storage.ledger.table_name,
        }
        function = partial(BridgeFunction, scope, environment=environment, shared=shared)
        self.intake = function(name=intake, timeout=INTAKE_TIMEOUT)
        self._subscribe_intake(filter_policy)
        self.worker = function(name=worker, timeout=Duration.seconds(limits.function_timeout))
        self._connect_worker(max_concurrency=limits.max_concurrency)

    @property
    def messages(self) -> str:
        """What passes through it, in words."""
        return "texts" if self.direction is TEXT else "replies"

    @property
    def functions(self) -> tuple[BridgeFunction, BridgeFunction]:
        return self.intake, self.worker

    def _subscribe_intake(self, filter_policy: Mapping[str, Any] | None) -> None:
        """SNS invokes intake. If it cannot, or if three attempts crash, the notification goes to undelivered."""
        storage, function, ids = self._storage, self.intake.function, FUNCTIONS[self.intake.name]
        undelivered = storage.undelivered
        function.configure_async_invoke(
            retry_attempts=2,
            max_event_age=Duration.hours(6),
            on_failure=destinations.SqsDestination(undelivered),
        )
        subscription = self.topic.add_subscription(
            subscriptions.LambdaSubscription(function, dead_letter_queue=undelivered)
        )
        if filter_policy:  # the construct cannot express "$or"
            resource = cast(sns.CfnSubscription, subscription.node.default_child)
            resource.filter_policy = json.loads(json.dumps(filter_policy))
        set_logical_id(subscription, ids["subscription"])
        set_logical_id(function.node.find_child("EventInvokeConfig"), ids["invoke_config"])
        (permission,) = (child for child in function.node.children if isinstance(child, lambda_.CfnPermission))
        set_logical_id(permission, ids["permission"])
        for queue in (undelivered, self.queue, storage.failed):
            self.intake.allow("sqs:SendMessage", on=queue.queue_arn)
        self.intake.allow("dynamodb:UpdateItem", on=storage.ledger.table_arn)

    def _connect_worker(self, *, max_concurrency: int) -> None:
        """Lambda invokes the worker with batches of the queue, in at most `max_concurrency` environments at once."""
        self.worker.allow(
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ChangeMessageVisibility",
            on=self.queue.queue_arn,
        )
        event_source = lambda_.EventSourceMapping(
            self.worker,
            "Batches",
            target=self.worker.function,
            event_source_arn=self.queue.queue_arn,
            batch_size=BATCH_SIZE,
            report_batch_item_failures=True,
            max_concurrency=max_concurrency,
        )
        set_logical_id(event_source, FUNCTIONS[self.worker.name]["event_source"])
        self.worker.allow("sqs:SendMessage", on=self._storage.failed.queue_arn)
        self.worker.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=self._storage.ledger.table_arn)
