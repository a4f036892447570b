"""AWS End User Messaging SMS (`pinpoint-sms-voice-v2`): our numbers, what they may send, and what phones got."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import regex
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sandbox.double.chats import new_id
from sandbox.double.model import RefusedError

if TYPE_CHECKING:
    from sandbox.double.connect import ContactCentre

Request = dict[str, Any]

PHONE_NUMBER_ARN = regex.compile(r"arn:aws[\w-]*:sms-voice:[a-z0-9-]+:\d{12}:phone-number/[\w-]+")
E164 = regex.compile(r"\+[1-9][0-9]{1,14}")
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_DOUBLE = frozenset("^{}\\[]~|€\f")
GSM_LIMIT, OTHER_LIMIT = 1530, 630
"""Septets, and UTF-16 code units: what is really accepted, whatever the API's model says."""


class Number(BaseModel):
    """One of our numbers, as POST /_double/numbers takes it."""

    model_config = ConfigDict(extra="forbid")

    number: str
    arn: str
    status: str = "ACTIVE"
    pool: str | None = None
    two_way: bool = False
    channel: str | None = None
    role: str | None = None
    self_managed_opt_outs: bool = False
    opt_out_list: str = "Default"
    deletion_protection: bool = False
    created_at: float = Field(default=0, exclude=True)

    @field_validator("number")
    @classmethod
    def _is_e164(cls, number: str) -> str:
        if not E164.fullmatch(number):
            raise ValueError("is not E.164")
        return number

    @field_validator("arn")
    @classmethod
    def _is_arn(cls, arn: str) -> str:
        if not PHONE_NUMBER_ARN.fullmatch(arn):
            raise ValueError("is not the ARN of a phone number")
        return arn

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    def describe(self) -> dict[str, Any]:
        return {
            "PhoneNumberArn": self.arn,
            "PhoneNumberId": self.id,
            "PhoneNumber": self.number,
            "Status": self.status,
            "IsoCountryCode": "US" if self.number.startswith("+1") else "GB",
            "MessageType": "TRANSACTIONAL",
            "NumberCapabilities": ["SMS"],
            "NumberType": "LONG_CODE",
            "MonthlyLeasingPrice": "1.00",
            "TwoWayEnabled": self.two_way,
            "TwoWayChannelArn": self.channel,
            "TwoWayChannelRole": self.role,
            "SelfManagedOptOutsEnabled": self.self_managed_opt_outs,
            "OptOutListName": self.opt_out_list,
            "DeletionProtectionEnabled": self.deletion_protection,
            "PoolId": self.pool,
            "CreatedTimestamp": self.created_at,
        }


def parts(body: str) -> int:
    """How many SMS carry a text. Raises RefusedError when it is longer than is accepted."""
    if all(letter in GSM or letter in GSM_DOUBLE for letter in body):
        size, one, each, limit = sum(2 if letter in GSM_DOUBLE else 1 for letter in body), 160, 153, GSM_LIMIT
    else:
        size, one, each, limit = len(body.encode("utf-16-le", "surrogatepass")) // 2, 70, 67, OTHER_LIMIT
    if size > limit:
        # (?) The model has no word for it; it may also be taken and then fail, with a TEXT_INVALID event.
        raise _invalid(f"MessageBody is over the {limit} characters of its alphabet")
    return 1 if size <= one else math.ceil(size / each)


