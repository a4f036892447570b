"""Delivery as chat integration events, one call each, for accounts that may make it.

Source: SendChatIntegrationEvent in the Amazon Connect API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.answers import translated
from bridge.compose import Accepted, NewSession, Part
from bridge.sdk import TROUBLE

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient

_SUBTYPE = "connect:sms"


class ChatIntegration:
    """Sends events on behalf of a customer's number to one of ours."""

    def __init__(self, *, client: ConnectClient) -> None:
        self._client = client

    def send(self, part: Part, *, source: str, destination: str, session: NewSession) -> Accepted:
        """`source` the customer's number, `destination` the ARN of ours.

        Raises RejectedError, ThrottledError, UnavailableError, or one of the BlockedErrors. After an UnavailableError
        nobody knows whether Connect took the event.
        """
        request: dict[str, Any] = {
            "SourceId": source,
            "DestinationId": destination,
            "Subtype": _SUBTYPE,
            "Event": {"Type": part.type},
        }
        if part.type == "MESSAGE":
            request["Event"] |= {"ContentType": "text/plain", "Content": part.content}
            request["NewSessionDetails"] = _new_session_details(session)
        try:
            answer = self._client.send_chat_integration_event(**request)
        except TROUBLE as exc:
            raise translated(exc) from exc
        return Accepted(answer.get("InitialContactId"), answer.get("NewChatCreated", False))


def _new_session_details(session: NewSession) -> dict[str, Any]:
    details: dict[str, Any] = {
        "SupportedMessagingContentTypes": list(session.supported_content_types),
        "ParticipantDetails": {"DisplayName": session.display_name},
        "Attributes": dict(session.attributes),
    }
    if session.streaming_topic_arn:
        details["StreamingConfiguration"] = {"StreamingEndpointArn": session.streaming_topic_arn}
    return details
