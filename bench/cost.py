"""The cost of a million texts: measurements times AWS's published prices.

Prices in US dollars for us-east-1, without free tiers, as of READ. Left out because it hardly grows with the texts:
alarms, custom metrics and the key (some dollars a month), the key's calls (data keys are kept for minutes), X-Ray
(Lambda samples one request a second and five in a hundred), and storage for sixteen days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

READ = "October 2026"
MILLION = 1_000_000
LAMBDA_REQUEST = 0.20 / MILLION
LAMBDA_GB_SECOND = 0.0000133334
"""arm64. "AWS Lambda Pricing"."""
SQS_FIFO = 0.50 / MILLION
SNS_PUBLISH = 0.50 / MILLION
"""Delivery to Lambda is free of charge. "Amazon SQS pricing", "Amazon SNS pricing"."""
WRITE, READ_UNIT = 0.625 / MILLION, 0.125 / MILLION
"""DynamoDB on demand: a write of up to 1 KB, a consistent read of up to 4 KB. "Amazon DynamoDB pricing"."""
LOG_BYTE = 0.50 / 1024**3
"""Into CloudWatch Logs. "Amazon CloudWatch Pricing"."""
LOG_LINES = 330
"""Bytes that Lambda logs for an invocation: START, END and REPORT."""
CONNECT_SMS, CONNECT_CHAT = 0.014, 0.010
"""A message sent or received: "SMS and 3P messaging", "Chat" in "Amazon Connect Customer pricing"."""
SMS_IN = 0.0075
"""An SMS to a number in the United States, without carrier fees. (?) AWS lists it only in a table by country."""

MEMORY = 0.5
"""GB of each function, the naive ones too."""
PROCESSOR = 512 / 1769
"""A function's share of a vCPU: 1,769 MB have one vCPU ("Configure Lambda function memory")."""

OF_A_TEXT: Mapping[str, Mapping[str, float]] = {
    "bridge": {"sqs": 3, "writes": 4, "reads": 1},
    "boto3": {},
    "powertools": {"writes": 2},
}
"""Requests per text at most: SQS sends, receives and deletes each text on its own. Writes: intake's item with two
indexes, and forward's update; Powertools' record when in progress and when done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Dollars for a million texts, by service."""

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.parts.values())


def billed(duration: Mapping[str, float]) -> float:
    """Seconds that Lambda bills for an event. Computing takes longer with a share of a vCPU; waiting does not."""
    waited = max(0.0, duration["wall"] - duration["processor"])
    return waited + duration["processor"] / PROCESSOR


def of(name: str, functions: Mapping[str, Mapping[str, float]], logged: float) -> Cost:
    """`functions`: durations of the functions that handle a text. `logged`: bytes per text."""
    units = OF_A_TEXT[name]
    invocations = sum(1 / duration["texts"] for duration in functions.values())
    seconds = sum(billed(duration) / duration["texts"] for duration in functions.values())
    parts = {
        "SNS": SNS_PUBLISH,
        "Lambda": invocations * LAMBDA_REQUEST + seconds * MEMORY * LAMBDA_GB_SECOND,
        "SQS": units.get("sqs", 0) * SQS_FIFO,
        "DynamoDB": units.get("writes", 0) * WRITE + units.get("reads", 0) * READ_UNIT,
        "logs": (logged + invocations * LOG_LINES) * LOG_BYTE,
    }
    return Cost(parts={name: MILLION * dollars for name, dollars in parts.items() if dollars})


def of_all(results: Mapping[str, Any]) -> dict[str, Cost]:
    durations, log = results["durations"], {name: one["log"] for name, one in results["processor"].items()}
    return {
        "bridge": of(
            "bridge",
            {"intake": durations["intake"], "forward": durations["forward"]},
            log["intake"] + log["forward"],
        ),
        "boto3": of("boto3", {"boto3": durations["boto3"]}, log["boto3"]),
        "powertools": of("powertools", {"powertools": durations["powertools"]}, log["powertools"]),
    }
