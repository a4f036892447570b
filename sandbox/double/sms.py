"""AWS End User Messaging SMS (`pinpoint-sms-voice-v2`): what our numbers may send, and what phones got."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.double.chats import new_id
from sandbox.double.model import RefusedError
from sandbox.double.numbers import E164, PHONE_NUMBER_ARN, Number, conflict, invalid, number_of

if TYPE_CHECKING:
    from sandbox.double.connect import ContactCentre

Request = dict[str, Any]

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_DOUBLE = frozenset("^{}\\[]~|€\f")
GSM_LIMIT, OTHER_LIMIT = 1530, 630
"""Septets, and UTF-16 code units: what is really accepted, whatever the API's model says."""


def parts(body: str) -> int:
    """How many SMS carry a text. Raises RefusedError when it is longer than is accepted."""
    if all(letter in GSM or letter in GSM_DOUBLE for letter in body):
        size, one, each, limit = sum(2 if letter in GSM_DOUBLE else 1 for letter in body), 160, 153, GSM_LIMIT
    else:
        size, one, each, limit = len(body.encode("utf-16-le", "surrogatepass")) // 2, 70, 67, OTHER_LIMIT
    if size > limit:
        # (?) The model has no word for it; it may also be taken and then fail, with a TEXT_INVALID event.
        raise invalid(f"MessageBody is over the {limit} characters of its alphabet")
    return 1 if size <= one else math.ceil(size / each)


def send_text_message(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """DOMAIN.md section 4. No idempotency token: a repeated call is a repeated text."""
    to, body, settings = request["DestinationPhoneNumber"], request["MessageBody"], centre.settings
    if not E164.fullmatch(to if to.startswith("+") else f"+{to}"):
        raise invalid("DestinationPhoneNumber is not a phone number")
    to = to if to.startswith("+") else f"+{to}"
    number, origin = _origination(centre, request.get("OriginationIdentity"))
    count = parts(body)
    if number and number.status != "ACTIVE":
        raise conflict("RESOURCE_NOT_ACTIVE", "The origination identity is not active", "phone-number", number.id)
    if any(to.startswith(prefix) for prefix in settings.blocked):
        raise conflict("DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", "The country is blocked")
    if to in settings.unverified:
        raise conflict("DESTINATION_PHONE_NUMBER_NOT_VERIFIED", "The account is in the SMS sandbox")
    if to in settings.opted_out:
        raise conflict("DESTINATION_PHONE_NUMBER_OPTED_OUT", "The phone number has opted out")
    if settings.spending_limit is not None and centre.parts_sent + count > settings.spending_limit:
        raise RefusedError(
            "ServiceQuotaExceededException",
            "The monthly spend limit has been reached",
            Reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
        )
    if not centre.admit_recipient(to):
        raise RefusedError("ThrottlingException", "Rate exceeded for the destination phone number")
    message = new_id()
    if request.get("DryRun"):
        return {"MessageId": message}
    centre.parts_sent += count
    centre.note(
        "SendTextMessage",
        source=number.number if number else origin,
        destination=to,
        type="SMS",
        content=body,
        id=message,
    )
    centre.deliver(
        by="SendTextMessage",
        origin=origin,
        sender=number.number if number else None,
        to=to,
        body=body,
        message=message,
        context=request.get("Context", {}),
    )
    return {"MessageId": message}


HANDLERS: dict[str, Callable[[ContactCentre, Request], dict[str, Any]]] = {"SendTextMessage": send_text_message}
"""The operations of `pinpoint-sms-voice-v2` that text phones."""


def _origination(centre: ContactCentre, identity: str | None) -> tuple[Number | None, str]:
    """The number, and the identity as it was given. A double that was told of no numbers takes any ARN or number."""
    if identity is None:
        if not centre.numbers:
            raise conflict("NO_ORIGINATION_IDENTITIES_FOUND", "The account has no origination identity")
        number = next(iter(centre.numbers.values()))
        return number, number.arn
    if not centre.numbers and (PHONE_NUMBER_ARN.fullmatch(identity) or E164.fullmatch(identity)):
        return None, identity
    return number_of(centre, identity), identity
