"""What matters of the stack, said by name; test_template.py shows all the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from constructs import Construct

import infra.stack
from bridge.config import CONNECT_TIMEOUT, ForwardSettings, IntakeSettings
from infra.config import BridgeConfig
from tests.infra.conftest import (
    CONFIGURATIONS,
    Built,
    Synthesised,
    build_app,
    configured,
    listed,
    refers_to,
    text,
)

DAYS = 24 * 3600
QUEUES = ("ConversationsQueue", "FailedQueue", "UndeliveredQueue")
RETAINED = {
    "InboundTopic": "SNS::Topic",
    "AlarmTopic": "SNS::Topic",
    "TwoWayChannelRole": "IAM::Role",
    "BridgeKey": "KMS::Key",
    "ConversationsQueue": "SQS::Queue",
    "FailedQueue": "SQS::Queue",
    "UndeliveredQueue": "SQS::Queue",
    "Ledger": "DynamoDB::Table",
}
RETAINED_OF_REPLIES = {"StreamingTopic": "SNS::Topic", "RepliesQueue": "SQS::Queue", "Chats": "DynamoDB::Table"}
"""Where a number has start-chat delivery."""
FIXED = {
    "IntakeFunction1A6D016E": "Lambda::Function",
    "IntakeRole6965BA50": "IAM::Role",
    "IntakeLogsB4E72C77": "Logs::LogGroup",
    "IntakeFunctionTopic999C9258": "SNS::Subscription",
    "IntakeFunctionAllowInvokeBridgeInboundTopic5A6281AA066B1935": "Lambda::Permission",
    "IntakeFunctionEventInvokeConfigF0DC7E18": "Lambda::EventInvokeConfig",
    "ForwardFunctionF0FC6E9C": "Lambda::Function",
    "ForwardRole81B4579C": "IAM::Role",
    "ForwardLogs924091B9": "Logs::LogGroup",
    "ForwardBatches37E596A2": "Lambda::EventSourceMapping",
}
"""Not kept when the stack goes, and not to be made anew by a change of the code; infra.pinned says why."""
FIXED_OF_REPLIES = {
    "ReplyIntakeFunctionF98FC5E9": "Lambda::Function",
    "ReplyIntakeRole8AD9B4F9": "IAM::Role",
    "ReplyIntakeLogs0178124C": "Logs::LogGroup",
    "ReplyIntakeFunctionTopic0310E7A1": "SNS::Subscription",
    "ReplyIntakeFunctionAllowInvokeBridgeStreamingTopicF7DBF1C6F1C096E2": "Lambda::Permission",
    "ReplyIntakeFunctionEventInvokeConfigC954330E": "Lambda::EventInvokeConfig",
    "ReplyFunction9DFF6419": "Lambda::Function",
    "ReplyRoleB35D77FC": "IAM::Role",
    "ReplyLogs6A520DFA": "Logs::LogGroup",
    "ReplyBatchesFAB2C737": "Lambda::EventSourceMapping",
}
FIXED_OF_EMAIL = {"AlarmTopicEmailBDA8C787": "SNS::Subscription"}
ALL_FIXED = {
    "default": RETAINED | FIXED,
    "mixed": RETAINED | FIXED | RETAINED_OF_REPLIES | FIXED_OF_REPLIES,
    "start-chat": RETAINED | FIXED | RETAINED_OF_REPLIES | FIXED_OF_REPLIES | FIXED_OF_EMAIL,
}
"""By configuration: whoever deployed an earlier version has resources by these ids."""


# --- kept -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("logical_id", "kind"), RETAINED.items())
def test_what_numbers_and_texts_depend_on_keeps_its_logical_id(stack: Synthesised, logical_id: str, kind: str) -> None:
    assert stack.template["Resources"][logical_id]["Type"] == f"AWS::{kind}"


def test_what_is_kept_is_all_that_holds_texts_or_is_pointed_at(stack: Synthesised) -> None:
    kinds = {"AWS::SNS::Topic", "AWS::KMS::Key", "AWS::SQS::Queue", "AWS::DynamoDB::Table"}
    found = {name for name, resource in stack.template["Resources"].items() if resource["Type"] in kinds}
    assert found == RETAINED.keys() - {"TwoWayChannelRole"}


@pytest.mark.parametrize("logical_id", RETAINED)
def test_what_is_kept_survives_deletion_and_replacement_with_its_policies(stack: Synthesised, logical_id: str) -> None:
    kept = [
        resource
        for name, resource in stack.template["Resources"].items()
        if name == logical_id
        or (resource["Type"].endswith("Policy") and logical_id in attached_to(resource["Properties"]))
    ]
    assert len(kept) == (1 if logical_id in ("BridgeKey", "Ledger") else 2)
    for resource in kept:
        assert resource["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate")
        assert resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", ALL_FIXED)
def test_a_first_deployment_that_is_rolled_back_keeps_only_what_cannot_be_deleted(
    built: Callable[[str], Built], name: str
) -> None:
    """A table that is protected against deletion: to delete it would make the rollback fail."""
    resources = built(name).stack.template["Resources"].items()
    kept = {logical_id for logical_id, resource in resources if resource.get("DeletionPolicy") == "Retain"}
    protected = {key for key, resource in resources if resource["Properties"].get("DeletionProtectionEnabled")}
    assert kept == protected == {"Ledger", "Chats"} & ALL_FIXED[name].keys()


@pytest.mark.parametrize("name", ALL_FIXED)
def test_what_would_be_lost_if_it_were_made_anew_keeps_its_logical_id(built: Callable[[str], Built], name: str) -> None:
    assert fixed(built(name).stack) == ALL_FIXED[name]


def test_a_construct_that_moves_takes_its_logical_id_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a fixed one its resource would get another, of its new path."""

    def moved(construct: Any) -> Any:
        return lambda scope, own, /, **more: construct(Construct(scope, f"Moved{own}"), own, **more)

    for construct in MOVABLE:
        monkeypatch.setattr(infra.stack, construct, moved(getattr(infra.stack, construct)))
    build_app(configured("start-chat", tmp_path), tmp_path / "cdk.out").synth()
    template = json.loads((tmp_path / "cdk.out" / "Bridge.template.json").read_text())
    assert fixed(Synthesised(template)) == ALL_FIXED["start-chat"]
    assert any("Moved" in logical_id for logical_id in template["Resources"]), "nothing moved"


