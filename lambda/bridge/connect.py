"""The only module that knows Amazon Connect's client: it sends one chat integration event and translates what is said.

Source: SendChatIntegrationEvent in the Amazon Connect API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ParamValidationError

from bridge.compose import Accepted, NewSession, Part
from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    ChatLimitError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.sdk import TROUBLE, why

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient

_SUBTYPE = "connect:sms"

# By code first, then by status. What neither table knows is somebody's configuration until shown otherwise: held, and
# counted as blocked, rather than given up.
_BY_CODE: dict[str, type[BridgeError]] = {
    "InvalidRequestException": RejectedError,
    "InvalidParameterException": RejectedError,
    "ValidationException": RejectedError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "InternalServiceException": UnavailableError,
    "ResourceNotFoundException": NotFoundError,
    "LimitExceededException": ChatLimitError,
    "ServiceQuotaExceededException": ChatLimitError,
    "AccessDeniedException": AccessRefusedError,
}


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
        except ClientError as exc:
            raise _translated(exc) from exc
        except ParamValidationError as exc:
            raise RejectedError("the request does not fit the API's model") from exc
        except TROUBLE as exc:
            raise UnavailableError(f"Connect did not answer ({why(exc)})") from exc
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


def _translated(exc: ClientError) -> BridgeError:
    code = exc.response["Error"]["Code"]
    status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
    kind = _BY_CODE.get(code)
    if kind is None:
        kind = ThrottledError if status == 429 else UnavailableError if status >= 500 else AccessRefusedError
    # Its message stays out: it may quote what was texted. With the request's id, AWS Support can find it.
    request_id = exc.response["ResponseMetadata"].get("RequestId", "none")
    return kind(f"Connect answered {code} ({status}), request {request_id}")
