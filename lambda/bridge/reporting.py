"""Logs and metrics. The text key is the correlation id; no body, no phone number, no hash of one comes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from bridge.errors import BlockedError, BridgeError
from bridge.measures import MILLISECONDS, NOTES_MISSED, TEXT, WAITING, Kind, failed_by, metrics_of

if TYPE_CHECKING:
    from bridge.delivery import Report

logger = Logger()
metrics = Metrics()


def count(counts: Mapping[str, int]) -> None:
    """Zeros are not worth a metric's price."""
    for name, value in counts.items():
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)


def queued(text_key: str, *, kind: Kind = TEXT) -> None:
    logger.info(f"{kind.one} queued", extra=_about(text_key))


def ignored(text_key: str, *, kind: Kind = TEXT) -> None:
    """Before any queue: there is nothing in it to deliver."""
    logger.info(f"{kind.one} ignored", extra=_about(text_key))
    count({kind.ignored: 1})


def not_taken(text_key: str, error: BridgeError, *, kind: Kind = TEXT) -> None:
    """The function fails for it, and Lambda hands the same event in again."""
    logger.warning(f"{kind.one} not taken", extra=_about(text_key) | _because(error))


def not_noted(text_key: str, error: BridgeError, *, kind: Kind = TEXT) -> None:
    """It is queued all the same."""
    logger.warning(f"{kind.one} not noted in the ledger", extra=_about(text_key) | _because(error))
    count({NOTES_MISSED: 1})


def malformed(text_key: str, error: BridgeError, *, kind: Kind = TEXT) -> None:
    _failed(text_key, error, kind=kind)
    count({kind.failed: 1, failed_by(error): 1})


def waits_longer(reports: Sequence[Report], error: BridgeError, *, kind: Kind = TEXT) -> None:
    """Texts that SQS did not hide for the time that was meant."""
    for report in reports:
        logger.warning(f"{kind.one} waits longer", extra=_about(report.entry.text_key) | _because(error))


def batch(reports: Sequence[Report], *, out_of_order: int, kind: Kind = TEXT) -> None:
    """One line per text and the metrics of a batch."""
    for report in reports:
        _text(report, kind)
    count(metrics_of(reports, kind) | {"ArrivedOutOfOrder": out_of_order})
    for report in reports:
        if report.result == "forwarded" and report.milliseconds is not None:
            metrics.add_metric(MILLISECONDS, MetricUnit.Milliseconds, report.milliseconds)
        if report.result == "given back" and report.error:
            metrics.add_metric(WAITING, MetricUnit.Seconds, report.waited)


def _text(report: Report, kind: Kind) -> None:
    what, about = kind.one, _about(report.entry.text_key)
    match report.result:
        case "forwarded":
            logger.info(
                f"{what} forwarded",
                extra=about
                | {
                    "parts": report.parts,
                    "attempts": report.attempts,
                    "contact": report.contact,
                    "new_chat": report.new_chat,
                    "milliseconds": report.milliseconds,
                },
            )
        case "failed" if report.error:
            _failed(report.entry.text_key, report.error, attempts=report.attempts, kind=kind)
        case "given back" if report.error:
            level = logger.error if isinstance(report.error, BlockedError) or report.defect else logger.warning
            level(
                f"{what} given back",
                extra=about
                | _because(report.error)
                | {
                    "attempts": report.attempts,
                    "waited_seconds": report.waited,
                    "again_in_seconds": report.wait,
                }
                | ({"where": report.defect} if report.defect else {}),
            )
        case "given back":
            logger.debug(f"{what} waits behind another", extra=about | {"again_in_seconds": report.wait})
        case "ended":
            logger.info("chat ended", extra=about | {"contact": report.contact})
        case _:
            logger.info(f"{what} {report.result}", extra=about)


def _failed(text_key: str, error: BridgeError, *, kind: Kind, attempts: int = 0) -> None:
    logger.error(f"{kind.one} failed", extra=_about(text_key) | _because(error) | {"attempts": attempts})


def _about(text_key: str) -> dict[str, Any]:
    return {"correlation_id": text_key}


def _because(error: BridgeError) -> dict[str, Any]:
    return {"error": error.code, "reason": str(error)}
