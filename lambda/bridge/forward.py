"""The forward function: a batch of conversations in, chat integration events out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from bridge import entry, reporting, sdk
from bridge.config import Config
from bridge.connect import ChatIntegration
from bridge.delivery import Courier
from bridge.hiding import hide
from bridge.ledger import Ledger
from bridge.pacing import Pacer
from bridge.queues import Conversations, Failed
from bridge.settings import ForwardSettings


def forward(event: Mapping[str, Any], *, courier: Courier, queue: Conversations) -> dict[str, Any]:
    """Returns the texts that SQS is to hand out again, in Lambda's partial batch response."""
    conversations, out_of_order = entry.conversations(event)
    reports = courier.deliver(conversations)
    given_back = [report for report in reports if report.result == "given back"]
    hide(given_back, queue=queue)
    reporting.batch(reports, out_of_order=out_of_order)
    return {"batchItemFailures": [{"itemIdentifier": report.entry.entry_id} for report in given_back]}


@cache
def _collaborators() -> tuple[Courier, Conversations]:
    settings = ForwardSettings.from_environment(os.environ)
    config = Config.load()
    sqs = sdk.sqs()
    courier = Courier(
        config=config,
        connect=ChatIntegration(client=sdk.connect(answer_within=config.limits.call_timeout)),
        ledger=Ledger(client=sdk.dynamodb(), table=settings.ledger_table),
        failed=Failed(client=sqs, url=settings.failed_queue_url, stage="forward"),
        pacer=Pacer(rate=config.limits.connect_rate, environments=config.limits.max_concurrency),
    )
    return courier, Conversations(client=sqs, url=settings.conversations_queue_url)


@reporting.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    courier, queue = _collaborators()
    return forward(event, courier=courier, queue=queue)


if "LAMBDA_TASK_ROOT" in os.environ:  # in Lambda: a cold start has a whole processor before the first event
    _collaborators()
