"""Logs and metrics. The text key is the correlation id; no body, no phone number, no hash of one comes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from bridge.delivery import Report, metrics_of
from bridge.errors import BlockedError, BridgeError

logger = Logger()
metrics = Metrics()


def count(counts: Mapping[str, int]) -> None:
    """Zeros are not worth a metric's price."""
    for name, value in counts.items():
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)


def text_failed(text_key: str, error: BridgeError, *, attempts: int = 0, what: str = "text") -> None:
    logger.error(
        f"{what} failed",
        extra={"correlation_id": text_key, "error": error.code, "reason": str(error), "attempts": attempts},
    )


def batch(reports: Sequence[Report], *, out_of_order: int) -> None:
    """One line per text and the metrics of a batch."""
    for report in reports:
        _text(report)
    count(metrics_of(reports) | {"ArrivedOutOfOrder": out_of_order})
    for report in reports:
        if report.result == "forwarded" and report.milliseconds is not None:
            metrics.add_metric("EndToEndMilliseconds", MetricUnit.Milliseconds, report.milliseconds)


def replies(reports: Sequence[Report]) -> None:
    """One line per reply."""
    for report in reports:
        _text(report, what="reply")


def _text(report: Report, *, what: str = "text") -> None:
    about = {"correlation_id": report.entry.text_key}
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
            text_failed(report.entry.text_key, report.error, attempts=report.attempts, what=what)
        case "given back" if report.error:
            level = logger.error if isinstance(report.error, BlockedError) or report.defect else logger.warning
            level(
                f"{what} given back",
                extra=about
                | {
                    "error": report.error.code,
                    "reason": str(report.error),
                    "attempts": report.attempts,
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
