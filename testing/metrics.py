"""What the functions have counted and measured since their metrics were last written or cleared."""

from __future__ import annotations

from bridge import logging


def counted() -> dict[str, float]:
    """The counts by name, each in all."""
    metrics = logging.metrics.metric_set.items()
    return {name: sum(metric["Value"]) for name, metric in metrics if metric["Unit"] == "Count"}


def measured(name: str) -> list[float]:
    values: list[float] = logging.metrics.metric_set[name]["Value"]
    return values
