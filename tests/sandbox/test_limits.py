"""The local AWS refuses what AWS refuses, through its API and when a stack is created.

tests/unit/sandbox/test_aws_limits.py tests all limits. Here is one of each kind, through each operation of SQS and SNS.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from sandbox.aws_limits import LARGEST_MESSAGE, LARGEST_NOTIFICATION
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import until

UNCHECKED = ClientConfig(parameter_validation=False)
"""Without parameter validation: botocore itself would refuse some of the requests."""


@pytest.fixture(scope="module")
def sqs(sandbox: Sandbox) -> Iterator[Any]:
    with closing(sandbox.client("sqs", UNCHECKED)) as client:
        yield client


@pytest.fixture(scope="module")
def queue(sqs: Any) -> Iterator[str]:
    attributes = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    url = sqs.create_queue(QueueName=f"limits-{uuid.uuid4().hex}.fifo", Attributes=attributes)["QueueUrl"]
    yield url
    sqs.delete_queue(QueueUrl=url)


def message(**changes: Any) -> dict[str, Any]:
    return {"MessageBody": "hi", "MessageGroupId": "group", "MessageDeduplicationId": uuid.uuid4().hex} | changes


def attributes(count: int, value: str = "v") -> dict[str, Any]:
    return {f"a{n}": {"DataType": "String", "StringValue": value} for n in range(count)}


MESSAGES: Mapping[str, tuple[dict[str, Any], str]] = {
    "a control character": ({"MessageBody": "\x01"}, "InvalidMessageContents"),
    "too large a body": ({"MessageBody": "x" * (LARGEST_MESSAGE + 1)}, "InvalidParameterValue"),
    "too large with its attributes": (
        {"MessageBody": "x" * (LARGEST_MESSAGE - 4), "MessageAttributes": attributes(1)},
        "InvalidParameterValue",
    ),
    "eleven attributes": ({"MessageAttributes": attributes(11)}, "InvalidParameterValue"),
    "an empty attribute": ({"MessageAttributes": attributes(1, "")}, "InvalidParameterValue"),
    "a control character in an attribute": ({"MessageAttributes": attributes(1, "\x01")}, "InvalidParameterValue"),
    "a long group": ({"MessageGroupId": "g" * 129}, "InvalidParameterValue"),
    "a deduplication id with a space": ({"MessageDeduplicationId": "a b"}, "InvalidParameterValue"),
}


@pytest.mark.parametrize(("change", "code"), MESSAGES.values(), ids=MESSAGES)
def test_a_queue_refuses_a_message_with(sqs: Any, queue: str, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        sqs.send_message(QueueUrl=queue, **message(**change))
    assert refused.value.response["Error"]["Code"] == code


def test_of_a_batch_a_queue_takes_what_it_can(sqs: Any, queue: str) -> None:
    entries = [{"Id": "good", **message()}, {"Id": "bad", **message(MessageAttributes=attributes(11))}]
    answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["good"]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [("bad", "InvalidParameterValue")]


def test_a_queue_takes_ten_messages_and_a_mebibyte_at_once(sqs: Any, queue: str) -> None:
    half = {"MessageBody": "x" * (LARGEST_MESSAGE // 2)}
    for entries, code in (
        ([{"Id": str(n), **message()} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": str(n), **message(**half, MessageAttributes=attributes(1))} for n in range(2)], "BatchRequestTooLong"),
    ):
        with pytest.raises(ClientError, match=code):
            sqs.send_message_batch(QueueUrl=queue, Entries=entries)


@pytest.mark.parametrize(
    "asked", [{"VisibilityTimeout": 43_201}, {"WaitTimeSeconds": 21}, {"MaxNumberOfMessages": 11}], ids=str
)
def test_a_queue_refuses_to_be_asked_for(sqs: Any, queue: str, asked: dict[str, int]) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        sqs.receive_message(QueueUrl=queue, **asked)


def test_a_receipt_of_a_fifo_queue_is_refused_when_its_time_is_over(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, **message(MessageGroupId="receipts"))
    (received, *_) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)["Messages"]
    receipt = received["ReceiptHandle"]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=43_201)
    time.sleep(1.1)
    with pytest.raises(ClientError, match="receipt handle has expired"):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=receipt)
    entry = {"Id": "one", "ReceiptHandle": receipt}
    for answer in (
        sqs.delete_message_batch(QueueUrl=queue, Entries=[entry]),
        sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[{**entry, "VisibilityTimeout": 5}]),
    ):
        assert [one["Code"] for one in answer["Failed"]] == ["ReceiptHandleIsInvalid"]


# --- SNS ------------------------------------------------------------------------------------------------------

SIX_KEYS = {name: ["x"] for name in "abcdef"}
IN_BRANCHES = {"$or": [{"a": ["x"], "b": ["y"]}] * 3}
MANY = {"a": [str(n) for n in range(151)]}


@pytest.fixture(scope="module")
def sns(sandbox: Sandbox) -> Iterator[Any]:
    with closing(sandbox.client("sns")) as client:
        yield client


@pytest.fixture
def topic(sns: Any) -> Iterator[str]:
    arn = sns.create_topic(Name=f"limits-{uuid.uuid4().hex}")["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


@pytest.mark.parametrize("policy", [SIX_KEYS, IN_BRANCHES, MANY], ids=["six keys", "in branches", "many"])
def test_a_topic_refuses_a_subscription_or_a_change_of_it_with(sns: Any, topic: str, policy: dict[str, Any]) -> None:
    endpoint = "arn:aws:sqs:us-east-1:111122223333:nobody"
    subscribed = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint}
    with pytest.raises(ClientError, match="FilterPolicy"):
        sns.subscribe(**subscribed, Attributes={"FilterPolicy": json.dumps(policy)})
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    good = {"FilterPolicy": json.dumps({"a": ["x"]})}
    arn = sns.subscribe(**subscribed, Attributes=good)["SubscriptionArn"]
    with pytest.raises(ClientError, match="FilterPolicy"):
        sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=json.dumps(policy)
        )
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["FilterPolicy"] == good["FilterPolicy"]


def test_a_stack_with_six_keys_in_a_filter_policy_is_not_created(sandbox: Sandbox) -> None:
    subscription = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": {"Ref": "Topic"},
            "Protocol": "sqs",
            "Endpoint": "arn:aws:sqs:us-east-1:111122223333:nobody",
            "FilterPolicy": SIX_KEYS,
        },
    }
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}, "Subscription": subscription}}
    name = f"limits-{uuid.uuid4().hex}"
    with closing(sandbox.client("cloudformation")) as cloudformation:
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))

        def failed() -> list[str]:
            events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            return [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]

        reasons = until(failed, seconds=30, what="the stack's end")
        assert any("more than 5 keys" in reason for reason in reasons)
        cloudformation.delete_stack(StackName=name)


def test_a_topic_refuses_a_notification_that_is_empty_or_too_large(sns: Any, topic: str) -> None:
    sns.publish(TopicArn=topic, Message="x" * LARGEST_NOTIFICATION)
    for given in ("", "x" * (LARGEST_NOTIFICATION + 1)):
        with pytest.raises(ClientError, match="InvalidParameter"):
            sns.publish(TopicArn=topic, Message=given)
