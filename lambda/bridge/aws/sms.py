"""Sends texts through AWS End User Messaging SMS, and translates its errors.

Source: SendTextMessage in the AWS End User Messaging SMS API reference. Several errors share a code and differ
by their Reason.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from botocore.exceptions import ClientError

from bridge.aws.errors import SDK_ERRORS, service_error
from bridge.errors import BridgeError, NotDeliverableError
from bridge.replies.delivery import NOT_DELIVERABLE

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
        an AnswerLostError it is unknown whether the text was sent.
        """
        try:
            self._client.send_text_message(
                DestinationPhoneNumber=to,
                OriginationIdentity=origin,
                MessageBody=body,
                MessageType="TRANSACTIONAL",
            )
        except SDK_ERRORS as exc:
            raise _sms_error(exc) from exc


def _sms_error(exc: BaseException) -> BridgeError:
    reason = _reason(exc)
    error = service_error(exc, "End User Messaging", reason=reason)
    if reason in NOT_DELIVERABLE:
        return NotDeliverableError(str(error), reason=reason)
    return error


def _reason(exc: BaseException) -> str:
    """The Reason of the error; empty if it does not look like one of the API's constants."""
    response: Any = exc.response if isinstance(exc, ClientError) else {}
    reason = response.get("Reason")
    return reason if isinstance(reason, str) and _A_REASON.fullmatch(reason) else ""
