"""The intake function: puts each notification, untouched, on its conversation. It knows no routes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from bridge import reporting, sdk
from bridge.errors import BridgeError, MalformedNotificationError
from bridge.known import Facts
from bridge.ledger import Ledger
from bridge.measures import TEXT
from bridge.notification import Notification, fit_key
from bridge.noting import note
from bridge.queues import Conversations, Failed
from bridge.settings import IntakeSettings


class Intake:
    """Takes notifications in. Raises LedgerError or QueueError: Lambda then hands the same event in again.

    `notes` is the ledger once more, for what may be missed there: with one short try.
    """

    def __init__(
        self,
        *,
        conversations: Conversations,
        failed: Failed,
        ledger: Ledger,
        notes: Ledger,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._conversations, self._failed, self._ledger, self._notes = conversations, failed, ledger, notes
        self._now = now

    def take(self, notification: Notification) -> None:
        """Everything ends somewhere: on a conversation, noted as nothing to show, or in failed with its reason."""
        try:
            self._take(notification)
        except BridgeError as exc:
            reporting.not_taken(notification.text_key, exc)
            raise

    def _take(self, notification: Notification) -> None:
        if notification.is_notice:
            self._ignore(notification)
            return
        try:
            sms = notification.inbound_sms()
        except MalformedNotificationError as exc:
            self._fail(notification, exc)
        else:
            at = self._now()
            self._conversations.put(notification.to_entry(), conversation=sms.conversation, text_key=sms.text_key)
            facts = replace(_facts(notification), conversation=sms.conversation, ours=sms.ours)
            note(self._notes, sms.text_key, facts, stage="intake", at=at)
            reporting.queued(sms.text_key)

    def _ignore(self, notification: Notification) -> None:
        self._ledger.ignored(
            notification.text_key,
            _facts(notification),
            "AWS said that it connected the topic",
            stage="intake",
        )
        reporting.ignored(notification.text_key)

    def _fail(self, notification: Notification, error: BridgeError) -> None:
        text_key = notification.text_key
        self._failed.put(
            notification.to_entry(),
            error,
            conversation=text_key,  # it belongs to none
            deduplication_id=text_key,
            text_key=text_key,
        )
        self._ledger.failed(text_key, _facts(notification), error, stage="intake")
        reporting.malformed(text_key, error)


def intake(event: Mapping[str, Any], *, taker: Intake) -> None:
    """All records are tried before the first error is raised: one that fails does not hold up the others.

    An event that is not from SNS raises MalformedNotificationError; Lambda then puts it, whole, on undelivered.
    """
    records = event.get("Records")
    if not isinstance(records, list) or not records:
        raise MalformedNotificationError("the event is not from SNS: it has no Records")
    reporting.count({TEXT.received: len(records)})
    trouble: list[BridgeError] = []
    for record in records:
        try:
            taker.take(Notification.from_record(record))
        except BridgeError as exc:
            trouble.append(exc)
    if trouble:
        raise trouble[0]


def _facts(notification: Notification) -> Facts:
    return Facts(
        sns_message_id=fit_key(notification.message_id),
        sent_at=notification.sent_at.isoformat(timespec="milliseconds") if notification.sent_at else None,
    )


@cache
def _collaborators() -> Intake:
    settings = IntakeSettings.from_environment(os.environ)
    sqs = sdk.sqs()
    return Intake(
        conversations=Conversations(client=sqs, url=settings.conversations_queue_url),
        failed=Failed(client=sqs, url=settings.failed_queue_url, stage="intake"),
        ledger=Ledger(client=sdk.later(sdk.dynamodb), table=settings.ledger_table),
        notes=Ledger(client=sdk.dynamodb_once(), table=settings.ledger_table),
    )


@reporting.metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], _context: object) -> None:
    intake(event, taker=_collaborators())


if "LAMBDA_TASK_ROOT" in os.environ:  # in Lambda: a cold start has a whole processor before the first event
    _collaborators()
