"""The commands for chats in the sandbox, and what needs a real SNS: streaming, its order, its filter policies."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from ops.cli import run
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER, START_CHAT, Phones, until

CUSTOMER = "+14255550121"
FLOW = "abcdef01-1234-1234-1234-123456789012"


@pytest.fixture
def topic(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """A topic and a queue that receives the messages for phones: the topic's ARN and the queue's URL."""
    name = f"agents-{uuid.uuid4().hex[:8]}"
    with closing(sandbox.client("sns")) as sns, closing(sandbox.client("sqs")) as sqs:
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sns.create_topic(Name=name)["TopicArn"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {"MessageVisibility": ["CUSTOMER", "ALL"], "ParticipantRole": [{"anything-but": "CUSTOMER"}]}
        sns.subscribe(
            TopicArn=arn,
            Protocol="sqs",
            Endpoint=queue,
            Attributes={"FilterPolicy": json.dumps(policy), "RawMessageDelivery": "true"},
        )
        yield arn, url
        sns.delete_topic(TopicArn=arn)
        sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def started(sandbox: Sandbox, phones: Phones, topic: tuple[str, str]) -> Iterator[tuple[str, str, Any]]:
    """A streamed chat with a connected customer: contact id, connection token, a client of the participant API."""
    once = Config(retries={"total_max_attempts": 1})
    with (
        closing(sandbox.client("connect", once)) as connect,
        closing(sandbox.client("connectparticipant", once)) as client,
    ):
        chat = connect.start_chat_contact(
            InstanceId="12345678-1234-1234-1234-123456789012",
            ContactFlowId=FLOW,
            ParticipantDetails={"DisplayName": CUSTOMER},
            Attributes={"originationNumber": CUSTOMER, "destinationNumber": BUSINESS_NUMBER},
            ChatStreamingConfiguration={"StreamingEndpointArn": topic[0]},
        )
        connection = client.create_participant_connection(
            ParticipantToken=chat["ParticipantToken"], Type=["CONNECTION_CREDENTIALS"], ConnectParticipant=True
        )
        yield chat["ContactId"], connection["ConnectionCredentials"]["ConnectionToken"], client


def received(sandbox: Sandbox, url: str, count: int) -> list[dict[str, Any]]:
    """Bodies in the order in which they were received."""
    bodies: list[dict[str, Any]] = []

    def enough() -> bool:
        with closing(sandbox.client("sqs")) as sqs:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(bodies) >= count

    until(enough, seconds=30, what=f"{count} notifications")
    return bodies


def test_what_agents_write_is_published_and_echoes_are_filtered(
    sandbox: Sandbox, phones: Phones, topic: tuple[str, str], started: tuple[str, str, Any]
) -> None:
    contact, token, customer = started
    customer.send_message(ConnectionToken=token, ContentType="text/plain", Content="hello")
    phones.simulator.reply(contact, "only for agents", visibility="AGENT")
    for n in range(5):
        phones.simulator.reply(contact, str(n))
    phones.simulator.transfer(contact)
    phones.simulator.reply(contact, "after the transfer", copies=2)
    bodies = received(sandbox, topic[1], 10)
    assert [body["Content"] for body in bodies if body["Type"] == "MESSAGE"] == [
        *"01234",
        "after the transfer",
        "after the transfer",
    ]
    assert [body["ContentType"].rpartition(".event.")[2] for body in bodies if body["Type"] == "EVENT"] == [
        "participant.joined",
        "participant.left",
        "participant.joined",  # transfer.succeeded has no role, and "anything-but" needs one
    ]
    assert {body["InitialContactId"] for body in bodies} == {contact}
    assert bodies[-1]["ContactId"] != contact
    told = phones.simulator.notifications()
    until(
        lambda: phones.simulator.status()["unpublished"] == 0,
        seconds=10,
        what="everything published, for other eyes too",
    )
    assert "hello" in [one["body"].get("Content") for one in told]


def test_an_answer_that_is_lost_leaves_a_message_that_is_shown_once(
    phones: Phones, started: tuple[str, str, Any]
) -> None:
    _, token, customer = started
    message = {"ConnectionToken": token, "ContentType": "text/plain", "Content": "hello", "ClientToken": "text-1"}
    phones.simulator.fault("reset-after", operation="SendMessage", times=2)
    for _ in range(2):
        with pytest.raises(ConnectionClosedError):
            customer.send_message(**message)
    answered = customer.send_message(**message)
    (chat,) = phones.simulator.chats()
    assert [(m["content"], m["id"]) for m in chat["messages"]] == [("hello", answered["Id"])]
    assert [(e["content"], e["answered"]) for e in phones.shown() if e["operation"] == "SendMessage"] == [
        ("hello", False)
    ]


def test_the_simulator_has_the_numbers_of_the_configuration(sandbox: Sandbox, phones: Phones) -> None:
    with closing(sandbox.client("pinpoint-sms-voice-v2")) as sms:
        found = {number["PhoneNumber"]: number for number in sms.describe_phone_numbers()["PhoneNumbers"]}
        assert found.keys() == {BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER, START_CHAT}
        sms.send_text_message(
            DestinationPhoneNumber=CUSTOMER,
            OriginationIdentity=found[OTHER_BUSINESS_NUMBER]["PhoneNumberArn"],
            MessageBody="hi",
        )
    assert [(text["from"], text["body"]) for text in phones.simulator.phone(CUSTOMER)] == [
        (OTHER_BUSINESS_NUMBER, "hi")
    ]


def test_a_conversation_can_be_played_by_hand(
    sandbox: Sandbox, phones: Phones, capsys: pytest.CaptureFixture[str]
) -> None:
    def bridge(*arguments: str) -> str:
        assert run(["sandbox", *arguments, "--name", sandbox.name]) == 0
        return capsys.readouterr().out

    assert "no chats yet" in bridge("chats")
    assert (
        bridge("text", CUSTOMER, "hello", "--to", OTHER_BUSINESS_NUMBER) == f"{CUSTOMER} -> {OTHER_BUSINESS_NUMBER}\n"
    )
    (chat,) = until(phones.simulator.chats, seconds=60, what="the chat")
    short = chat["contact"][:8]
    assert bridge("reply", CUSTOMER, "How can I help?") == f"chat {short}: the agent replied to {CUSTOMER}\n"
    assert [(text["from"], text["body"]) for text in phones.simulator.phone(CUSTOMER)] == [
        (OTHER_BUSINESS_NUMBER, "How can I help?")
    ]
    assert bridge("transfer", short).startswith(f"chat {short}: transferred, now contact ")
    shown = bridge("chats").splitlines()
    assert shown[1].split()[:5] == [short, CUSTOMER, OTHER_BUSINESS_NUMBER, "active", "2"]
    assert shown[1].endswith("agent: How can I help?")
    assert bridge("end", chat["contact"]) == f"chat {short}: ended\n"
    assert bridge("text", CUSTOMER, "one more thing") == f"{CUSTOMER} -> {BUSINESS_NUMBER}\n"
    until(lambda: len(phones.simulator.chats()) == 2, seconds=60, what="another chat")


def test_what_cannot_be_played_is_one_line(
    sandbox: Sandbox, phones: Phones, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["end", "nonsense"], "there is no chat nonsense; see: bridge sandbox chats"),
        (
            ["text", CUSTOMER, "hi", "--to", "+12125550199"],
            f"+12125550199 is none of our numbers: {BUSINESS_NUMBER}, {OTHER_BUSINESS_NUMBER}, {START_CHAT}",
        ),
    ):
        assert run(["sandbox", *arguments, "--name", sandbox.name]) == 2
        assert capsys.readouterr().err == f"bridge: {said}\n"
