"""Metrics that the functions have recorded since they were last written or cleared, and fields of their log lines."""

from __future__ import annotations

from bridge import logging

OF_A_TEXT = {"correlation_id", "error", "reason", "attempts", "waited_seconds", "again_in_seconds"} | {
    *("parts", "contact", "new_chat", "milliseconds", "possible_duplicates", "where")
}
"""Fields of a log line beside metrics."""
OF_POWERTOOLS = {"level", "location", "message", "timestamp", "service", "xray_trace_id"}


def counted() -> dict[str, float]:
    """Totals of counts by name."""
    metrics = logging.metrics.metric_set.items()
    return {name: sum(metric["Value"]) for name, metric in metrics if metric["Unit"] == "Count"}


def measured(name: str) -> list[float]:
    values: list[float] = logging.metrics.metric_set[name]["Value"]
    return values
