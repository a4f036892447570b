"""The SNS endpoint applies the filter policy and delivers the rest as SNS does."""

from __future__ import annotations

import asyncio
from typing import Any

import boto3
import pytest
from botocore.config import Config

from bridge.replies.chat_events import CHAT_ENDED, FILTER_POLICY
from testing.faults.lambda_runtime import Invocation
from testing.faults.record import Record
from testing.faults.sns import TOPIC_ARN, SnsEndpoint, Topic, identity, matches

REPLY = {"Type": "MESSAGE", "MessageVisibility": "ALL", "ParticipantRole": "AGENT", "ContentType": "text/plain"}


@pytest.mark.parametrize(
    ("change", "through"),
    [
        ({}, True),
        ({"MessageVisibility": "CUSTOMER"}, True),
        ({"ParticipantRole": "SYSTEM"}, True),
        ({"MessageVisibility": "AGENT"}, False),
        ({"MessageVisibility": None}, True),
        ({"MessageVisibility": None, "ParticipantRole": "CUSTOMER"}, False),
        ({"ParticipantRole": "CUSTOMER"}, False),
        ({"ParticipantRole": None}, False),
        ({"Type": "EVENT"}, True),
        ({"Type": "EVENT", "ContentType": "application/vnd.amazonaws.connect.event.typing"}, False),
        ({"Type": "EVENT", "ContentType": CHAT_ENDED, "ParticipantRole": None}, True),
        ({"Type": "ATTACHMENT", "MessageVisibility": None}, True),
        ({"Type": "ATTACHMENT", "MessageVisibility": "AGENT"}, False),
    ],
)
def test_what_is_for_the_phone_and_the_end_of_a_chat_pass(change: dict[str, str | None], through: bool) -> None:
    attributes = {name: value for name, value in {**REPLY, **change}.items() if value is not None}
    assert matches(FILTER_POLICY, attributes) is through


def test_an_operator_that_is_not_played_is_an_error() -> None:
    with pytest.raises(ValueError, match="no operator prefix"):
        matches({"Type": [{"prefix": "M"}]}, REPLY)


class Called:
    """A function that records its events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def invoke(self, event: Any) -> Invocation:
        self.events.append(event)
        return Invocation(function="reply_intake", event=event, outcome="answered")


def test_what_is_published_reaches_the_function_as_lambda_gets_it_from_sns() -> None:
    record, function = Record(), Called()
    published = [
        ('{"Id": "one", "AbsoluteTime": "2026-11-22T12:00:00.000Z", "Content": "¿qué?"}', REPLY),
        ('{"Id": "echo", "AbsoluteTime": "2026-11-22T12:00:01.000Z"}', REPLY | {"ParticipantRole": "CUSTOMER"}),
    ]

    async def play() -> None:
        streaming = SnsEndpoint(record, policy=FILTER_POLICY, seed=1, window=0)
        a_function: Any = function
        topic = Topic(a_function, record, retry_speedup=1)
        streaming.subscribe(topic)
        async with streaming.server:
            for message, attributes in published:
                await asyncio.to_thread(publish, streaming.server.url, message, attributes | {"InitialContactId": "c"})
            while topic.under_way:
                await asyncio.sleep(0.01)

    asyncio.run(play())
    notifications = [event["Records"][0] for event in function.events]
    assert {identity(notification) for notification in notifications} == {"one"} == record.published.keys()
    sns = notifications[0]["Sns"]
    assert (sns["TopicArn"], sns["Message"]) == (TOPIC_ARN, published[0][0])
    assert sns["MessageAttributes"]["ParticipantRole"] == {"Type": "String", "Value": "AGENT"}
    assert record.timestamps == {"one": "2026-11-22T12:00:00.000Z"} and record.filtered == 1


def publish(url: str, message: str, attributes: dict[str, str]) -> None:
    client = boto3.client(
        "sns",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="111122223333",
        aws_secret_access_key="faults",
        config=Config(proxies={}),
    )
    values: Any = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    assert client.publish(TopicArn=TOPIC_ARN, Message=message, MessageAttributes=values)["MessageId"]
    client.close()
