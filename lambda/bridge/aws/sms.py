"""Sending a text through AWS End User Messaging SMS, and the bridge's error for each of its answers.

Source: SendTextMessage in the AWS End User Messaging SMS API reference. Several refusals share a code; the Reason
beside it tells them apart.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from botocore.exceptions import ClientError, ParamValidationError

from bridge.aws.errors import SDK_ERRORS, error_code
from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    NotDeliverableError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)

NOT_DELIVERABLE = frozenset(
    {
        "DESTINATION_PHONE_NUMBER_OPTED_OUT",
        "DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
        "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
        "DESTINATION_COUNTRY_BLOCKED",
        "COUNTRY_NOT_ENABLED",
        "INTERNATIONAL_SENDING_NOT_SUPPORTED",
        "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY",
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
    }
)
"""Reasons for which this phone gets no text from this number, whatever is done within a reply's time."""

# By code, then by status: this API answers 400 also where it throttles. A code and status that neither table has is
# taken for somebody's configuration (an origination number that is not active, an account under review): the reply is
# blocked rather than given up.
_BY_CODE: dict[str, type[BridgeError]] = {
    "ValidationException": RejectedError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "InternalServerException": UnavailableError,
    "ResourceNotFoundException": NotFoundError,
    "AccessDeniedException": AccessRefusedError,
}
_A_REASON = re.compile(r"[A-Z_]{1,100}")


class Client(Protocol):
    """The part of the client that is used."""

    def send_text_message(self, **request: Any) -> Any: ...


class SmsClient:
    """Sends texts from business numbers."""

    def __init__(self, *, client: Client) -> None:
        self._client = client

    def send(self, body: str, *, to: str, origin: str) -> None:
        """`to` a phone in E.164, `origin` the ARN of the business number.

        Raises NotDeliverableError, RejectedError, ThrottledError, UnavailableError, or one of the BlockedErrors. After
        an UnavailableError it is unknown whether the text was sent.
        """
        try:
            self._client.send_text_message(
                DestinationPhoneNumber=to,
                OriginationIdentity=origin,
                MessageBody=body,
                MessageType="TRANSACTIONAL",
            )
        except ClientError as exc:
            raise _sms_error(exc) from exc
        except ParamValidationError as exc:
            raise RejectedError("the request does not fit the API's model") from exc
        except SDK_ERRORS as exc:
            raise UnavailableError(f"End User Messaging did not answer ({error_code(exc)})") from exc


def _sms_error(exc: ClientError) -> BridgeError:
    code, reason = exc.response["Error"]["Code"], _reason(exc)
    status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
    # Its message stays out: it may quote number or text. With the request's id, AWS Support can find it.
    request_id = exc.response["ResponseMetadata"].get("RequestId", "none")
    answer = f"{code} {reason}" if reason else code
    message = f"End User Messaging answered {answer} ({status}), request {request_id}"
    if reason in NOT_DELIVERABLE:
        return NotDeliverableError(message, reason=reason)
    kind = _BY_CODE.get(code)
    if kind is None:
        kind = ThrottledError if status == 429 else UnavailableError if status >= 500 else AccessRefusedError
    return kind(message)


def _reason(exc: ClientError) -> str:
    """The API's own word; anything that does not look like one is not passed on."""
    response: Any = exc.response
    reason = response.get("Reason")
    return reason if isinstance(reason, str) and _A_REASON.fullmatch(reason) else ""
