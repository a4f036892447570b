"""Hops: calls between AWS services on behalf of the stack, each with its requests to IAM and KMS.

Of the context only what AWS documents for the step: a condition on anything else would refuse it. The sources are pages
of AWS's guides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.permissions.deployment import ACCOUNT, OTHER_ACCOUNT, PARTITION, REGION, Deployment
from tests.permissions.requests import ADMINISTRATOR, Caller, Case, cases, key_case, other_account

_LOGS_ASK = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey")


def hops(deployment: Deployment) -> Iterator[Case]:
    yield from _administrators(deployment)
    yield from _end_user_messaging(deployment)
    yield from _subscriptions(deployment)
    yield from _lambda(deployment)
    yield from _logs(deployment)
    yield from _alarms(deployment)
    yield from _connect(deployment)


def _administrators(deployment: Deployment) -> Iterator[Case]:
    """Administrators of the account can change the key policy. Source: KMS, "Default key policy"."""
    administrator = Caller(
        name="administrator",
        principal=f"arn:{PARTITION}:iam::{ACCOUNT}:user/administrator",
        context={"aws:PrincipalAccount": ACCOUNT},
        identity=(ADMINISTRATOR,),
    )
    yield key_case(deployment, administrator, "kms:PutKeyPolicy", {})


def _end_user_messaging(deployment: Deployment) -> Iterator[Case]:
    """Source: End User Messaging SMS, "Two-way SMS: IAM policies for Amazon SNS topics"."""
    role = deployment.arn("TwoWayChannelRole")
    service = Caller.service("sms-voice.amazonaws.com", SourceAccount=ACCOUNT)
    yield from cases(deployment, service, "sts:AssumeRole", role, guards={"aws:SourceAccount": (OTHER_ACCOUNT,)})
    channel = Caller.role(deployment, role, "End User Messaging")
    yield from cases(
        deployment, channel, "sns:Publish", deployment.arn("InboundTopic"), key_by="EndUserMessagingToTopic"
    )


def _subscriptions(deployment: Deployment) -> Iterator[Case]:
    """SNS invokes the function, and sends to the queue what it cannot deliver. Sources: Lambda, "Invoking Lambda
    functions with Amazon SNS notifications"; SNS, "Configuring a dead-letter queue for a subscription"."""
    for subscription in deployment.all("SNS::Subscription").values():
        said: Any = deployment.resolved(dict(subscription.properties))
        if said["Protocol"] != "lambda":
            continue  # e-mail: no resource of the account is used
        topic = said["TopicArn"]
        sns = Caller.service("sns.amazonaws.com", SourceArn=topic, SourceAccount=ACCOUNT)
        strange = {"aws:SourceArn": (other_account(topic),)}
        yield from cases(deployment, sns, "lambda:InvokeFunction", said["Endpoint"], guards=strange)
        yield from cases(
            deployment,
            sns,
            "sqs:SendMessage",
            said["RedrivePolicy"]["deadLetterTargetArn"],
            guards=strange,
            key_by="SnsToUndelivered",
            key_guards=strange,
        )


def _lambda(deployment: Deployment) -> Iterator[Case]:
    """Lambda assumes the roles, reads queues, sends failed events to a queue, writes logs and traces.
    Sources: Lambda, "Defining function permissions with an execution role", "Using Lambda with Amazon SQS", "Capturing
    records of asynchronous invocations", "Visualize invocations using X-Ray"."""
    service = Caller.service("lambda.amazonaws.com")
    functions = {deployment.arn(logical_id): name for name, logical_id in deployment.functions.items()}
    for name in functions.values():
        caller = Caller.function(deployment, name)
        yield from cases(deployment, service, "sts:AssumeRole", deployment.role(name))
        group = deployment.resolved(
            deployment.resources[deployment.functions[name]].properties["LoggingConfig"]["LogGroup"]
        )
        stream = f"arn:{PARTITION}:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:2026/10/01/[$LATEST]0123"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            yield from cases(deployment, caller, action, stream)
        for action in ("xray:PutTraceSegments", "xray:PutTelemetryRecords"):
            yield from cases(deployment, caller, action, "*")
    for mapping in deployment.all("Lambda::EventSourceMapping").values():
        name = _named(deployment, functions, mapping.properties["FunctionName"])
        queue = deployment.resolved(mapping.properties["EventSourceArn"])
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            caller = Caller.function(deployment, name)
            yield from cases(deployment, caller, action, queue, key_by=f"{sid(name)}ToQueues")
    for config in deployment.all("Lambda::EventInvokeConfig").values():
        name = _named(deployment, functions, config.properties["FunctionName"])
        destination: Any = deployment.resolved(config.properties["DestinationConfig"])["OnFailure"]["Destination"]
        caller = Caller.function(deployment, name)
        yield from cases(deployment, caller, "sqs:SendMessage", destination, key_by=f"{sid(name)}ToQueues")


