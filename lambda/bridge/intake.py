"""The intake function: puts each inbound text on its conversation's message group."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from bridge import logging
from bridge.aws import clients
from bridge.aws.ledger import Ledger
from bridge.aws.queues import DeadLetterQueue, FifoQueue
from bridge.config import IntakeSettings
from bridge.metrics import TEXT
from bridge.processing.intake import NotificationIntake
from bridge.texts import sms_event
from bridge.texts.sms_event import InboundSms

STAGE = "intake"


@cache
def _intake() -> NotificationIntake[InboundSms]:
    settings = IntakeSettings.from_environment(os.environ)
    sqs, table = clients.sqs(), settings.ledger_table
    return NotificationIntake(
        parse=sms_event.parse,
        queue=FifoQueue(client=sqs, url=settings.conversations_queue_url),
        dead_letters=DeadLetterQueue(client=sqs, url=settings.failed_queue_url, stage=STAGE),
        ledger=Ledger(client=clients.lazy_client(clients.dynamodb), table=table, stage=STAGE),
        receipts=Ledger(client=clients.dynamodb_single_attempt(), table=table, stage=STAGE),
        reporter=logging.Reporter(TEXT),
        ledger_has_ignored=True,
    )


@logging.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> None:
    _intake().handle(event)


if "LAMBDA_TASK_ROOT" in os.environ:  # during the cold start, which has a full CPU
    _intake()
