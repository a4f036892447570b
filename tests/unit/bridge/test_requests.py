"""Every request of the functions, with every option that they use, validated by the API's model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest

from infra.packaging.models import OPERATIONS
from testing.account import FLOW_ID, INSTANCE_ID, STREAMING_TOPIC, Account
from testing.builders import ARN, CUSTOMER
from testing.scenarios import SCENARIOS

USED: Mapping[str, set[str]] = {
    "SendChatIntegrationEvent": {
        *("SourceId", "DestinationId", "Subtype", "Event", "Event.Type", "Event.ContentType", "Event.Content"),
        *("NewSessionDetails", "NewSessionDetails.SupportedMessagingContentTypes"),
        *("NewSessionDetails.ParticipantDetails", "NewSessionDetails.ParticipantDetails.DisplayName"),
        *("NewSessionDetails.Attributes", "NewSessionDetails.StreamingConfiguration"),
        "NewSessionDetails.StreamingConfiguration.StreamingEndpointArn",
    },
    "StartChatContact": {
        *("InstanceId", "ContactFlowId", "ParticipantDetails", "ParticipantDetails.DisplayName", "Attributes"),
        *("ChatDurationInMinutes", "SupportedMessagingContentTypes", "ClientToken", "ChatStreamingConfiguration"),
        "ChatStreamingConfiguration.StreamingEndpointArn",
        *("InitialMessage", "InitialMessage.ContentType", "InitialMessage.Content"),
    },
    "CreateParticipantConnection": {"Type", "ParticipantToken", "ConnectParticipant"},
    "DisconnectParticipant": {"ClientToken", "ConnectionToken"},
    "GetAttachment": {"AttachmentId", "ConnectionToken", "UrlExpiryInSeconds"},
    "SendTextMessage": {"DestinationPhoneNumber", "OriginationIdentity", "MessageBody", "MessageType"},
    "ChangeMessageVisibilityBatch": {"QueueUrl", "Entries"},
}
"""The members of each request, those of all calls together. SendMessage is SQS's and the participant service's."""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_request_breaks_the_model_of_its_api(account: Account, scenario: str) -> None:
    SCENARIOS[scenario](account)
    assert account.problems == []
    assert account.requests or "nothing for the phone" in scenario


def test_all_operations_are_called_with_all_their_options(account: Account) -> None:
    """So that the test above covers each form of each request."""
    asked: dict[str, set[str]] = {}
    called: set[tuple[str, str]] = set()
    for run in SCENARIOS.values():
        account.planned.clear()
        account.always.clear()
        for table in account.tables.values():
            table.items.clear()
        run(account)
        for request in account.requests:
            called.add((request.service, request.operation))
            asked.setdefault(request.operation, set()).update(_members(request.parameters))
        account.requests.clear()
    assert called == {(service, operation) for service, operations in OPERATIONS.items() for operation in operations}
    for operation, members in USED.items():
        assert {name for name in asked[operation] if not name.startswith(_KEYS)} == members, operation


_KEYS = ("Attributes.", "NewSessionDetails.Attributes.")
"""Maps, whose keys are not members of a structure."""


def _members(value: Any, place: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            inner = f"{place}.{name}".lstrip(".")
            yield inner
            yield from _members(item, inner)


def test_a_chat_integration_event_carries_these_values(account: Account) -> None:
    SCENARIOS["forward: new chat"](account)
    (request,) = account.of("SendChatIntegrationEvent")
    details = request["NewSessionDetails"]
    assert (request["SourceId"], request["DestinationId"], request["Subtype"]) == (CUSTOMER, ARN, "connect:sms")
    assert request["Event"] == {"Type": "MESSAGE", "ContentType": "text/plain", "Content": "Hello"}
    assert details["SupportedMessagingContentTypes"] == ["text/plain"]
    assert details["ParticipantDetails"] == {"DisplayName": CUSTOMER}
    assert details["StreamingConfiguration"] == {"StreamingEndpointArn": STREAMING_TOPIC}
    assert details["Attributes"].items() >= {"queue": "sales", "inboundMessageId": "text-1"}.items()


@pytest.mark.parametrize(
    ("scenario", "token", "initial"),
    [
        ("start-chat: new chat", "text-1:1", None),
        (
            "start-chat: initial message",
            "text-1:1:initial-message",
            {"ContentType": "text/plain", "Content": "Hello"},
        ),
    ],
)
def test_the_start_of_a_chat_carries_these_values(
    account: Account, scenario: str, token: str, initial: dict[str, str] | None
) -> None:
    SCENARIOS[scenario](account)
    (request,) = account.of("StartChatContact")
    attributes = request.pop("Attributes")
    assert attributes.items() >= {"queue": "sales", "inboundMessageId": "text-1"}.items()
    assert request == {
        "InstanceId": INSTANCE_ID,
        "ContactFlowId": FLOW_ID,
        "ParticipantDetails": {"DisplayName": CUSTOMER},
        "ChatDurationInMinutes": 1500,
        "SupportedMessagingContentTypes": ["text/plain"],
        "ChatStreamingConfiguration": {"StreamingEndpointArn": STREAMING_TOPIC},
        "ClientToken": token,
    } | ({"InitialMessage": initial} if initial else {})


def test_a_text_message_carries_these_values(account: Account) -> None:
    SCENARIOS["reply: sent"](account)
    assert account.of("SendTextMessage") == [
        {
            "DestinationPhoneNumber": CUSTOMER,
            "OriginationIdentity": ARN,
            "MessageBody": "Hello, how can I help?",
            "MessageType": "TRANSACTIONAL",
        }
    ]


def test_the_model_refuses_what_botocore_lets_through(account: Account) -> None:
    """The validation itself: a value too long, not in the enum, an unknown member."""
    client: Any = boto3.client("connect")
    with pytest.raises(Exception, match="Unknown parameter"):
        client.send_chat_integration_event(SourceId="s", DestinationId="d", Event={"Type": "NOTHING"}, Nonsense=1)
    client.send_chat_integration_event(SourceId="s" * 256, DestinationId="d", Event={"Type": "NOTHING"})
    assert account.problems == [
        "SendChatIntegrationEvent: Event.Type must be one of DISCONNECT, MESSAGE, EVENT",
        "SendChatIntegrationEvent: Nonsense is not a member",
        "SendChatIntegrationEvent: SourceId is over the most of 255 characters",
        "SendChatIntegrationEvent: Event.Type must be one of DISCONNECT, MESSAGE, EVENT",
    ]
    account.problems.clear()
