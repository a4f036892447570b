"""The reply function: sends agents' replies to phones, those of each chat in order."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from bridge import logging
from bridge.aws import clients
from bridge.aws.chat_sessions import ChatSessions
from bridge.aws.ledger import Ledger
from bridge.aws.queues import DeadLetterQueue, FifoQueue
from bridge.aws.sms import SmsClient
from bridge.aws.start_chat import AgentLine
from bridge.config import Config, ReplySettings
from bridge.metrics import REPLY
from bridge.processing.batch import FifoBatchProcessor
from bridge.processing.clock import Clock
from bridge.processing.rate_limiter import RateLimiter
from bridge.replies import chat_events
from bridge.replies.chat_events import ChatEvent
from bridge.replies.delivery import ReplyDelivery

STAGE = "reply"


@cache
def _processor() -> FifoBatchProcessor[ChatEvent]:
    settings = ReplySettings.from_environment(os.environ)
    limits = Config.load().limits
    sqs, dynamodb = clients.lazy_client(clients.sqs), clients.dynamodb()
    participant = clients.lazy_client(lambda: clients.connectparticipant(read_timeout=limits.call_timeout))
    chats = ChatSessions(client=dynamodb, table=settings.chats_table)
    ledger = Ledger(client=dynamodb, table=settings.ledger_table, stage=STAGE)
    return FifoBatchProcessor(
        handler=ReplyDelivery(
            chats=chats,
            agents=AgentLine(participant=participant, chats=chats),
            phones=SmsClient(client=clients.adaptive_client(clients.sms, longest=limits.call_timeout)),
            ledger=ledger,
            rate_limiter=RateLimiter(rate=limits.sms_rate, environments=limits.max_concurrency),
            max_lost_answers=limits.max_lost_answers,
            clock=Clock(),
        ),
        parse=chat_events.parse,
        limits=limits,
        queue=FifoQueue(client=sqs, url=settings.replies_queue_url),
        dead_letters=DeadLetterQueue(client=sqs, url=settings.failed_queue_url, stage=STAGE),
        ledger=ledger,
        reporter=logging.Reporter(REPLY),
    )


@logging.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return _processor().handle(event)


if "LAMBDA_TASK_ROOT" in os.environ:  # during the cold start, which has a full CPU
    _processor()
