"""The most important properties of the stack, one by one; test_template.py compares the whole template."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from bridge.config import CONNECT_TIMEOUT, ForwardSettings, IntakeSettings
from infra.config import BridgeConfig
from tests.infra.conftest import (
    Synthesised,
    refers_to,
)

DAYS = 24 * 3600
QUEUES = ("ConversationsQueue", "FailedQueue", "UndeliveredQueue")


def test_the_ledger_has_the_text_key_and_expires_items_by_expires_at(stack: Synthesised) -> None:
    ledger = stack.get("Ledger")
    assert ledger["KeySchema"] == [{"AttributeName": "text_key", "KeyType": "HASH"}]
    assert ledger["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert ledger["BillingMode"] == "PAY_PER_REQUEST"


def test_the_ledger_has_indexes_by_conversation_sns_id_and_day_of_failure(
    stack: Synthesised,
) -> None:
    ledger = stack.get("Ledger")
    kinds = {one["AttributeName"]: one["AttributeType"] for one in ledger["AttributeDefinitions"]}
    assert {
        index["IndexName"]: [(key["AttributeName"], kinds[key["AttributeName"]]) for key in index["KeySchema"]]
        for index in ledger["GlobalSecondaryIndexes"]
    } == {
        "ByConversation": [("conversation", "S"), ("first_seen_at", "N")],
        "BySnsMessage": [("sns_message_id", "S")],
        "Failed": [("failed_on", "S"), ("failed_at", "N")],
    }
    assert {index["Projection"]["ProjectionType"] for index in ledger["GlobalSecondaryIndexes"]} == {"KEYS_ONLY"}


@pytest.mark.parametrize("queue", QUEUES)
def test_queues_have_the_maximum_retention_and_message_size(stack: Synthesised, queue: str) -> None:
    assert stack.get(queue)["MessageRetentionPeriod"] == 14 * DAYS
    assert stack.get(queue)["MaximumMessageSize"] == 1024 * 1024, "else a notification of 256 KiB may not fit"


def test_each_function_has_a_log_group_with_the_configured_retention(stack: Synthesised, config: BridgeConfig) -> None:
    groups = stack.all("Logs::LogGroup")
    assert [group["RetentionInDays"] for group in groups.values()] == [config.operation.log_retention_days] * 2
    used = [refers_to(one["LoggingConfig"]["LogGroup"]) for one in stack.all("Lambda::Function").values()]
    assert sorted(used) == sorted(groups)


# --- times ------------------------------------------------------------------------------------------------


def test_the_visibility_timeout_is_six_times_the_timeout_of_forward(stack: Synthesised) -> None:
    timeout = stack.get(stack.function("forward"))["Timeout"]
    assert (timeout, stack.get("ConversationsQueue")["VisibilityTimeout"]) == (30, 180)


def test_a_call_begun_at_the_batch_deadline_ends_before_the_function_does(
    stack: Synthesised, config: BridgeConfig
) -> None:
    last = config.limits.batch_deadline + CONNECT_TIMEOUT + config.limits.call_timeout
    assert last < stack.get(stack.function("forward"))["Timeout"]


def test_sqs_gives_up_a_text_long_after_forward_itself_would(stack: Synthesised) -> None:
    assert stack.get("ConversationsQueue")["RedrivePolicy"]["maxReceiveCount"] == 500


def test_lambda_tries_intake_three_times_within_six_hours(stack: Synthesised) -> None:
    retries = stack.one("Lambda::EventInvokeConfig")
    assert refers_to(retries["FunctionName"]) == stack.function("intake")
    assert (retries["MaximumRetryAttempts"], retries["MaximumEventAgeInSeconds"]) == (2, 6 * 3600)


# --- the pipeline of texts ------------------------------------------------------------------------------------


def test_the_topic_is_standard_and_only_intake_is_subscribed(stack: Synthesised) -> None:
    assert "FifoTopic" not in stack.get("InboundTopic")
    subscription = stack.one("SNS::Subscription")
    assert refers_to(subscription["TopicArn"]) == "InboundTopic"
    assert (subscription["Protocol"], refers_to(subscription["Endpoint"])) == ("lambda", stack.function("intake"))


def test_intake_gets_the_envelope_with_its_timestamp(stack: Synthesised) -> None:
    assert "RawMessageDelivery" not in stack.one("SNS::Subscription")


def test_no_fifo_queue_is_subscribed_to_the_standard_topic(stack: Synthesised) -> None:
    fifo = {name for name, queue in stack.all("SQS::Queue").items() if queue.get("FifoQueue")}
    assert fifo == {"ConversationsQueue", "FailedQueue"}
    for subscription in stack.all("SNS::Subscription").values():
        assert refers_to(subscription["Endpoint"]) not in fifo


@pytest.mark.parametrize("queue", ["ConversationsQueue", "FailedQueue"])
def test_fifo_queues_have_high_throughput_and_explicit_deduplication_ids(stack: Synthesised, queue: str) -> None:
    properties = stack.get(queue)
    assert properties["DeduplicationScope"] == "messageGroup"
    assert properties["FifoThroughputLimit"] == "perMessageGroupId"
    assert properties["ContentBasedDeduplication"] is False


def test_forward_gets_batches_and_reports_batch_item_failures(stack: Synthesised, config: BridgeConfig) -> None:
    mapping = stack.one("Lambda::EventSourceMapping")
    assert refers_to(mapping["EventSourceArn"]) == "ConversationsQueue"
    assert refers_to(mapping["FunctionName"]) == stack.function("forward")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 10
    assert "MaximumBatchingWindowInSeconds" not in mapping  # not allowed on a FIFO queue
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": config.limits.max_concurrency}


@pytest.mark.parametrize("name", ["intake", "forward"])
def test_functions_run_on_arm64_with_active_tracing(stack: Synthesised, config: BridgeConfig, name: str) -> None:
    function = stack.get(stack.function(name))
    assert function["Architectures"] == ["arm64"]
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert (function["Runtime"], function["MemorySize"]) == (config.runtime, 512)


def test_both_functions_run_from_one_archive(stack: Synthesised) -> None:
    first, second = (function["Code"] for function in stack.all("Lambda::Function").values())
    assert first == second


@pytest.mark.parametrize(("name", "settings"), [("intake", IntakeSettings), ("forward", ForwardSettings)])
def test_the_environment_holds_exactly_what_the_settings_require(
    stack: Synthesised, config: BridgeConfig, name: str, settings: Any
) -> None:
    environment = stack.get(stack.function(name))["Environment"]["Variables"]
    required = {field.name.upper() for field in fields(settings) if field.default is MISSING}
    powertools = {
        "POWERTOOLS_SERVICE_NAME": name,
        "POWERTOOLS_METRICS_NAMESPACE": config.stack,
        "POWERTOOLS_LOG_LEVEL": config.operation.log_level,
    }
    assert {key: value for key, value in environment.items() if key in powertools} == powertools
    assert environment.keys() - powertools.keys() == required
    meant = {
        "CONVERSATIONS_QUEUE_URL": "ConversationsQueue",
        "FAILED_QUEUE_URL": "FailedQueue",
        "LEDGER_TABLE": "Ledger",
    }
    assert {key: refers_to(environment[key]) for key in required} == {key: meant[key] for key in required}


def test_the_outputs_name_their_resources(stack: Synthesised, config: BridgeConfig) -> None:
    outputs = stack.template["Outputs"]
    assert {name: refers_to(output["Value"]) for name, output in outputs.items()} == {
        "InboundTopicArn": "InboundTopic",
        "TwoWayChannelRoleArn": "TwoWayChannelRole",
        "ConversationsQueueUrl": "ConversationsQueue",
        "FailedQueueUrl": "FailedQueue",
        "UndeliveredQueueUrl": "UndeliveredQueue",
        "LedgerTableName": "Ledger",
        "IntakeFunctionName": stack.function("intake"),
        "ForwardFunctionName": stack.function("forward"),
        "AlarmTopicArn": "AlarmTopic",
        "ConfigFingerprint": config.fingerprint(),
    }
    assert all(output["Description"] for output in outputs.values())


# --- a dead-letter path on each hop -----------------------------------------------------------------------


def test_what_sns_cannot_deliver_to_intake_goes_to_undelivered(stack: Synthesised) -> None:
    redrive = stack.one("SNS::Subscription")["RedrivePolicy"]
    assert refers_to(redrive["deadLetterTargetArn"]) == "UndeliveredQueue"


def test_what_intake_crashes_on_goes_to_undelivered(stack: Synthesised) -> None:
    destination = stack.one("Lambda::EventInvokeConfig")["DestinationConfig"]
    assert {name: refers_to(one["Destination"]) for name, one in destination.items()} == {
        "OnFailure": "UndeliveredQueue"
    }


def test_what_forward_crashes_on_goes_to_failed(stack: Synthesised) -> None:
    redrive = stack.get("ConversationsQueue")["RedrivePolicy"]
    assert refers_to(redrive["deadLetterTargetArn"]) == "FailedQueue"
    assert stack.get("FailedQueue")["FifoQueue"] is True


def test_undelivered_is_a_standard_queue(stack: Synthesised) -> None:
    assert "FifoQueue" not in stack.get("UndeliveredQueue")
