"""Whether a metric of an alarm or of the dashboard exists."""

from __future__ import annotations

from bridge.metrics import METRICS_BY_FUNCTION
from tests.infra.conftest import Synthesised

_AWS = {
    "AWS/SQS": {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
    },
    "AWS/Lambda": {"AsyncEventsDropped", "DestinationDeliveryFailures", "Errors", "Throttles"},
    "AWS/SNS": {"NumberOfNotificationsFailedToRedriveToDlq"},
}
"""Metrics of AWS that are used, by namespace."""


def written(stack: Synthesised, *, namespace: str, name: str, dimension: str, value: str) -> str:
    """Function, queue or topic, and metric: `forward Blocked`. `value` is that of the dimension, or its logical id.

    What the functions write is known by bridge.metrics, which a test compares with their logs.
    """
    match namespace, dimension:
        case "AWS/SQS", "QueueName":
            assert name in _AWS[namespace] and value in stack.all("SQS::Queue")
            return f"{value} {name}"
        case "AWS/Lambda", "FunctionName":
            assert name in _AWS[namespace]
            (function,) = (one for one in METRICS_BY_FUNCTION if stack.has_function(one, value))
            return f"{function} {name}"
        case "AWS/SNS", "TopicName":
            assert name in _AWS[namespace] and value in stack.all("SNS::Topic")
            return f"{value} {name}"
        case _, "service":
            environment = stack.get(stack.function(value))["Environment"]["Variables"]
            assert environment["POWERTOOLS_METRICS_NAMESPACE"] == namespace
            assert environment["POWERTOOLS_SERVICE_NAME"] == value
            assert name in METRICS_BY_FUNCTION[value], f"{value} never writes {name}"
            return f"{value} {name}"
    raise AssertionError(f"nothing writes {namespace} {name} by {dimension}")