def send_text_message(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """DOMAIN.md section 4. No idempotency token: a repeated call is a repeated text."""
    to, body, settings = request["DestinationPhoneNumber"], request["MessageBody"], centre.settings
    if not E164.fullmatch(to if to.startswith("+") else f"+{to}"):
        raise _invalid("DestinationPhoneNumber is not a phone number")
    to = to if to.startswith("+") else f"+{to}"
    number, origin = _origination(centre, request.get("OriginationIdentity"))
    count = parts(body)
    if number and number.status != "ACTIVE":
        raise _conflict("RESOURCE_NOT_ACTIVE", "The origination identity is not active", "phone-number", number.id)
    if any(to.startswith(prefix) for prefix in settings.blocked):
        raise _conflict("DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", "The country is blocked")
    if to in settings.unverified:
        raise _conflict("DESTINATION_PHONE_NUMBER_NOT_VERIFIED", "The account is in the SMS sandbox")
    if to in settings.opted_out:
        raise _conflict("DESTINATION_PHONE_NUMBER_OPTED_OUT", "The phone number has opted out")
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


def describe_phone_numbers(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """Cannot be asked for a number: only for ids and the filters of the model."""
    found = list(centre.numbers.values())
    if ids := request.get("PhoneNumberIds"):
        found = [_number(centre, one) for one in ids]
    for wanted in request.get("Filters", ()):
        key = _FILTERS.get(wanted["Name"])
        if key is None:
            raise RefusedError("ValidationException", f"no filter {wanted['Name']}", Reason="INVALID_FILTER_VALUES")
        found = [number for number in found if key(number) in wanted["Values"]]
    try:
        start = int(request.get("NextToken", "0"))
    except ValueError as exc:
        raise RefusedError("ValidationException", "NextToken is not ours", Reason="INVALID_NEXT_TOKEN") from exc
    end = start + request.get("MaxResults", 100)
    answer: dict[str, Any] = {"PhoneNumbers": [number.describe() for number in found[start:end]]}
    centre.note("DescribePhoneNumbers")
    return answer | ({"NextToken": str(end)} if end < len(found) else {})


def update_phone_number(centre: ContactCentre, request: Request) -> dict[str, Any]:
    number = _number(centre, request["PhoneNumberId"])
    if number.pool:
        raise _conflict("PHONE_NUMBER_ASSOCIATED_TO_POOL", "The pool has these settings", "phone-number", number.id)
    two_way = request.get("TwoWayEnabled", number.two_way)
    channel = request.get("TwoWayChannelArn", number.channel) if two_way else None
    if two_way and not channel:
        raise RefusedError("ValidationException", "TwoWayChannelArn is missing", Reason="TWO_WAY_CHANNEL_NOT_PRESENT")
    if channel and not regex.fullmatch(
        r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+|connect\.[a-z0-9-]+\.amazonaws\.com", channel
    ):
        raise RefusedError("ValidationException", "TwoWayChannelArn is no standard topic", Reason="INVALID_ARN")
    number.two_way, number.channel = two_way, channel
    number.role = request.get("TwoWayChannelRole", number.role) if two_way else None
    number.self_managed_opt_outs = request.get("SelfManagedOptOutsEnabled", number.self_managed_opt_outs)
    number.opt_out_list = request.get("OptOutListName", number.opt_out_list).rpartition("/")[2]
    number.deletion_protection = request.get("DeletionProtectionEnabled", number.deletion_protection)
    centre.note("UpdatePhoneNumber", source=number.number)
    return {name: value for name, value in number.describe().items() if name != "PoolId"}


HANDLERS: dict[str, Callable[[ContactCentre, Request], dict[str, Any]]] = {
    "SendTextMessage": send_text_message,
    "DescribePhoneNumbers": describe_phone_numbers,
    "UpdatePhoneNumber": update_phone_number,
}
"""The operations of `pinpoint-sms-voice-v2` that the double plays."""

_FILTERS: dict[str, Callable[[Number], str]] = {
    "status": lambda number: number.status,
    "iso-country-code": lambda number: str(number.describe()["IsoCountryCode"]),
    "message-type": lambda _: "TRANSACTIONAL",
    "number-capability": lambda _: "SMS",
    "number-type": lambda _: "LONG_CODE",
    "two-way-enabled": lambda number: str(number.two_way).lower(),
    "two-way-channel-arn": lambda number: number.channel or "",
    "self-managed-opt-outs-enabled": lambda number: str(number.self_managed_opt_outs).lower(),
    "opt-out-list-name": lambda number: number.opt_out_list,
    "deletion-protection-enabled": lambda number: str(number.deletion_protection).lower(),
}


def _origination(centre: ContactCentre, identity: str | None) -> tuple[Number | None, str]:
    """The number, and the identity as it was given. A double that was told of no numbers takes any ARN or number."""
    if identity is None:
        if not centre.numbers:
            raise _conflict("NO_ORIGINATION_IDENTITIES_FOUND", "The account has no origination identity")
        number = next(iter(centre.numbers.values()))
        return number, number.arn
    if not centre.numbers and (PHONE_NUMBER_ARN.fullmatch(identity) or E164.fullmatch(identity)):
        return None, identity
    return _number(centre, identity), identity


def _number(centre: ContactCentre, identity: str) -> Number:
    """By number, id or ARN."""
    for number in centre.numbers.values():
        if identity in (number.number, number.id, number.arn):
            return number
    raise RefusedError(
        "ResourceNotFoundException", "There is no such phone number", ResourceType="phone-number", ResourceId=identity
    )


def _invalid(message: str) -> RefusedError:
    return RefusedError("ValidationException", message, Reason="INVALID_PARAMETER")


def _conflict(reason: str, message: str, kind: str | None = None, identity: str | None = None) -> RefusedError:
    about = {"ResourceType": kind, "ResourceId": identity} if kind and identity else {}
    return RefusedError("ConflictException", message, Reason=reason, **about)
