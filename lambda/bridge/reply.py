"""The reply function: a batch of chats' replies in, texts to phones out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge import reporting
from bridge.answering import Answers, metrics_of
from bridge.entry import by_conversation
from bridge.hiding import hide
from bridge.queues import Conversations
from bridge.streamed import StreamedEntry


def reply(event: Mapping[str, Any], *, answers: Answers, queue: Conversations) -> dict[str, Any]:
    """Returns the replies that SQS is to hand out again, in Lambda's partial batch response."""
    chats, out_of_order = by_conversation(event, StreamedEntry)
    reports = answers.deliver(chats)
    given_back = [report for report in reports if report.result == "given back"]
    hide(given_back, queue=queue)
    reporting.replies(reports)
    reporting.count(metrics_of(reports) | {"ArrivedOutOfOrder": out_of_order})
    return {"batchItemFailures": [{"itemIdentifier": report.entry.entry_id} for report in given_back]}
