"""The reply function: a batch of chats' replies in, texts to phones out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from bridge import reporting, sdk
from bridge.answering import Answers
from bridge.chats import Chats
from bridge.config import Config
from bridge.entry import by_conversation
from bridge.hiding import hide
from bridge.ledger import Ledger
from bridge.measures import REPLY
from bridge.pacing import Pacer
from bridge.queues import Conversations, Failed
from bridge.settings import ReplySettings
from bridge.start_chat import ChatAgents
from bridge.streamed import StreamedEntry
from bridge.texting import Texting


def reply(event: Mapping[str, Any], *, answers: Answers, queue: Conversations) -> dict[str, Any]:
    """Returns the replies that SQS is to hand out again, in Lambda's partial batch response."""
    chats, out_of_order = by_conversation(event, StreamedEntry)
    reports = answers.deliver(chats)
    given_back = [report for report in reports if report.result == "given back"]
    hide(given_back, queue=queue, kind=REPLY)
    reporting.batch(reports, out_of_order=out_of_order, kind=REPLY)
    return {"batchItemFailures": [{"itemIdentifier": report.entry.entry_id} for report in given_back]}


@cache
def _collaborators() -> tuple[Answers, Conversations]:
    settings = ReplySettings.from_environment(os.environ)
    config = Config.load()
    limits = config.limits
    sqs, dynamodb = sdk.later(sdk.sqs), sdk.dynamodb()
    participant = sdk.later(lambda: sdk.connectparticipant(answer_within=limits.call_timeout))
    chats = Chats(client=dynamodb, table=settings.chats_table)
    answers = Answers(
        config=config,
        chats=chats,
        agents=ChatAgents(participant=participant, chats=chats),
        phones=Texting(client=sdk.texting(answer_within=limits.call_timeout)),
        ledger=Ledger(client=dynamodb, table=settings.ledger_table, stage="reply"),
        failed=Failed(client=sqs, url=settings.failed_queue_url, stage="reply"),
        pacer=Pacer(rate=limits.sms_rate, environments=limits.max_concurrency),
    )
    return answers, Conversations(client=sqs, url=settings.replies_queue_url)


@reporting.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    answers, queue = _collaborators()
    return reply(event, answers=answers, queue=queue)


if "LAMBDA_TASK_ROOT" in os.environ:  # in Lambda: a cold start has a whole processor before the first event
    _collaborators()
