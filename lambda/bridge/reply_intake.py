"""The reply-intake function: puts what is for the phone, and the end of a chat, on that chat's group of the replies
queue. It knows no phones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bridge import reporting, sdk
from bridge.errors import BridgeError, MalformedNotificationError
from bridge.known import Facts
from bridge.ledger import Ledger
from bridge.measures import REPLY
from bridge.notification import Notification, fit_key
from bridge.noting import note
from bridge.queues import Conversations, Failed
from bridge.settings import ReplyIntakeSettings
from bridge.streamed import Streamed, unread_key

STAGE = "reply-intake"
_LAST = datetime.max.replace(tzinfo=UTC)


class ReplyIntake:
    """Takes notifications in. Raises LedgerError or QueueError: Lambda then hands the same event in again.

    `notes` is the ledger once more, for what may be missed there: with one short try.
    """

    def __init__(
        self,
        *,
        replies: Conversations,
        failed: Failed,
        ledger: Ledger,
        notes: Ledger,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._replies, self._failed, self._ledger, self._notes = replies, failed, ledger, notes
        self._now = now

    def take(self, notification: Notification) -> None:
        """Everything ends somewhere: on its chat, counted as nothing for the phone, or in failed with its reason."""
        try:
            self._take(notification)
        except BridgeError as exc:
            reporting.not_taken(_text_key(notification), exc, kind=REPLY)
            raise

    def _take(self, notification: Notification) -> None:
        try:
            streamed = Streamed.from_notification(notification)
        except MalformedNotificationError as exc:
            self._fail(notification, exc)
            return
        if streamed.kind == "nothing":
            reporting.ignored(streamed.text_key, kind=REPLY)
            return
        at, contact = self._now(), streamed.initial_contact_id
        self._replies.put(notification.to_entry(), conversation=contact, text_key=streamed.message_id)
        if streamed.kind == "reply":
            facts = Facts(
                conversation=contact,
                sns_message_id=fit_key(notification.message_id),
                sent_at=streamed.sent_at.isoformat(timespec="milliseconds") if streamed.sent_at else None,
            )
            note(self._notes, streamed.text_key, facts, stage=STAGE, at=at, kind=REPLY)
        reporting.queued(streamed.text_key, kind=REPLY)

    def _fail(self, notification: Notification, error: BridgeError) -> None:
        text_key = unread_key(notification.message_id)
        self._failed.put(
            notification.to_entry(),
            error,
            conversation=text_key,  # it belongs to none
            deduplication_id=text_key,
            text_key=text_key,
        )
        self._ledger.failed(text_key, Facts(sns_message_id=fit_key(notification.message_id)), error, stage=STAGE)
        reporting.malformed(text_key, error, kind=REPLY)


def reply_intake(event: Mapping[str, Any], *, taker: ReplyIntake) -> None:
    """In the order in which they were said; all are tried before the first error is raised.

    An event that is not from SNS raises MalformedNotificationError; Lambda then puts it, whole, on undelivered.
    """
    records = event.get("Records")
    if not isinstance(records, list) or not records:
        raise MalformedNotificationError("the event is not from SNS: it has no Records")
    reporting.count({REPLY.received: len(records)})
    notifications, trouble = [], list[BridgeError]()
    for record in records:
        try:
            notifications.append(Notification.from_record(record))
        except MalformedNotificationError as exc:
            trouble.append(exc)
    for notification in sorted(notifications, key=_said_at):
        try:
            taker.take(notification)
        except BridgeError as exc:
            trouble.append(exc)
    if trouble:
        raise trouble[0]


def _text_key(notification: Notification) -> str:
    try:
        return Streamed.from_notification(notification).text_key
    except MalformedNotificationError:
        return unread_key(notification.message_id)


def _said_at(notification: Notification) -> datetime:
    try:
        return Streamed.from_notification(notification).sent_at or _LAST
    except MalformedNotificationError:
        return _LAST


@cache
def _collaborators() -> ReplyIntake:
    settings = ReplyIntakeSettings.from_environment(os.environ)
    sqs = sdk.sqs()
    return ReplyIntake(
        replies=Conversations(client=sqs, url=settings.replies_queue_url),
        failed=Failed(client=sqs, url=settings.failed_queue_url, stage=STAGE),
        ledger=Ledger(client=sdk.later(sdk.dynamodb), table=settings.ledger_table, stage=STAGE),
        notes=Ledger(client=sdk.dynamodb_once(), table=settings.ledger_table),
    )


@reporting.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> None:
    reply_intake(event, taker=_collaborators())


if "LAMBDA_TASK_ROOT" in os.environ:  # in Lambda: a cold start has a whole processor before the first event
    _collaborators()
