"""Defects of what the stack has deployed, and what doctor says of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.sandbox.operator import INSTANCE, LEFT, Defect, Operator
from tests.sandbox.texts import until


@contextmanager
def event_source_disabled(operator: Operator) -> Iterator[None]:
    aws, uuid = operator.aws("lambda"), operator.physical("ForwardBatches")
    aws.update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        aws.update_event_source_mapping(UUID=uuid, Enabled=True)


@contextmanager
def function_gone(operator: Operator) -> Iterator[None]:
    """Without the function reply, of which nothing but its event source depends."""
    aws, name = operator.aws("lambda"), operator.sandbox.outputs["ReplyFunctionName"]
    found = aws.get_function(FunctionName=name)
    archive = httpx.get(found["Code"]["Location"], trust_env=False).content
    kept = (
        *("FunctionName", "Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize"),
        *("Environment", "TracingConfig", "Architectures", "LoggingConfig"),
    )
    aws.delete_function(FunctionName=name)
    try:
        yield
    finally:
        aws.create_function(Code={"ZipFile": archive}, **{key: found["Configuration"][key] for key in kept})
        until(
            lambda: aws.get_function_configuration(FunctionName=name)["State"] == "Active",
            seconds=30,
            what="the function active",
        )


@contextmanager
def subscription_gone(operator: Operator) -> Iterator[None]:
    aws, topic = operator.aws("sns"), operator.sandbox.outputs["InboundTopicArn"]
    (before,) = aws.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    attributes = aws.get_subscription_attributes(SubscriptionArn=before["SubscriptionArn"])["Attributes"]
    aws.unsubscribe(SubscriptionArn=before["SubscriptionArn"])
    try:
        yield
    finally:
        aws.subscribe(
            TopicArn=topic,
            Protocol="lambda",
            Endpoint=before["Endpoint"],
            Attributes={"RedrivePolicy": attributes["RedrivePolicy"]},
        )


@contextmanager
def subscription_without_its_queue(operator: Operator) -> Iterator[None]:
    aws, topic = operator.aws("sns"), operator.sandbox.outputs["InboundTopicArn"]
    (found,) = aws.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    policy = aws.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])["Attributes"]["RedrivePolicy"]

    def set_to(value: str) -> None:
        aws.set_subscription_attributes(
            SubscriptionArn=found["SubscriptionArn"], AttributeName="RedrivePolicy", AttributeValue=value
        )

    set_to("{}")
    try:
        yield
    finally:
        set_to(policy)


@contextmanager
def somebody_listens(operator: Operator) -> Iterator[None]:
    aws, topic = operator.aws("sns"), operator.sandbox.outputs["InboundTopicArn"]
    queue = operator.aws("sqs").create_queue(QueueName="somebody")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{operator.sandbox.account}:somebody"
    made = aws.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    try:
        yield
    finally:
        aws.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
        operator.aws("sqs").delete_queue(QueueUrl=queue)


@contextmanager
def sns_may_not_call_intake(operator: Operator) -> Iterator[None]:
    aws, name = operator.aws("lambda"), operator.sandbox.outputs["IntakeFunctionName"]
    (statement,) = json.loads(aws.get_policy(FunctionName=name)["Policy"])["Statement"]
    aws.remove_permission(FunctionName=name, StatementId=statement["Sid"])
    try:
        yield
    finally:
        aws.add_permission(
            FunctionName=name,
            StatementId=statement["Sid"],
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=operator.sandbox.outputs["InboundTopicArn"],
        )


def edited(read: Callable[[Operator], Any], write: Callable[[Operator, str], None], edit: Callable[[Any], None]) -> Any:
    """A policy that is edited, and restored afterwards."""

    @contextmanager
    def defect(operator: Operator) -> Iterator[None]:
        before = read(operator)
        text = before if isinstance(before, str) else json.dumps(before)
        after = json.loads(text)
        edit(after)
        write(operator, json.dumps(after))
        try:
            yield
        finally:
            write(operator, text)

    return defect


def topic_policy(operator: Operator) -> Any:
    return operator.aws("sns").get_topic_attributes(TopicArn=operator.sandbox.outputs["StreamingTopicArn"])[
        "Attributes"
    ]["Policy"]


def set_topic_policy(operator: Operator, policy: str) -> None:
    topic = operator.sandbox.outputs["StreamingTopicArn"]
    operator.aws("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


def queue_policy(operator: Operator) -> Any:
    url = operator.sandbox.outputs["UndeliveredQueueUrl"]
    return operator.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]


def set_queue_policy(operator: Operator, policy: str) -> None:
    url = operator.sandbox.outputs["UndeliveredQueueUrl"]
    operator.aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def key_policy(operator: Operator) -> Any:
    return operator.aws("kms").get_key_policy(KeyId=operator.physical("BridgeKey"), PolicyName="default")["Policy"]


def set_key_policy(operator: Operator, policy: str) -> None:
    operator.aws("kms").put_key_policy(KeyId=operator.physical("BridgeKey"), PolicyName="default", Policy=policy)


def trust(operator: Operator) -> Any:
    role = operator.aws("iam").get_role(RoleName=operator.physical("TwoWayChannelRole"))
    return role["Role"]["AssumeRolePolicyDocument"]


def set_trust(operator: Operator, policy: str) -> None:
    role = operator.physical("TwoWayChannelRole")
    operator.aws("iam").update_assume_role_policy(RoleName=role, PolicyDocument=policy)


@contextmanager
def key_disabled(operator: Operator) -> Iterator[None]:
    operator.aws("kms").disable_key(KeyId=operator.physical("BridgeKey"))
    try:
        yield
    finally:
        operator.aws("kms").enable_key(KeyId=operator.physical("BridgeKey"))


def without_policy(role: str, policy: str) -> Any:
    """A role without one of its policies. role, policy: prefixes of their names."""

    @contextmanager
    def defect(operator: Operator) -> Iterator[None]:
        aws, name = operator.aws("iam"), operator.physical(role)
        (whole,) = (one for one in aws.list_role_policies(RoleName=name)["PolicyNames"] if one.startswith(policy))
        before = aws.get_role_policy(RoleName=name, PolicyName=whole)["PolicyDocument"]
        aws.delete_role_policy(RoleName=name, PolicyName=whole)
        try:
            yield
        finally:
            aws.put_role_policy(RoleName=name, PolicyName=whole, PolicyDocument=json.dumps(before))

    return defect


@contextmanager
def denied_to_forward(operator: Operator) -> Iterator[None]:
    aws, name = operator.aws("iam"), operator.physical("ForwardRole")
    deny = {"Effect": "Deny", "Action": "connect:SendChatIntegrationEvent", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    aws.put_role_policy(RoleName=name, PolicyName="above", PolicyDocument=document)
    try:
        yield
    finally:
        aws.delete_role_policy(RoleName=name, PolicyName="above")


def without(sid: str) -> Callable[[Any], None]:
    def edit(policy: Any) -> None:
        kept = [one for one in policy["Statement"] if one.get("Sid") != sid]
        assert len(kept) == len(policy["Statement"]) - 1
        policy["Statement"] = kept

    return edit


def emptied(policy: Any) -> None:
    policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Deny"]


def opened(policy: Any) -> None:
    policy["Statement"].append({"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"})


def nearly(policy: Any) -> None:
    (statement,) = (one for one in policy["Statement"] if one.get("Sid") == "ConnectStreams")
    arns = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    statement["Condition"]["ArnEquals"]["aws:SourceArn"] = f"{arns if isinstance(arns, str) else arns[0]}/*"


def another_too(policy: Any) -> None:
    (statement,) = (one for one in policy["Statement"] if one.get("Sid") == "ConnectStreams")
    arns = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    instances = [arns] if isinstance(arns, str) else arns
    statement["Condition"]["ArnEquals"]["aws:SourceArn"] = [*instances, instances[0].replace(INSTANCE, LEFT)]


def anybodys(policy: Any) -> None:
    del policy["Statement"][0]["Condition"]


@contextmanager
def nothing_reserved(operator: Operator) -> Iterator[None]:
    aws, name = operator.aws("lambda"), operator.sandbox.outputs["IntakeFunctionName"]
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        aws.delete_function_concurrency(FunctionName=name)


RESTORE = "bridge sandbox down"
DEFECTS = {
    "a streaming topic that admits nearly the instance": Defect(
        edited(topic_policy, set_topic_policy, nearly),
        {
            ("topic policies", "fail"): "says otherwise than deployed: ConnectStreams",
            ("streaming topic", "fail"): (
                f"does not admit arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}: "
                "its condition is not the bare ARN"
            ),
        },
        "ArnEquals aws:SourceArn = the bare ARN",
    ),
    "a function that may not run": Defect(
        nothing_reserved,
        {("concurrency", "fail"): "may not run at all: none is reserved for it"},
        "aws lambda delete-function",
    ),
    "an event source that is disabled": Defect(
        event_source_disabled,
        {("event sources", "fail"): "is disabled: nothing reads this queue"},
        "aws lambda update-event-source-mapping --enabled --uuid",
    ),
    "a function that is gone": Defect(function_gone, {("functions", "fail"): "is gone"}, RESTORE),
    "a subscription that is gone": Defect(
        subscription_gone,
        {("subscriptions", "fail"): "has no subscription of ours: what is published is dropped"},
        RESTORE,
    ),
    "a subscription without its dead-letter queue": Defect(
        subscription_without_its_queue,
        {("subscriptions", "fail"): "does not keep in undelivered what it cannot hand over"},
        RESTORE,
    ),
    "somebody else who listens": Defect(
        somebody_listens,
        {("subscriptions", "warn"): "is listened to by others as well (sqs): they get bodies and numbers"},
        "aws sns list-subscriptions-by-topic",
    ),
    "a function that SNS may not call": Defect(
        sns_may_not_call_intake, {("subscriptions", "fail"): "may not call the function that it is for"}, RESTORE
    ),
    "a topic policy without Connect": Defect(
        edited(topic_policy, set_topic_policy, without("ConnectStreams")),
        {
            ("topic policies", "fail"): "no longer says: ConnectStreams",
            ("streaming topic", "fail"): f"does not admit arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}",
        },
        RESTORE,
    ),
    "a queue policy without SNS": Defect(
        edited(queue_policy, set_queue_policy, emptied),
        {("queue policies", "fail"): "no longer says: Allow sqs:SendMessage, Allow sqs:SendMessage"},
        RESTORE,
    ),
    "a key policy without End User Messaging": Defect(
        edited(key_policy, set_key_policy, without("EndUserMessagingToTopic")),
        {("key", "fail"): "no longer says: EndUserMessagingToTopic"},
        RESTORE,
    ),
    "a key policy that admits everybody": Defect(
        edited(key_policy, set_key_policy, opened), {("key", "warn"): "allows what was not deployed: Open"}, RESTORE
    ),
    "a key that is disabled": Defect(
        key_disabled, {("key", "fail"): "is Disabled: nothing can be written or read"}, "aws kms enable-key --key-id"
    ),
    "a channel role that trusts any account": Defect(
        edited(trust, set_trust, anybodys),
        {("channel role", "fail"): "says otherwise than deployed: Allow sts:AssumeRole"},
        RESTORE,
    ),
    "a channel role that may not publish": Defect(
        without_policy("TwoWayChannelRole", "ChannelRoleDefaultPolicy"),
        {
            ("channel role", "fail"): "has no such policy any more",
            ("permissions", "fail"): "may not sns:Publish: implicitDeny",
        },
        RESTORE,
    ),
    "a function's role without a policy": Defect(
        without_policy("ReplyIntakeRole", "ReplyIntakePolicy"),
        {("function roles", "fail"): "has no such policy any more"},
        RESTORE,
    ),
    "a role that something above it denies": Defect(
        denied_to_forward,
        {("permissions", "fail"): "may not connect:SendChatIntegrationEvent: explicitDeny"},
        "look at the role in IAM",
    ),
}
