"""The log lines and metrics of the functions in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sandbox.lifecycle import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a log; `at` in seconds since the epoch."""

    group: str
    at: float
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """Empty for a line of Lambda itself, which is not JSON."""
        try:
            read = json.loads(self.text)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


def lines(sandbox: Sandbox, *, since: float = 0) -> Iterator[Line]:
    """The lines of all functions from `since` on."""
    with closing(sandbox.client("logs")) as logs:
        for group in logs.describe_log_groups()["logGroups"]:
            name = group["logGroupName"]
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=int(since * 1000))
            for event in (event for page in pages for event in page["events"]):
                for text in event["message"].splitlines():
                    yield Line(group=name, at=event["timestamp"] / 1000, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric of one line in the embedded metric format."""

    namespace: str
    dimensions: dict[str, str]
    name: str
    at: float
    values: list[float]


def measured(sandbox: Sandbox, *, since: float = 0) -> Iterator[Measured]:
    """The metrics that CloudWatch extracts from the log. MiniStack does not extract them."""
    for line in lines(sandbox, since=since):
        fields = line.fields
        emf = fields.get("_aws", {})
        for directive in emf.get("CloudWatchMetrics", ()):
            for dimensions in directive["Dimensions"]:
                for metric in directive["Metrics"]:
                    values = fields[metric["Name"]]
                    yield Measured(
                        namespace=directive["Namespace"],
                        dimensions={name: fields[name] for name in dimensions},
                        name=metric["Name"],
                        at=emf["Timestamp"] / 1000,
                        values=values if isinstance(values, list) else [values],
                    )
