"""The transport of integration-event delivery: one call of SendChatIntegrationEvent for each part.

Source: SendChatIntegrationEvent in the Amazon Connect API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.aws.errors import SDK_ERRORS, connect_error
from bridge.errors import ChatLimitError, NotFoundError, RejectedError, ThrottledError
from bridge.processing.rate_limiter import RateLimiter
from bridge.texts.chat_messages import NewSession
from bridge.texts.delivery import Accepted, NoOpenChat, PartRequest

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient

_SUBTYPE = "connect:sms"


class IntegrationEvents:
    """Sends chat integration events from a customer's number to a business number."""

    idempotent = False
    """The API has no client token."""

    def __init__(self, *, client: ConnectClient, rate_limiter: RateLimiter) -> None:
        self._client, self._rate_limiter = client, rate_limiter

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        """The source is the customer's number, the destination the ARN of the business number.

        Raises RejectedError, ThrottledError, UnavailableError, or one of the BlockedErrors. After an UnavailableError
        it is unknown whether Connect accepted the event.

        A DISCONNECT without an open chat has a response without a contact, by the API reference. In case that is not
        so, RejectedError and NotFoundError mean the same.
        """
        part = request.part
        arguments: dict[str, Any] = {
            "SourceId": request.sms.origination_number,
            "DestinationId": request.route.arn,
            "Subtype": _SUBTYPE,
            "Event": {"Type": part.type},
        }
        if part.type == "MESSAGE":
            arguments["Event"] |= {"ContentType": "text/plain", "Content": part.content}
            arguments["NewSessionDetails"] = _new_session_details(request.session)
        try:
            response = self._call(arguments, request)
        except (RejectedError, NotFoundError):
            if part.type == "DISCONNECT":
                return NoOpenChat()
            raise
        contact = response.get("InitialContactId")
        if part.type == "DISCONNECT" and contact is None:
            return NoOpenChat()
        return Accepted(contact, response.get("NewChatCreated", False))

    def _call(self, arguments: dict[str, Any], request: PartRequest) -> Any:
        key = request.sms.conversation_id

        def call() -> Any:
            try:
                return self._client.send_chat_integration_event(**arguments)
            except SDK_ERRORS as exc:
                raise connect_error(exc) from exc

        try:
            return self._rate_limiter.call(call, deadline=request.deadline, key=key)
        except ThrottledError as exc:
            if not self._rate_limiter.by_chance(request.throttled_before + 1):
                raise ChatLimitError(f"Connect accepts other conversations and never this one: {exc}") from exc
            raise


def _new_session_details(session: NewSession) -> dict[str, Any]:
    details: dict[str, Any] = {
        "SupportedMessagingContentTypes": list(session.supported_content_types),
        "ParticipantDetails": {"DisplayName": session.display_name},
        "Attributes": dict(session.attributes),
    }
    if session.streaming_topic_arn:
        details["StreamingConfiguration"] = {"StreamingEndpointArn": session.streaming_topic_arn}
    return details
