"""Giving texts back to their queue."""

from __future__ import annotations

from collections.abc import Sequence

from bridge import reporting
from bridge.delivery import Report
from bridge.errors import QueueError
from bridge.measures import TEXT, Kind
from bridge.queues import Conversations


def hide(given_back: Sequence[Report], *, queue: Conversations, kind: Kind = TEXT) -> None:
    """Hide a conversation's texts together. Where SQS does not do it they wait for the queue's visibility time-out."""
    try:
        queue.hide([(report.entry.receipt_handle, report.wait) for report in given_back])
    except QueueError as exc:
        reporting.waits_longer(given_back, exc, kind=kind)
