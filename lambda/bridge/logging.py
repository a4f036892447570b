"""Logs and metrics. The text key is the correlation id; no body, no phone number and no hash of one is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from bridge.errors import BlockedError, BridgeError
from bridge.metrics import (
    ARRIVED_OUT_OF_ORDER,
    END_TO_END_MILLISECONDS,
    RECEIPTS_MISSED,
    SECONDS_WAITING,
    Direction,
    counts_of,
    failed_by,
)
from bridge.processing.result import Delivered, Failed, Result, Retry, Skipped

logger = Logger()
metrics = Metrics()


class Reporter:
    """Writes the log lines and counts the metrics of one direction."""

    def __init__(self, direction: Direction) -> None:
        self._direction = direction

    def received(self, notifications: int) -> None:
        _count({self._direction.received: notifications})

    def queued(self, key: str) -> None:
        logger.info(f"{self._direction.one} queued", extra=_message(key))

    def ignored(self, key: str) -> None:
        """Intake received a notification with nothing to deliver."""
        logger.info(f"{self._direction.one} ignored", extra=_message(key))
        _count({self._direction.ignored: 1})

    def not_taken(self, key: str, error: BridgeError) -> None:
        """Intake could not process this message; it raises the error, and Lambda retries the event."""
        logger.warning(f"{self._direction.one} not taken", extra=_message(key) | _error(error))

    def receipt_missed(self, key: str, error: BridgeError) -> None:
        """The message is queued and has no item in the ledger yet."""
        logger.warning(f"{self._direction.one} not recorded in the ledger", extra=_message(key) | _error(error))
        _count({RECEIPTS_MISSED: 1})

    def malformed(self, key: str, error: BridgeError) -> None:
        self._failed(key, error, attempts=0)
        _count({self._direction.failed: 1, failed_by(error): 1})

    def visibility_unchanged(self, retries: Sequence[Retry], error: BridgeError) -> None:
        """The visibility timeout of these messages could not be changed."""
        for retry in retries:
            logger.warning(f"{self._direction.one} waits longer", extra=_message(retry.message.key) | _error(error))

    def batch(self, results: Sequence[Result], *, out_of_order: int) -> None:
        """One log line for each message, and the metrics of a batch."""
        for result in results:
            self._result(result)
        _count(counts_of(results, self._direction) | {ARRIVED_OUT_OF_ORDER: out_of_order})
        for result in results:
            if isinstance(result, Delivered) and result.milliseconds is not None:
                metrics.add_metric(END_TO_END_MILLISECONDS, MetricUnit.Milliseconds, result.milliseconds)
            if isinstance(result, Retry) and result.error:
                metrics.add_metric(SECONDS_WAITING, MetricUnit.Seconds, result.waited)

    def _result(self, result: Result) -> None:
        one, about = self._direction.one, _message(result.message.key)
        match result:
            case Delivered():
                fields = {
                    "parts": result.parts,
                    "attempts": result.attempts,
                    "contact": result.contact,
                    "new_chat": result.new_chat,
                    "milliseconds": result.milliseconds,
                }
                if result.possible_duplicates:
                    fields["possible_duplicates"] = result.possible_duplicates
                logger.info(f"{one} forwarded", extra=about | fields)
            case Failed():
                self._failed(result.message.key, result.error, attempts=result.attempts)
            case Retry(error=None):
                logger.debug(f"{one} waits behind another", extra=about | {"again_in_seconds": result.delay})
            case Retry(error=BridgeError() as error):
                fields = _error(error) | {
                    "attempts": result.attempts,
                    "waited_seconds": result.waited,
                    "again_in_seconds": result.delay,
                }
                if result.possible_duplicates:
                    fields["possible_duplicates"] = result.possible_duplicates
                if result.traceback:
                    fields["where"] = result.traceback
                level = logger.error if isinstance(error, BlockedError) or result.traceback else logger.warning
                level(f"{one} returned to its queue", extra=about | fields)
            case Skipped(reason="ended"):
                logger.info("chat ended", extra=about | {"contact": result.contact})
            case Skipped():
                logger.info(f"{one} {result.reason}", extra=about)

    def _failed(self, key: str, error: BridgeError, *, attempts: int) -> None:
        logger.error(f"{self._direction.one} failed", extra=_message(key) | _error(error) | {"attempts": attempts})


def _count(counts: Mapping[str, int]) -> None:
    """Zeros are left out: CloudWatch bills each metric that is written."""
    for name, value in counts.items():
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)


def _message(key: str) -> dict[str, Any]:
    return {"correlation_id": key}


def _error(error: BridgeError) -> dict[str, Any]:
    return {"error": error.code, "reason": str(error)}
