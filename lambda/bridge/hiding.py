"""Returning texts to their queue."""

from __future__ import annotations

from collections.abc import Sequence

from bridge import reporting
from bridge.delivery import Report
from bridge.errors import QueueError
from bridge.measures import TEXT, Kind
from bridge.queues import Conversations

_LATER = 1
"""Seconds; SQS counts in whole ones."""


def hide(given_back: Sequence[Report], *, queue: Conversations, kind: Kind = TEXT) -> None:
    """Hide a conversation's texts together. Where SQS does not do it they wait for the queue's visibility time-out.

    SQS hands out a message while those behind it in its group are hidden. Where texts are not delivered in the order of
    their queue, the one that is first there could so get ahead of one that has waited longer, or between its parts. It
    is seen again last, and only once the others are known to be seen before: what SQS hands out then is all of them.
    """
    last = _first_in_queue_and_not_in_order(given_back)
    others = [report for report in given_back if report not in last]
    try:
        queue.hide([(report.entry.receipt_handle, report.wait) for report in others])
        queue.hide([(report.entry.receipt_handle, report.wait + _LATER) for report in last])
    except QueueError as exc:
        reporting.waits_longer(given_back, exc, kind=kind)


def _first_in_queue_and_not_in_order(given_back: Sequence[Report]) -> list[Report]:
    """Of each message group whose texts are in another order than on the queue, the one that is first there."""
    groups: dict[str, list[Report]] = {}
    for report in given_back:
        groups.setdefault(report.entry.group, []).append(report)
    return [
        in_queue[0]
        for reports in groups.values()
        if (in_queue := sorted(reports, key=lambda report: int(report.entry.sequence))) != reports
    ]
