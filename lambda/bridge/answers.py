"""What Connect's and its participant service's answers mean to us. Decided by code and status, never by a message."""

from __future__ import annotations

from botocore.exceptions import ClientError, ParamValidationError

from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    ChatLimitError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.sdk import why

# By code first, then by status. What neither table knows is somebody's configuration until shown otherwise: held, and
# counted as blocked, rather than given up.
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


def translated(exc: BaseException) -> BridgeError:
    """Ours for one of the SDK's (sdk.TROUBLE). After an UnavailableError nobody knows whether the call was taken."""
    if isinstance(exc, ParamValidationError):
        return RejectedError("the request does not fit the API's model")
    if not isinstance(exc, ClientError):
        return UnavailableError(f"Connect did not answer ({why(exc)})")
    code = exc.response["Error"]["Code"]
    status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
    kind = _BY_CODE.get(code)
    if kind is None:
        kind = ThrottledError if status == 429 else UnavailableError if status >= 500 else AccessRefusedError
    # Its message stays out: it may quote what was texted. With the request's id, AWS Support can find it.
    request_id = exc.response["ResponseMetadata"].get("RequestId", "none")
    return kind(f"Connect answered {code} ({status}), request {request_id}")
