"""SendTextMessage of `pinpoint-sms-voice-v2`.

(?) marks a behaviour that AWS does not document. The bridge must work whichever way AWS behaves.
"""

from __future__ import annotations

import math

from sandbox.simulator.chats import new_id, utf16_units
from sandbox.simulator.contact_centre import ContactCentre, Request, Response
from sandbox.simulator.numbers import conflict, invalid, number_of
from sandbox.simulator.protocols import RefusedError
from sandbox.simulator.resources import E164, PHONE_NUMBER_ARN, Number

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("^{}\\[]~|€\f")
GSM_LIMIT, OTHER_LIMIT = 1530, 630
"""Septets of a GSM text, UTF-16 code units of any other: what AWS accepts, though its API model says 1600."""


def parts(body: str) -> int:
    """How many message parts a text takes. Raises RefusedError when it is too long."""
    if all(letter in GSM or letter in GSM_EXTENSION for letter in body):
        size, one, each, limit = sum(2 if letter in GSM_EXTENSION else 1 for letter in body), 160, 153, GSM_LIMIT
    else:
        size, one, each, limit = utf16_units(body), 70, 67, OTHER_LIMIT
    if size > limit:
        # (?) AWS may also accept the text and later report a TEXT_INVALID event.
        raise invalid(f"MessageBody is over the {limit} characters of its alphabet")
    return 1 if size <= one else math.ceil(size / each)


def send_text_message(centre: ContactCentre, request: Request) -> Response:
    """Sends a text. The API has no idempotency token: a repeated call sends the text again."""
    to = "+" + request["DestinationPhoneNumber"].removeprefix("+")
    body, settings = request["MessageBody"], centre.settings
    if not E164.fullmatch(to):
        raise invalid("DestinationPhoneNumber is not a phone number")
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
        message, reason = "The monthly spend limit has been reached", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"
        raise RefusedError("ServiceQuotaExceededException", message, Reason=reason)
    centre.check_recipient_rate(to)
    message = new_id()
    if request.get("DryRun"):
        return {"MessageId": message}
    centre.parts_sent += count
    sender = number.number if number else None
    centre.record("SendTextMessage", source=sender or origin, destination=to, type="SMS", content=body, id=message)
    text = {"from": sender, "to": to, "body": body, "message_id": message}
    context = request.get("Context", {})
    centre.deliver_sms({"by": "SendTextMessage", "origination": origin, "context": context, **text})
    return {"MessageId": message}


def _origination(centre: ContactCentre, identity: str | None) -> tuple[Number | None, str]:
    """The number, and the identity as given. A simulator without numbers accepts every ARN and every number."""
    if identity is None:
        if not centre.numbers:
            raise conflict("NO_ORIGINATION_IDENTITIES_FOUND", "The account has no origination identity")
        number = next(iter(centre.numbers.values()))
        return number, number.arn
    if not centre.numbers and (PHONE_NUMBER_ARN.fullmatch(identity) or E164.fullmatch(identity)):
        return None, identity
    return number_of(centre, identity), identity
