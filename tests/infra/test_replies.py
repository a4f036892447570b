"""What start-chat delivery adds to the stack: the open chats, and the pipeline of replies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from bridge.config import ForwardSettings, ReplyIntakeSettings, ReplySettings
from bridge.replies.chat_events import FILTER_POLICY
from tests.infra.conftest import FLOW, INSTANCE, Built, Synthesised, refers_to, text

NUMBER = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
SETTINGS = {"forward": ForwardSettings, "reply_intake": ReplyIntakeSettings, "reply": ReplySettings}


@pytest.fixture(scope="module")
def stack(built: Callable[[str], Built]) -> Synthesised:
    """With a number of each delivery."""
    return built("mixed").stack


def test_without_start_chat_delivery_none_of_its_resources_exist(
    stack: Synthesised, built: Callable[[str], Built]
) -> None:
    assert len(stack.all("Lambda::Function")) == 4
    assert {"StreamingTopic", "RepliesQueue", "Chats"} <= stack.template["Resources"].keys()
    without = built("default").template_file.read_text()
    assert not re.search("StreamingTopic|RepliesQueue|ChatsTable|connect.amazonaws.com", without)
    assert not re.search("StartChatContact|sms-voice:SendTextMessage", without)


@pytest.mark.parametrize(("name", "expected"), [("default", 1), ("mixed", 1), ("start-chat", 0)])
def test_integration_events_are_allowed_only_if_a_number_needs_them(
    built: Callable[[str], Built], name: str, expected: int
) -> None:
    assert built(name).template_file.read_text().count("connect:SendChatIntegrationEvent") == expected


@pytest.mark.parametrize("logical_id", ["StreamingTopic", "RepliesQueue", "Chats"])
def test_replies_and_chats_are_retained(stack: Synthesised, logical_id: str) -> None:
    resources = stack.template["Resources"]
    assert logical_id in resources, "renamed: whatever points at it is lost"
    resource = resources[logical_id]
    assert resource["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate")
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_no_fifo_endpoint_is_subscribed_to_a_standard_topic(stack: Synthesised) -> None:
    """SNS refuses that; an emulator may accept it."""
    assert not [topic for topic in stack.all("SNS::Topic").values() if topic.get("FifoTopic")]
    subscriptions = stack.all("SNS::Subscription").values()
    assert len(subscriptions) == 2
    assert {subscription["Protocol"] for subscription in subscriptions} == {"lambda"}


def test_only_connect_for_the_configured_instance_may_publish(stack: Synthesised) -> None:
    (policy,) = (
        p for p in stack.all("SNS::TopicPolicy").values() if [refers_to(t) for t in p["Topics"]] == ["StreamingTopic"]
    )
    (allowed,) = (s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "connect.amazonaws.com"}
    assert (allowed["Action"], refers_to(allowed["Resource"])) == ("sns:Publish", "StreamingTopic")
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": [INSTANCE]},
    }
    (denied,) = (s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_key_policy_allows_connect_for_the_streaming_topic(stack: Synthesised) -> None:
    statements = {s["Sid"]: s for s in stack.get("BridgeKey")["KeyPolicy"]["Statement"]}
    statement = statements["ConnectToStreaming"]
    assert statement["Principal"] == {"Service": "connect.amazonaws.com"}
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
    ((operator, operands),) = statement["Condition"].items()
    assert (operator, {key: text(value) for key, value in operands.items()}) == (
        "ArnLike",
        {
            "kms:EncryptionContext:aws:sns:topicArn": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:"
            "${AWS::StackName}-StreamingTopic-*"
        },
    )
    assert {"ReplyToQueues", "ReplyIntakeToQueues", "ReplyToLedger", "ReplyIntakeToLedger"} <= statements.keys()


def test_reply_intake_gets_filtered_messages_and_has_a_dead_letter_queue(
    stack: Synthesised,
) -> None:
    (subscription,) = (
        s for s in stack.all("SNS::Subscription").values() if refers_to(s["TopicArn"]) == "StreamingTopic"
    )
    assert refers_to(subscription["Endpoint"]) == stack.function("reply_intake")
    assert subscription["FilterPolicy"] == json.loads(json.dumps(FILTER_POLICY))
    assert subscription.get("FilterPolicyScope", "MessageAttributes") == "MessageAttributes"
    assert refers_to(subscription["RedrivePolicy"]["deadLetterTargetArn"]) == "UndeliveredQueue"
    (config,) = (
        one for one in stack.all("Lambda::EventInvokeConfig").values()
        if refers_to(one["FunctionName"]) == stack.function("reply_intake")
    )  # fmt: skip
    assert refers_to(config["DestinationConfig"]["OnFailure"]["Destination"]) == "UndeliveredQueue"


def test_the_replies_queue_and_its_batches_are_configured_like_those_of_texts(
    stack: Synthesised,
) -> None:
    replies, conversations = stack.get("RepliesQueue"), stack.get("ConversationsQueue")
    assert replies == conversations
    assert refers_to(replies["RedrivePolicy"]["deadLetterTargetArn"]) == "FailedQueue"
    (mapping,) = (
        one for one in stack.all("Lambda::EventSourceMapping").values()
        if refers_to(one["EventSourceArn"]) == "RepliesQueue"
    )  # fmt: skip
    assert refers_to(mapping["FunctionName"]) == stack.function("reply")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (mapping["BatchSize"], "MaximumBatchingWindowInSeconds" in mapping) == (10, False)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_environment_holds_exactly_what_the_settings_require(stack: Synthesised, name: str) -> None:
    environment = stack.get(stack.function(name))["Environment"]["Variables"]
    own = {key for key in environment if not key.startswith("POWERTOOLS_")}
    assert own == {field.name.upper() for field in fields(SETTINGS[name])}


def test_each_role_has_exactly_the_permissions_of_its_function(stack: Synthesised) -> None:
    def of(name: str) -> set[tuple[str, str]]:
        ignored = ("logs:", "xray:")
        return {(a, r) for a, r in stack.allowed(stack.role(name)) if not a.startswith(ignored)}

    receive = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility")
    assert of("reply_intake") == {
        ("sqs:SendMessage", "RepliesQueue"),
        ("sqs:SendMessage", "FailedQueue"),
        ("sqs:SendMessage", "UndeliveredQueue"),
        ("dynamodb:UpdateItem", "Ledger"),
    }
    assert of("reply") == {
        *((action, "RepliesQueue") for action in receive),
        ("sqs:SendMessage", "FailedQueue"),
        *((f"dynamodb:{action}", table) for action in ("GetItem", "UpdateItem") for table in ("Ledger", "Chats")),
        ("sms-voice:SendTextMessage", NUMBER),
        ("sms-voice:SendTextMessage", NUMBER.replace("cdef", "cdee")),
    }
    assert {(a, r) for a, r in of("forward") if r == "Chats" or "StartChat" in a} == {
        *((f"dynamodb:{action}", "Chats") for action in ("GetItem", "PutItem", "UpdateItem")),
        ("connect:StartChatContact", INSTANCE),
        ("connect:StartChatContact", f"{INSTANCE}/contact-flow/{FLOW}"),
    }


def test_open_chats_are_encrypted_and_expire(stack: Synthesised) -> None:
    table = stack.get("Chats")
    assert refers_to(table["SSESpecification"]["KMSMasterKeyId"]) == "BridgeKey"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_log_groups_of_replies_have_the_same_retention_and_key(stack: Synthesised) -> None:
    groups: Any = stack.all("Logs::LogGroup").values()
    assert len(groups) == 4
    assert {refers_to(group["KmsKeyId"]) for group in groups} == {"BridgeKey"}
    assert {group["RetentionInDays"] for group in groups} == {30}
