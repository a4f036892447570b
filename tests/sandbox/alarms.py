"""Evaluates the alarms of the deployed stack.

MiniStack has the alarms but not all of their metrics: it extracts none from logs and writes none of queues. This module
reads the alarms from MiniStack and evaluates them as the CloudWatch guide describes, with the functions' log lines,
MiniStack's metrics of functions and topics, and the state of the queues.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from sandbox.lifecycle import Sandbox
from sandbox.state import ACCOUNT, REGION
from tests.sandbox.logs import Measured, measured

_FORGOTTEN_AFTER = 3
"""Receives after which ApproximateAgeOfOldestMessage may ignore a message ("Available CloudWatch metrics for Amazon
SQS"). AWS does not say whether this is so for FIFO queues too. The tests assume that it is."""


@dataclass(frozen=True, slots=True)
class Watch:
    """since: in seconds since the epoch. What happened before is ignored."""

    sandbox: Sandbox
    since: float

    @classmethod
    def begin(cls, sandbox: Sandbox) -> Watch:
        return cls(sandbox, time.time())

    def on(self) -> set[str]:
        """The alarms that are on now, by their names in docs/operations.md: AlarmTextsBlocked, ..."""
        metrics, now = list(measured(self.sandbox, since=self.since)), time.time()
        with closing(_Aws(self.sandbox)) as aws:
            return {
                name
                for name, alarm in aws.alarms()
                if _is_on(alarm, [self._samples(aws, alarm, metrics, *window) for window in _windows(alarm, now)])
            }

    def _samples(self, aws: _Aws, alarm: Any, metrics: Sequence[Measured], begin: float, end: float) -> Sequence[float]:
        begin = max(begin, self.since)
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
        match alarm["Namespace"]:
            case "AWS/SQS":
                assert alarm["EvaluationPeriods"] == 1, "what a queue was like before is not known"
                return aws.of_queue(dimensions["QueueName"], alarm["MetricName"])
            case "AWS/Lambda" | "AWS/SNS":
                return aws.of_the_local_aws(alarm, begin, end)
            case namespace:
                return [
                    value
                    for metric in metrics
                    if (metric.namespace, metric.name, metric.dimensions)
                    == (namespace, alarm["MetricName"], dimensions)
                    and begin <= metric.at <= end
                    for value in metric.values
                ]


class _Aws:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._cloudwatch, self._sqs = sandbox.client("cloudwatch"), sandbox.client("sqs")
        self._cloudformation = sandbox.client("cloudformation")

    def close(self) -> None:
        for client in (self._cloudwatch, self._sqs, self._cloudformation):
            client.close()

    def alarms(self) -> Iterator[tuple[str, Any]]:
        """Each alarm by its logical id."""
        resources = self._cloudformation.describe_stack_resources(StackName=self._sandbox.stack)["StackResources"]
        names = {one["PhysicalResourceId"]: one["LogicalResourceId"] for one in resources}
        for page in self._cloudwatch.get_paginator("describe_alarms").paginate():
            for alarm in page["MetricAlarms"]:
                yield names[alarm["AlarmName"]], alarm

    def of_queue(self, name: str, metric: str) -> Sequence[float]:
        url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        with httpx.Client(trust_env=False, timeout=10) as http:
            answer = http.get(f"{self._sandbox.endpoint_url}/_ministack/sqs/messages", params={"QueueUrl": url})
        messages = answer.raise_for_status().json()["messages"].get(ACCOUNT, {}).get(REGION, {}).get(url, [])
        match metric:
            case "ApproximateNumberOfMessagesVisible":
                return [sum(message["IsVisible"] for message in messages)]
            case "ApproximateAgeOfOldestMessage":
                sent = [one["SentTimestamp"] for one in messages if one["ReceiveCount"] <= _FORGOTTEN_AFTER]
                return [time.time() - min(sent, default=time.time())]
        raise AssertionError(f"nobody knows {metric} of a queue")

    def of_the_local_aws(self, alarm: Any, begin: float, end: float) -> Sequence[float]:
        """MiniStack itself writes some metrics of functions. Metrics of topics are what a test puts there."""
        if begin >= end:
            return []
        answer = self._cloudwatch.get_metric_statistics(
            Namespace=alarm["Namespace"],
            MetricName=alarm["MetricName"],
            Dimensions=alarm["Dimensions"],
            StartTime=datetime.fromtimestamp(begin, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
            Period=60,
            Statistics=["Sum"],
        )
        return [point["Sum"] for point in answer["Datapoints"]]


def _windows(alarm: Any, now: float) -> list[tuple[float, float]]:
    """Start and end of each period, the latest first."""
    period = alarm["Period"]
    return [(now - (n + 1) * period, now - n * period) for n in range(alarm["EvaluationPeriods"])]


def _is_on(alarm: Any, periods: Sequence[Sequence[float]]) -> bool:
    """periods: the samples of each period. An alarm that ignores missing data was off before."""
    missing: bool = alarm["TreatMissingData"] == "breaching"
    breaching = [_breaches(alarm, _statistic(alarm, samples)) if samples else missing for samples in periods]
    needed: int = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    return sum(breaching) >= needed


def _breaches(alarm: Any, value: float) -> bool:
    threshold: float = alarm["Threshold"]
    if alarm["ComparisonOperator"] == "LessThanThreshold":
        return value < threshold
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    return value >= threshold


def _statistic(alarm: Any, samples: Sequence[float]) -> float:
    if percentile := alarm.get("ExtendedStatistic"):
        ranked = sorted(samples)
        return ranked[math.ceil(float(percentile.removeprefix("p")) / 100 * len(ranked)) - 1]
    if alarm["Statistic"] == "Sum":
        return sum(samples)
    assert alarm["Statistic"] == "Maximum"
    return max(samples)
