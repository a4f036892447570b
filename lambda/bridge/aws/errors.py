"""The SDK's errors, and the bridge's error for each of them: by code and status, never by the text of a message."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from bridge.errors import (
    AccessRefusedError,
    AnswerLostError,
    BridgeError,
    ChatLimitError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)

SDK_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""What a call can raise: an error response, no response, or an incomplete one."""

# By code first, then by status. Any other error is treated as a configuration problem: the message is blocked.
_BY_CODE: Mapping[str, type[BridgeError]] = {
    "ValidationException": RejectedError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "InternalServerException": UnavailableError,
    "ResourceNotFoundException": NotFoundError,
    "AccessDeniedException": AccessRefusedError,
}
_OF_CONNECT: Mapping[str, type[BridgeError]] = {
    "InvalidRequestException": RejectedError,
    "InvalidParameterException": RejectedError,
    "InternalServiceException": UnavailableError,
    "LimitExceededException": ChatLimitError,
    "ServiceQuotaExceededException": ChatLimitError,
}


def error_code(exc: BaseException) -> str:
    """The code of an error response, else the name of the exception's class."""
    return str(exc.response["Error"]["Code"]) if isinstance(exc, ClientError) else type(exc).__name__


_SENT = (HTTPClientError, IncompleteReadError, ResponseParserError, SSLError)
"""What the SDK raises where the request may have reached the service. Others mean that no connection was made."""


def no_answer(exc: BaseException, service: str) -> UnavailableError:
    """An AnswerLostError if the request may have reached the service."""
    kind = AnswerLostError if isinstance(exc, _SENT) else UnavailableError
    return kind(f"{service} did not answer ({error_code(exc)})")


def connect_error(exc: BaseException) -> BridgeError:
    """The bridge's error for one of SDK_ERRORS that a call of `connect` or `connectparticipant` raised.

    After an AnswerLostError it is unknown whether Connect accepted the call.
    """
    return service_error(exc, "Connect", by_code=_OF_CONNECT)


def service_error(
    exc: BaseException, service: str, *, by_code: Mapping[str, type[BridgeError]] | None = None, reason: str = ""
) -> BridgeError:
    """The bridge's error for one of SDK_ERRORS.

    Parameters:
        by_code: classes for codes of this service only.
        reason: a constant of the API that belongs into the message.
    """
    if isinstance(exc, ParamValidationError):
        return RejectedError("the request does not fit the API's model")
    if not isinstance(exc, ClientError):
        return no_answer(exc, service)
    code, metadata = error_code(exc), exc.response["ResponseMetadata"]
    status = metadata["HTTPStatusCode"]
    kind = (by_code or {}).get(code) or _BY_CODE.get(code)
    if kind is None:
        kind = ThrottledError if status == 429 else UnavailableError if status >= 500 else AccessRefusedError
    # Without the service's message, which may quote text or number. AWS Support can find it by the request id.
    request_id = metadata.get("RequestId", "none")
    answer = f"{code} {reason}" if reason else code
    return kind(f"{service} answered {answer} ({status}), request {request_id}")
