"""The SDK's errors, and the bridge's error for each answer of Connect. By code and status, never by a message."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    ChatLimitError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)

SDK_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""What a call can raise: a response that is an error, no response, or one that was cut off."""

# By code first, then by status. A code and status that neither table has is taken for somebody's configuration: the
# message is blocked rather than given up.
_BY_CODE: dict[str, type[BridgeError]] = {
    "InvalidRequestException": RejectedError,
    "InvalidParameterException": RejectedError,
    "ValidationException": RejectedError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "InternalServiceException": UnavailableError,
    "InternalServerException": UnavailableError,
    "ResourceNotFoundException": NotFoundError,
    "LimitExceededException": ChatLimitError,
    "ServiceQuotaExceededException": ChatLimitError,
    "AccessDeniedException": AccessRefusedError,
}


def error_code(exc: BaseException) -> str:
    """The code of an error response, else the class of the exception. Never the service's message: it may quote."""
    return str(exc.response["Error"]["Code"]) if isinstance(exc, ClientError) else type(exc).__name__


def connect_error(exc: BaseException) -> BridgeError:
    """The bridge's error for one of SDK_ERRORS that a call of `connect` or `connectparticipant` raised.

    After an UnavailableError it is unknown whether Connect accepted the call.
    """
    if isinstance(exc, ParamValidationError):
        return RejectedError("the request does not fit the API's model")
    if not isinstance(exc, ClientError):
        return UnavailableError(f"Connect did not answer ({error_code(exc)})")
    code = exc.response["Error"]["Code"]
    status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
    kind = _BY_CODE.get(code)
    if kind is None:
        kind = ThrottledError if status == 429 else UnavailableError if status >= 500 else AccessRefusedError
    # Its message stays out: it may quote what was texted. With the request's id, AWS Support can find it.
    request_id = exc.response["ResponseMetadata"].get("RequestId", "none")
    return kind(f"Connect answered {code} ({status}), request {request_id}")