def _logs(deployment: Deployment) -> Iterator[Case]:
    """Source: CloudWatch Logs, "Encrypt log data in CloudWatch Logs using AWS Key Management Service"."""
    logs = Caller.service(f"logs.{REGION}.amazonaws.com")
    for group in deployment.all("Logs::LogGroup").values():
        arn = f"arn:{PARTITION}:logs:{REGION}:{ACCOUNT}:log-group:"
        for action in _LOGS_ASK:
            yield key_case(
                deployment,
                logs,
                action,
                {"aws:logs:arn": f"{arn}{group.physical_id}"},
                by="LogsToLogGroups",
                guards={
                    "kms:EncryptionContext:aws:logs:arn": (
                        f"{arn}another-group",
                        other_account(f"{arn}{group.physical_id}"),
                    )
                },
                name=f"logs of {group.physical_id}",
            )


def _alarms(deployment: Deployment) -> Iterator[Case]:
    """Source: CloudWatch, "Notifying users on alarm changes", and SNS, "Enable compatibility between event sources from
    AWS services and encrypted topics"."""
    topic = deployment.arn("AlarmTopic")
    for name in deployment.all("CloudWatch::Alarm"):
        alarm = f"arn:{PARTITION}:cloudwatch:{REGION}:{ACCOUNT}:alarm:{deployment.resources[name].physical_id}"
        cloudwatch = Caller.service("cloudwatch.amazonaws.com", SourceArn=alarm, SourceAccount=ACCOUNT)
        strange = {
            "aws:SourceAccount": (OTHER_ACCOUNT,),
            "aws:SourceArn": (other_account(alarm), alarm.replace(deployment.stack, "Another")),
        }
        yield from cases(
            deployment,
            cloudwatch,
            "sns:Publish",
            topic,
            by="CloudWatchAlarms",
            guards=strange,
            key_by="CloudWatchToAlarms",
            key_guards=strange,
        )


def _connect(deployment: Deployment) -> Iterator[Case]:
    """Of KMS, Connect is known to pass what SNS binds a data key to, and nothing else. Sources: Connect, "Enable
    real-time chat message streaming", step 2; KMS, "Encryption context" of SNS."""
    for instance in deployment.config.instances():
        topic = deployment.arn("StreamingTopic")
        connect = Caller.service("connect.amazonaws.com")
        source = {"aws:SourceArn": instance, "aws:SourceAccount": ACCOUNT}
        strange = {"aws:SourceAccount": (OTHER_ACCOUNT,), "aws:SourceArn": (other_account(instance), f"{instance}0")}
        yield from cases(
            deployment,
            connect,
            "sns:Publish",
            topic,
            context=source,
            by="ConnectStreams",
            guards=strange,
            key_by="ConnectToStreaming",
            key_guards={
                "kms:EncryptionContext:aws:sns:topicArn": (other_account(topic), deployment.arn("InboundTopic")),
            },
        )


def _named(deployment: Deployment, functions: dict[str, str], value: Any) -> str:
    """The name of a function, from a reference to it."""
    found = deployment.resolved(value)
    return next(name for arn, name in functions.items() if found == arn or arn.endswith(f":function:{found}"))


def sid(function: str) -> str:
    """A function's name as in statement ids."""
    return function.title().replace("_", "")
