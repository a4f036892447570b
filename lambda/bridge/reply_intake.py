"""The reply-intake function: puts replies for the phone, and the end of a chat, on that chat's message group."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from bridge import logging
from bridge.aws import clients
from bridge.aws.ledger import Ledger
from bridge.aws.queues import DeadLetterQueue, FifoQueue
from bridge.config import ReplyIntakeSettings
from bridge.metrics import REPLY
from bridge.processing.intake import NotificationIntake
from bridge.replies import chat_events
from bridge.replies.chat_events import ChatEvent

STAGE = "reply-intake"


@cache
def _intake() -> NotificationIntake[ChatEvent]:
    settings = ReplyIntakeSettings.from_environment(os.environ)
    sqs, table = clients.sqs(), settings.ledger_table
    return NotificationIntake(
        parse=chat_events.parse,
        queue=FifoQueue(client=sqs, url=settings.replies_queue_url),
        dead_letters=DeadLetterQueue(client=sqs, url=settings.failed_queue_url, stage=STAGE),
        ledger=Ledger(client=clients.lazy_client(clients.dynamodb), table=table, stage=STAGE),
        receipts=Ledger(client=clients.dynamodb_single_attempt(), table=table, stage=STAGE),
        reporter=logging.Reporter(REPLY),
        ledger_has_ignored=False,
    )


@logging.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> None:
    _intake().handle(event)


if "LAMBDA_TASK_ROOT" in os.environ:  # during the cold start, which has a full CPU
    _intake()