MOVABLE = (
    *("BridgeKey", "InboundTopic", "TwoWayChannelRole", "UndeliveredQueue", "FailedQueue", "OrderedQueue"),
    *("Remembered", "StreamingTopic", "Intake", "Forward", "AlarmTopic"),
)


def fixed(stack: Synthesised) -> dict[str, str]:
    """All resources of the types that have fixed logical ids."""
    found = {name: resource["Type"].removeprefix("AWS::") for name, resource in stack.template["Resources"].items()}
    kinds = {kind for of in ALL_FIXED.values() for kind in of.values()}
    return {name: kind for name, kind in found.items() if kind in kinds}


def attached_to(policy: Any) -> list[str]:
    return [refers_to(one) for key in ("Queues", "Topics", "Roles") for one in policy.get(key, [])]


def test_nothing_has_a_physical_name(stack: Synthesised) -> None:
    names = ("QueueName", "TopicName", "TableName", "FunctionName", "RoleName", "LogGroupName", "AliasName")
    for logical_id, resource in stack.template["Resources"].items():
        for name in names:
            assert not isinstance(resource["Properties"].get(name), str), (logical_id, name)


def test_the_ledger_is_protected_and_can_be_restored_to_any_point_in_time(stack: Synthesised) -> None:
    ledger = stack.get("Ledger")
    assert ledger["DeletionProtectionEnabled"] is True
    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_ledger_is_keyed_by_text_key_and_forgets_by_expires_at(stack: Synthesised) -> None:
    ledger = stack.get("Ledger")
    assert ledger["KeySchema"] == [{"AttributeName": "text_key", "KeyType": "HASH"}]
    assert ledger["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert ledger["BillingMode"] == "PAY_PER_REQUEST"


def test_an_operator_finds_texts_by_conversation_by_the_id_of_sns_and_by_the_day_on_which_they_failed(
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
def test_queues_keep_what_they_hold_as_long_as_sqs_can(stack: Synthesised, queue: str) -> None:
    assert stack.get(queue)["MessageRetentionPeriod"] == 14 * DAYS
    assert stack.get(queue)["MaximumMessageSize"] == 1024 * 1024, "else a notification of 256 KiB may not fit"


def test_logs_are_kept_as_long_as_configured_and_each_function_writes_to_its_own(
    stack: Synthesised, config: BridgeConfig
) -> None:
    groups = stack.all("Logs::LogGroup")
    assert [group["RetentionInDays"] for group in groups.values()] == [config.operation.log_retention_days] * 2
    used = [refers_to(one["LoggingConfig"]["LogGroup"]) for one in stack.all("Lambda::Function").values()]
    assert sorted(used) == sorted(groups)


# --- times ------------------------------------------------------------------------------------------------


def test_a_batch_stays_hidden_for_six_times_the_time_out_of_forward(stack: Synthesised) -> None:
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


# --- the way of a text ------------------------------------------------------------------------------------


def test_the_topic_is_standard_and_hands_to_intake_and_to_nothing_else(stack: Synthesised) -> None:
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
def test_fifo_queues_have_high_throughput_and_take_deduplication_ids_from_the_sender(
    stack: Synthesised, queue: str
) -> None:
    properties = stack.get(queue)
    assert properties["DeduplicationScope"] == "messageGroup"
    assert properties["FifoThroughputLimit"] == "perMessageGroupId"
    assert properties["ContentBasedDeduplication"] is False


def test_forward_gets_batches_of_conversations_and_returns_parts_of_them(
    stack: Synthesised, config: BridgeConfig
) -> None:
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


def test_the_outputs_are_what_people_and_the_sandbox_look_for(stack: Synthesised, config: BridgeConfig) -> None:
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


def test_what_sns_cannot_hand_to_intake_goes_to_undelivered(stack: Synthesised) -> None:
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


def test_sns_and_lambda_find_a_standard_queue_as_they_require(stack: Synthesised) -> None:
    assert "FifoQueue" not in stack.get("UndeliveredQueue")


# --- private ----------------------------------------------------------------------------------------------


def test_everything_at_rest_is_encrypted_with_the_one_key(stack: Synthesised) -> None:
    def keys(kind: str, *path: str) -> list[str]:
        found = []
        for properties in stack.all(kind).values():
            value: Any = properties
            for name in path:
                value = value[name]
            found.append(refers_to(value))
        return found

    assert keys("SNS::Topic", "KmsMasterKeyId") == ["BridgeKey"] * 2
    assert keys("SQS::Queue", "KmsMasterKeyId") == ["BridgeKey"] * 3
    assert keys("DynamoDB::Table", "SSESpecification", "KMSMasterKeyId") == ["BridgeKey"]
    assert keys("Logs::LogGroup", "KmsKeyId") == ["BridgeKey"] * 2
    assert stack.get("BridgeKey")["EnableKeyRotation"] is True


@pytest.mark.parametrize("queue", QUEUES)
def test_queues_refuse_whoever_comes_without_tls(stack: Synthesised, queue: str) -> None:
    assert {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } in queue_policy(stack, queue)


def queue_policy(stack: Synthesised, queue: str) -> list[Any]:
    (policy,) = (one for one in stack.all("SQS::QueuePolicy").values() if attached_to(one) == [queue])
    statements: list[Any] = policy["PolicyDocument"]["Statement"]
    return statements


def test_only_sns_for_our_topic_is_let_into_a_queue_and_only_into_undelivered(stack: Synthesised) -> None:
    allowed = {queue: [s for s in queue_policy(stack, queue) if s["Effect"] == "Allow"] for queue in QUEUES}
    assert allowed == {
        "ConversationsQueue": [],
        "FailedQueue": [],
        "UndeliveredQueue": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": {"Fn::GetAtt": ["UndeliveredQueue", "Arn"]},
                "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "InboundTopic"}}},
            }
        ],
    }


