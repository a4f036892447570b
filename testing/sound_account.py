"""The answers of an account with a whole stack in which `bridge doctor` finds nothing wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.config import load
from testing.account import (
    FLOW_ID,
    INBOUND_TOPIC,
    INSTANCE_ID,
    NUMBER,
    OTHER_BUSINESS_NUMBER,
    OUTPUTS,
    QUEUES,
    STREAMING_TOPIC,
    Request,
)
from testing.builders import ARN, BUSINESS_NUMBER

AWS = f"arn:aws:{{}}:us-east-1:{NUMBER}:{{}}"
ALARMS, UNDELIVERED = AWS.format("sns", "alarms"), AWS.format("sqs", "undelivered")
INSTANCE, ARN_TOO = AWS.format("connect", f"instance/{INSTANCE_ID}"), ARN[:-1] + "0"
INTAKE = AWS.format("lambda", "function:Intake")
MAPPING = "12345678-0000-0000-0000-123456789012"
CONFIG = f"""
[start_chat]
instance_arn = "{INSTANCE}"
contact_flow_id = "{FLOW_ID}"
[[numbers]]
number = "{BUSINESS_NUMBER}"
arn = "{ARN}"
[[numbers]]
number = "{OTHER_BUSINESS_NUMBER}"
arn = "{ARN_TOO}"
delivery = "start-chat"
"""


def allow(action: str, *, to: str = "lambda.amazonaws.com", sid: str = "Allow", **more: Any) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": {"Service": to}, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement | more]}


CONNECT_PUBLISHES = allow(
    "sns:Publish", to="connect.amazonaws.com", Condition={"ArnEquals": {"aws:SourceArn": INSTANCE}}
)
ASSUMED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
DOES = {"Version": "2012-10-17", "Statement": [{"Sid": "Does", "Effect": "Allow", "Action": "a:B", "Resource": "*"}]}
REDRIVE = {"deadLetterTargetArn": UNDELIVERED}


def resource(kind: str, physical_id: str = "", **properties: Any) -> tuple[str, str, dict[str, Any]]:
    return kind, physical_id, properties


RESOURCES = {
    "Topic": resource("SNS::Topic", INBOUND_TOPIC),
    "TopicPolicy": resource("SNS::TopicPolicy", Topics=[{"Ref": "StreamingTopic"}], PolicyDocument=CONNECT_PUBLISHES),
    "StreamingTopic": resource("SNS::Topic", STREAMING_TOPIC),
    "Queue": resource("SQS::Queue", QUEUES["conversations"]),
    "QueuePolicy": resource("SQS::QueuePolicy", Queues=[{"Ref": "Queue"}], PolicyDocument=allow("sqs:SendMessage")),
    "Key": resource("KMS::Key", "key-1", KeyPolicy=allow("kms:Decrypt")),
    "TwoWayChannelRole": resource("IAM::Role", "channel", AssumeRolePolicyDocument=ASSUMED),
    "ForwardRole": resource("IAM::Role", "forward-role", AssumeRolePolicyDocument=ASSUMED),
    "ReplyRole": resource("IAM::Role", "reply-role", AssumeRolePolicyDocument=ASSUMED),
    "ForwardPolicy": resource(
        "IAM::Policy", PolicyName="forward-policy", Roles=[{"Ref": "ForwardRole"}], PolicyDocument=DOES
    ),
    "Intake": resource("Lambda::Function", "Intake"),
    "Forward": resource("Lambda::Function", "Forward", Role={"Fn::GetAtt": ["ForwardRole", "Arn"]}),
    "Reply": resource("Lambda::Function", "Reply", Role={"Fn::GetAtt": ["ReplyRole", "Arn"]}),
    "Batches": resource("Lambda::EventSourceMapping", MAPPING),
    "Subscription": resource(
        *("SNS::Subscription", f"{INBOUND_TOPIC}:1"),
        Protocol="lambda",
        TopicArn={"Ref": "Topic"},
        Endpoint={"Fn::GetAtt": ["Intake", "Arn"]},
        RedrivePolicy=REDRIVE,
    ),
}


def described(number: str, arn: str) -> dict[str, Any]:
    return {
        "PhoneNumber": number,
        "PhoneNumberArn": arn,
        "Status": "ACTIVE",
        "IsoCountryCode": "US",
        "MessageType": "TRANSACTIONAL",
        "NumberCapabilities": ["SMS"],
        "NumberType": "LONG_CODE",
        "MonthlyLeasingPrice": "1",
        "TwoWayEnabled": True,
        "TwoWayChannelArn": INBOUND_TOPIC,
        "TwoWayChannelRole": OUTPUTS["TwoWayChannelRoleArn"],
        "SelfManagedOptOutsEnabled": False,
        "OptOutListName": "Default",
        "DeletionProtectionEnabled": False,
    }


def by(name: str, **answers: Any) -> Callable[[Request], Any]:
    """The answer for a value of a parameter, by its last word."""

    def answer(request: Request) -> Any:
        return answers[str(request.parameters[name]).rpartition(":")[2].rpartition("/")[2].replace("-", "_")]

    return answer


def subscribed(*more: Mapping[str, str], endpoint: str = INTAKE, alarms: str = f"{ALARMS}:1") -> Any:
    ours = {"SubscriptionArn": f"{INBOUND_TOPIC}:1", "Protocol": "lambda", "Endpoint": endpoint}
    return by(
        "TopicArn",
        inbound={"Subscriptions": [ours, *more]},
        alarms={"Subscriptions": [{"SubscriptionArn": alarms}] if alarms else []},
    )


def calls_of(service: str, topic: str) -> str:
    said = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "lambda:InvokeFunction"}
    return json.dumps({"Statement": [said | {"Condition": {"ArnLike": {"AWS:SourceArn": topic}}}]})


def answers(config: Path) -> dict[str, Any]:
    """Those of an account in which all is well."""
    return {
        "GetCallerIdentity": {"Account": NUMBER, "Arn": f"arn:aws:iam::{NUMBER}:user/somebody"},
        **_of_cloudformation(config),
        "GetFunctionConfiguration": {"State": "Active", "LastUpdateStatus": "Successful"},
        "GetEventSourceMapping": {"EventSourceArn": AWS.format("sqs", "conversations"), "State": "Enabled"},
        "ListSubscriptionsByTopic": subscribed(),
        "GetSubscriptionAttributes": {"Attributes": {"RedrivePolicy": json.dumps(REDRIVE)}},
        "GetPolicy": {"Policy": calls_of("sns.amazonaws.com", INBOUND_TOPIC)},
        "DescribePhoneNumbers": {
            "PhoneNumbers": [described(BUSINESS_NUMBER, ARN), described(OTHER_BUSINESS_NUMBER, ARN_TOO)]
        },
        "GetTopicAttributes": {"Attributes": {"Policy": json.dumps(CONNECT_PUBLISHES)}},
        "GetQueueAttributes": {"Attributes": {"Policy": json.dumps(allow("sqs:SendMessage"))}},
        "DescribeKey": {"KeyMetadata": {"KeyId": "key-1", "KeyState": "Enabled"}},
        "GetKeyPolicy": {"Policy": json.dumps(allow("kms:Decrypt"))},
        "GetRole": {"Role": {"AssumeRolePolicyDocument": ASSUMED}},
        "GetRolePolicy": {"PolicyDocument": DOES},
        "SimulatePrincipalPolicy": {"EvaluationResults": [{"EvalActionName": "a:B", "EvalDecision": "allowed"}]},
        "ListPhoneNumbersV2": {
            "ListPhoneNumbersSummaryList": [
                {
                    "PhoneNumberId": "p-1",
                    "SourcePhoneNumberArn": ARN,
                    "TargetArn": INSTANCE,
                    "InstanceId": INSTANCE_ID,
                }
            ]
        },
        "DescribePhoneNumber": {"ClaimedPhoneNumberSummary": {"PhoneNumberStatus": {"Status": "CLAIMED"}}},
        "GetFlowAssociation": {"FlowId": f"{INSTANCE}/contact-flow/{FLOW_ID}"},
        "DescribeInstance": {"Instance": {"InstanceStatus": "ACTIVE"}},
        "DescribeContactFlow": {
            "ContactFlow": {"Name": "Texts", "Type": "CONTACT_FLOW", "State": "ACTIVE", "Status": "PUBLISHED"}
        },
        "SendChatIntegrationEvent": {"NewChatCreated": False},
        "GetMetricStatistics": {"Datapoints": [{"Timestamp": "2026-11-22T12:00:00Z", "Maximum": 7.0}]},
        "ListServiceQuotas": {
            "Quotas": [{"QuotaName": "Rate of SendChatIntegrationEvent API requests", "Value": 17.0}]
        },
        "DescribeSpendLimits": {
            "SpendLimits": [
                {
                    "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT",
                    "EnforcedLimit": 100,
                    "MaxLimit": 200,
                    "Overridden": True,
                }
            ]
        },
        "DescribeAccountAttributes": {"AccountAttributes": [{"Name": "ACCOUNT_TIER", "Value": "PRODUCTION"}]},
        "GetAccountSettings": {"AccountLimit": {"UnreservedConcurrentExecutions": 900}},
        "GetFunctionConcurrency": {},
    }


def _of_cloudformation(config: Path) -> dict[str, Any]:
    outputs = OUTPUTS | {"AlarmTopicArn": ALARMS, "ConfigFingerprint": load(config).fingerprint()}
    return {
        "DescribeStacks": {
            "Stacks": [
                {
                    "StackName": "SmsToConnect",
                    "CreationTime": "2026-11-22T12:00:00Z",
                    "StackStatus": "UPDATE_COMPLETE",
                    "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
                }
            ]
        },
        "GetTemplate": {
            "TemplateBody": {
                "Resources": {
                    name: {"Type": f"AWS::{kind}", "Properties": properties}
                    for name, (kind, _, properties) in RESOURCES.items()
                }
            }
        },
        "ListStackResources": {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": physical_id,
                    "ResourceType": f"AWS::{kind}",
                    "LastUpdatedTimestamp": "2026-11-22T12:00:00Z",
                    "ResourceStatus": "UPDATE_COMPLETE",
                }
                for name, (kind, physical_id, _) in RESOURCES.items()
            ]
        },
    }
