"""The forward function: delivers each conversation's texts in order as chat messages."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from bridge import logging
from bridge.aws import clients
from bridge.aws.integration_events import IntegrationEvents
from bridge.aws.ledger import Ledger
from bridge.aws.queues import DeadLetterQueue, FifoQueue
from bridge.config import Config, Delivery, ForwardSettings
from bridge.metrics import TEXT
from bridge.processing.batch import FifoBatchProcessor
from bridge.processing.clock import Clock
from bridge.processing.rate_limiter import RateLimiter
from bridge.texts import sms_event
from bridge.texts.delivery import ChatTransport, TextDelivery
from bridge.texts.sms_event import InboundSms

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient
    from mypy_boto3_dynamodb import DynamoDBClient

STAGE = "forward"


@cache
def _processor() -> FifoBatchProcessor[InboundSms]:
    settings = ForwardSettings.from_environment(os.environ)
    config = Config.load()
    sqs, dynamodb = clients.lazy_client(clients.sqs), clients.dynamodb()
    connect = clients.adaptive_client(clients.connect, longest=config.limits.call_timeout)
    ledger = Ledger(client=dynamodb, table=settings.ledger_table, stage=STAGE)
    transports: dict[Delivery, ChatTransport] = {
        "integration-event": IntegrationEvents(
            client=connect, rate_limiter=_rate_limiter(config, config.limits.connect_rate)
        )
    }
    if settings.chats_table and settings.streaming_topic_arn:
        transports["start-chat"] = _start_chat(
            config, connect, dynamodb, table=settings.chats_table, topic=settings.streaming_topic_arn
        )
    return FifoBatchProcessor(
        handler=TextDelivery(config=config, ledger=ledger, transports=transports, clock=Clock()),
        parse=sms_event.parse,
        limits=config.limits,
        queue=FifoQueue(client=sqs, url=settings.conversations_queue_url),
        dead_letters=DeadLetterQueue(client=sqs, url=settings.failed_queue_url, stage=STAGE),
        ledger=ledger,
        reporter=logging.Reporter(TEXT),
    )


def _start_chat(
    config: Config, connect: ConnectClient, dynamodb: DynamoDBClient, *, table: str, topic: str
) -> ChatTransport:
    from bridge.aws.chat_sessions import ChatSessions
    from bridge.aws.start_chat import StartChat

    limits = config.limits
    return StartChat(
        connect=connect,
        participant=clients.adaptive_client(clients.connectparticipant, longest=limits.call_timeout),
        chats=ChatSessions(client=dynamodb, table=table),
        message_limiter=_rate_limiter(config, limits.message_rate),
        start_limiter=_rate_limiter(config, limits.start_chat_rate),
        connection_limiter=_rate_limiter(config, limits.connection_rate),
        disconnect_limiter=_rate_limiter(config, limits.disconnect_rate),
        streaming_topic_arn=topic,
    )


def _rate_limiter(config: Config, rate: float) -> RateLimiter:
    return RateLimiter(rate=rate, environments=config.limits.max_concurrency)


@logging.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return _processor().handle(event)


if "LAMBDA_TASK_ROOT" in os.environ:  # during the cold start, which has a full CPU
    _processor()
