"""The forward function: a batch of conversations in, chat integration events out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from bridge import entry, reporting, sdk
from bridge.config import Config
from bridge.connect import ChatIntegration
from bridge.delivery import Courier, StartChats
from bridge.hiding import hide
from bridge.ledger import Ledger
from bridge.pacing import Pacer
from bridge.queues import Conversations, Failed
from bridge.settings import ForwardSettings

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient
    from mypy_boto3_dynamodb import DynamoDBClient


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
    sqs, dynamodb = sdk.later(sdk.sqs), sdk.dynamodb()
    connect = sdk.connect(answer_within=config.limits.call_timeout)
    courier = Courier(
        config=config,
        connect=ChatIntegration(client=connect),
        ledger=Ledger(client=dynamodb, table=settings.ledger_table),
        failed=Failed(client=sqs, url=settings.failed_queue_url, stage="forward"),
        pacer=_pacer(config, config.limits.connect_rate),
        start_chat=_start_chat(settings, config, connect, dynamodb),
    )
    return courier, Conversations(client=sqs, url=settings.conversations_queue_url)


def _start_chat(
    settings: ForwardSettings, config: Config, connect: ConnectClient, dynamodb: DynamoDBClient
) -> tuple[StartChats, Pacer] | None:
    if settings.chats_table is None or settings.streaming_topic_arn is None:
        return None
    from bridge.chats import Chats
    from bridge.start_chat import StartChat

    limits = config.limits
    channel = StartChat(
        connect=connect,
        participant=sdk.connectparticipant(answer_within=limits.call_timeout),
        chats=Chats(client=dynamodb, table=settings.chats_table),
        starting=_pacer(config, limits.start_chat_rate),
        connecting=_pacer(config, limits.connection_rate),
        ending=_pacer(config, limits.disconnect_rate),
        streaming_topic_arn=settings.streaming_topic_arn,
    )
    return channel, _pacer(config, limits.message_rate)


def _pacer(config: Config, rate: float) -> Pacer:
    return Pacer(rate=rate, environments=config.limits.max_concurrency)


@reporting.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    courier, queue = _collaborators()
    return forward(event, courier=courier, queue=queue)


if "LAMBDA_TASK_ROOT" in os.environ:  # in Lambda: a cold start has a whole processor before the first event
    _collaborators()
