"""Who may do what: roles, resource policies, the key; and what is encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.conftest import CONFIGURATIONS, Built, Synthesised, attached_to, listed, refers_to, text

QUEUES = ("ConversationsQueue", "FailedQueue", "UndeliveredQueue")


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
def test_queues_deny_requests_without_tls(stack: Synthesised, queue: str) -> None:
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


def test_queue_policies_allow_only_sns_to_send_to_undelivered(stack: Synthesised) -> None:
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


def test_the_topic_policy_denies_requests_without_tls_and_allows_nothing(stack: Synthesised) -> None:
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


def test_only_end_user_messaging_of_this_account_assumes_the_channel_role(stack: Synthesised) -> None:
    (statement,) = stack.get("TwoWayChannelRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sms-voice.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }


@pytest.mark.parametrize("name", ["intake", "forward"])
def test_only_lambda_assumes_a_functions_role(stack: Synthesised, name: str) -> None:
    (statement,) = stack.get(stack.role(name))["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "lambda.amazonaws.com"})


def test_each_role_has_exactly_these_permissions(stack: Synthesised) -> None:
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


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_function_waits_for_every_policy_of_its_role(built: Callable[[str], Built], name: str) -> None:
    """Lambda refuses active tracing, and an event source mapping, while the role lacks the permissions."""
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


# --- the key -----------------------------------------------------------

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
def test_the_key_policy_allows_each_writer(
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


def test_the_key_policy_allows_nobody_else_but_the_account(stack: Synthesised) -> None:
    account, *others = key_policy(stack)
    assert text(account["Principal"]["AWS"]) == "arn:aws:iam::111122223333:root"
    assert sorted(s["Sid"] for s in others) == sorted(sid for sid, *_ in WRITERS)


def key_policy(stack: Synthesised) -> list[Any]:
    statements: list[Any] = stack.get("BridgeKey")["KeyPolicy"]["Statement"]
    return statements


def test_no_role_policy_allows_the_key(stack: Synthesised) -> None:
    for role in stack.all("IAM::Role"):
        assert not [action for action, _ in stack.allowed(role) if action.startswith("kms:")]
    assert not stack.all("KMS::Grant")