def test_the_topic_policy_refuses_whoever_comes_without_tls_and_lets_nobody_in(stack: Synthesised) -> None:
    (policy,) = (one for one in stack.all("SNS::TopicPolicy").values() if attached_to(one) == ["InboundTopic"])
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {
        "Sid": "AllowPublishThroughSSLOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": {"Ref": "InboundTopic"},
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def test_of_all_roles_only_the_two_way_channel_role_may_publish(stack: Synthesised) -> None:
    publishers = {
        role for role in stack.all("IAM::Role") for action, _ in stack.allowed(role) if action.lower() == "sns:publish"
    }
    assert publishers == {"TwoWayChannelRole"}


def test_only_end_user_messaging_for_this_account_takes_the_two_way_channel_role(stack: Synthesised) -> None:
    (statement,) = stack.get("TwoWayChannelRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sms-voice.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }


@pytest.mark.parametrize("name", ["intake", "forward"])
def test_only_lambda_takes_a_functions_role(stack: Synthesised, name: str) -> None:
    (statement,) = stack.get(stack.role(name))["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "lambda.amazonaws.com"})


def test_each_role_may_do_exactly_this(stack: Synthesised) -> None:
    logs = {
        name: refers_to(stack.get(stack.function(name))["LoggingConfig"]["LogGroup"]) for name in ("intake", "forward")
    }
    everywhere = {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}
    expected = {
        "TwoWayChannelRole": {("sns:Publish", "InboundTopic")},
        stack.role("intake"): everywhere
        | {
            ("logs:CreateLogStream", logs["intake"]),
            ("logs:PutLogEvents", logs["intake"]),
            ("sqs:SendMessage", "ConversationsQueue"),
            ("sqs:SendMessage", "FailedQueue"),
            ("sqs:SendMessage", "UndeliveredQueue"),
            ("dynamodb:UpdateItem", "Ledger"),
        },
        stack.role("forward"): everywhere
        | {
            ("logs:CreateLogStream", logs["forward"]),
            ("logs:PutLogEvents", logs["forward"]),
            ("sqs:ReceiveMessage", "ConversationsQueue"),
            ("sqs:DeleteMessage", "ConversationsQueue"),
            ("sqs:GetQueueAttributes", "ConversationsQueue"),
            ("sqs:ChangeMessageVisibility", "ConversationsQueue"),
            ("sqs:SendMessage", "FailedQueue"),
            ("dynamodb:GetItem", "Ledger"),
            ("dynamodb:UpdateItem", "Ledger"),
            ("connect:SendChatIntegrationEvent", "*"),
        },
    }
    assert {role: stack.allowed(role) for role in stack.all("IAM::Role")} == expected


def test_a_queue_is_connected_only_when_the_role_may_read_it(stack: Synthesised) -> None:
    # Lambda refuses an event source mapping whose role may not receive yet
    (policy,) = (
        name
        for name, one in stack.all("IAM::Policy").items()
        if "sqs:ReceiveMessage" in [a for s in one["PolicyDocument"]["Statement"] for a in listed(s["Action"])]
    )
    assert policy in stack.template["Resources"][stack.function("forward")]["DependsOn"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_function_waits_for_every_policy_of_its_role(built: Callable[[str], Built], name: str) -> None:
    """Lambda refuses active tracing to a role that may not write traces yet, and a queue that it may not read."""
    stack = built(name).stack
    for function in stack.all("Lambda::Function"):
        role = refers_to(stack.get(function)["Role"])
        policies = {
            logical_id
            for logical_id, policy in stack.all("IAM::Policy").items()
            if role in [refers_to(one) for one in policy["Roles"]]
        }
        assert len(policies) >= 2
        assert policies <= set(stack.template["Resources"][function]["DependsOn"]), function


# --- who writes to what, with which key actions -----------------------------------------------------------

MESSAGES = {"kms:Decrypt", "kms:GenerateDataKey*"}
STORE = {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"}
SNS = {"StringEquals": {"kms:ViaService": "sns.${AWS::Region}.amazonaws.com"}}
SQS = {"StringEquals": {"kms:ViaService": "sqs.${AWS::Region}.amazonaws.com"}}
DYNAMODB = {"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"}}
TOPICS = {"ArnLike": {"aws:SourceArn": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:*"}}
ALARMS = {
    "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
    "ArnLike": {
        "aws:SourceArn": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}-*"
    },
}
LOG_GROUPS = {
    "ArnLike": {
        "kms:EncryptionContext:aws:logs:arn": (
            "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${AWS::StackName}-*"
        )
    }
}
WRITERS = [
    ("EndUserMessagingToTopic", "TwoWayChannelRole", MESSAGES, SNS),
    ("SnsToUndelivered", "sns.amazonaws.com", MESSAGES, TOPICS),
    ("IntakeToQueues", "intake", MESSAGES, SQS),  # among them undelivered and failed
    ("IntakeToLedger", "intake", STORE, DYNAMODB),
    ("ForwardToQueues", "forward", MESSAGES, SQS),  # failed; and reading conversations
    ("ForwardToLedger", "forward", STORE, DYNAMODB),
    ("LogsToLogGroups", "logs.${AWS::Region}.amazonaws.com", STORE, LOG_GROUPS),
    ("CloudWatchToAlarms", "cloudwatch.amazonaws.com", MESSAGES, ALARMS),
]


@pytest.mark.parametrize(("sid", "who", "actions", "condition"), WRITERS)
def test_the_key_admits_who_writes(
    stack: Synthesised, sid: str, who: str, actions: set[str], condition: dict[str, dict[str, str]]
) -> None:
    (statement,) = (s for s in key_policy(stack) if s["Sid"] == sid)
    ((_, principal),) = statement["Principal"].items()
    meant = stack.role(who) if who in ("intake", "forward") else who
    assert (text(principal) if "Fn::Join" in principal else refers_to(principal)) == meant
    assert statement["Effect"] == "Allow"
    assert set(listed(statement["Action"])) == actions
    found = {
        operator: {key: text(value) for key, value in operands.items()}
        for operator, operands in statement["Condition"].items()
    }
    assert found == condition


def test_the_key_admits_nobody_else_but_those_whom_the_account_grants_it(stack: Synthesised) -> None:
    account, *others = key_policy(stack)
    assert text(account["Principal"]["AWS"]) == "arn:aws:iam::111122223333:root"
    assert sorted(s["Sid"] for s in others) == sorted(sid for sid, *_ in WRITERS)


def key_policy(stack: Synthesised) -> list[Any]:
    statements: list[Any] = stack.get("BridgeKey")["KeyPolicy"]["Statement"]
    return statements


def test_nobody_is_given_the_key_anywhere_else(stack: Synthesised) -> None:
    for role in stack.all("IAM::Role"):
        assert not [action for action, _ in stack.allowed(role) if action.startswith("kms:")]
    assert not stack.all("KMS::Grant")
