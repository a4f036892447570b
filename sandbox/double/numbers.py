"""AWS End User Messaging SMS (`pinpoint-sms-voice-v2`): our numbers and pools, their settings and tags, the account.

Where AWS publishes no word on a behaviour, the line is marked (?): the bridge must be right either way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sandbox.double.model import RefusedError

if TYPE_CHECKING:
    from sandbox.double.connect import ContactCentre

Request = dict[str, Any]

PHONE_NUMBER_ARN = regex.compile(r"arn:aws[\w-]*:sms-voice:[a-z0-9-]+:\d{12}:phone-number/[\w-]+")
E164 = regex.compile(r"\+[1-9][0-9]{1,14}")
SHORT_CODE = regex.compile(r"[1-9][0-9]{4,5}")
CHANNEL = regex.compile(r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+|connect\.[a-z0-9-]+\.amazonaws\.com")
TAG = regex.compile(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*")
"""What AWS takes in keys and values of tags."""
TAGS = 50


class Pool(BaseModel):
    """Numbers that share their two-way settings, as POST /_double/pools takes it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    two_way: bool = False
    channel: str | None = None
    role: str | None = None

    def describe(self) -> dict[str, Any]:
        return {
            "PoolArn": f"arn:aws:sms-voice:us-east-1:111122223333:pool/{self.id}",
            "PoolId": self.id,
            "Status": "ACTIVE",
            "MessageType": "TRANSACTIONAL",
            "TwoWayEnabled": self.two_way,
            "TwoWayChannelArn": self.channel,
            "TwoWayChannelRole": self.role,
            "SelfManagedOptOutsEnabled": False,
            "OptOutListName": "Default",
            "SharedRoutesEnabled": False,
            "DeletionProtectionEnabled": False,
            "CreatedTimestamp": 0,
        }


class Number(BaseModel):
    """One of our numbers, as POST /_double/numbers takes it."""

    model_config = ConfigDict(extra="forbid")

    number: str
    arn: str
    status: Literal["PENDING", "ACTIVE", "ASSOCIATING", "DISASSOCIATING", "DELETED"] = "ACTIVE"
    capabilities: list[Literal["SMS", "VOICE", "MMS"]] = ["SMS"]
    two_way_possible: bool = True
    """Whether its country has two-way SMS."""
    pool: str | None = None
    two_way: bool = False
    channel: str | None = None
    role: str | None = None
    self_managed_opt_outs: bool = False
    opt_out_list: str = "Default"
    deletion_protection: bool = False
    tags: dict[str, str] = {}
    created_at: float = Field(default=0, exclude=True)

    @field_validator("number")
    @classmethod
    def _is_number(cls, number: str) -> str:
        if not E164.fullmatch(number) and not SHORT_CODE.fullmatch(number):
            raise ValueError("is neither E.164 nor a short code")
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
            "IsoCountryCode": "US" if self.number.startswith("+1") or SHORT_CODE.fullmatch(self.number) else "GB",
            "MessageType": "TRANSACTIONAL",
            "NumberCapabilities": self.capabilities,
            "NumberType": "LONG_CODE" if self.number.startswith("+") else "SHORT_CODE",
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


def describe_phone_numbers(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """Cannot be asked for a number: only for ids and the filters of the model."""
    found = list(centre.numbers.values())
    if ids := request.get("PhoneNumberIds"):
        found = [number_of(centre, one) for one in ids]
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
    number = number_of(centre, request["PhoneNumberId"])
    if number.pool:
        raise conflict("PHONE_NUMBER_ASSOCIATED_TO_POOL", "The pool has these settings", "phone-number", number.id)
    if number.status != "ACTIVE":  # (?)
        raise conflict("RESOURCE_NOT_ACTIVE", "The phone number is not active", "phone-number", number.id)
    two_way = request.get("TwoWayEnabled", number.two_way)
    if two_way and not number.two_way_possible:
        raise RefusedError("ValidationException", "Not in this country", Reason="TWO_WAY_NOT_SUPPORTED_IN_COUNTRY")
    channel = request.get("TwoWayChannelArn", number.channel) if two_way else None
    if two_way and not channel:
        raise RefusedError("ValidationException", "TwoWayChannelArn is missing", Reason="TWO_WAY_CHANNEL_NOT_PRESENT")
    if channel and not CHANNEL.fullmatch(channel):
        raise RefusedError("ValidationException", "TwoWayChannelArn is no standard topic", Reason="INVALID_ARN")
    number.two_way, number.channel = two_way, channel
    # (?) A role that is not named stays as it is, while two-way stays on.
    number.role = request.get("TwoWayChannelRole", number.role) if two_way else None
    number.self_managed_opt_outs = request.get("SelfManagedOptOutsEnabled", number.self_managed_opt_outs)
    number.opt_out_list = request.get("OptOutListName", number.opt_out_list).rpartition("/")[2]
    number.deletion_protection = request.get("DeletionProtectionEnabled", number.deletion_protection)
    centre.note("UpdatePhoneNumber", source=number.number)
    return {name: value for name, value in number.describe().items() if name != "PoolId"}


def describe_pools(centre: ContactCentre, request: Request) -> dict[str, Any]:
    wanted = request.get("PoolIds") or list(centre.pools)
    for one in wanted:
        if one not in centre.pools:
            raise RefusedError(
                "ResourceNotFoundException", "There is no such pool", ResourceType="pool", ResourceId=one
            )
    centre.note("DescribePools")
    return {"Pools": [centre.pools[one].describe() for one in wanted]}


def list_tags_for_resource(centre: ContactCentre, request: Request) -> dict[str, Any]:
    number = number_of(centre, request["ResourceArn"])
    centre.note("ListTagsForResource", source=number.number)
    return {"ResourceArn": number.arn, "Tags": [{"Key": key, "Value": value} for key, value in number.tags.items()]}


def tag_resource(centre: ContactCentre, request: Request) -> dict[str, Any]:
    number, tags = number_of(centre, request["ResourceArn"]), {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    for text in (*tags, *tags.values()):
        if not TAG.fullmatch(text) or text.startswith("aws:"):
            raise invalid(f"{text} cannot be in a tag")
    if len(number.tags | tags) > TAGS:
        raise RefusedError("ServiceQuotaExceededException", "Too many tags", Reason="TAGS_PER_RESOURCE")
    number.tags |= tags
    centre.note("TagResource", source=number.number)
    return {}


def untag_resource(centre: ContactCentre, request: Request) -> dict[str, Any]:
    number = number_of(centre, request["ResourceArn"])
    number.tags = {key: value for key, value in number.tags.items() if key not in request["TagKeys"]}
    centre.note("UntagResource", source=number.number)
    return {}


def describe_spend_limits(centre: ContactCentre, _: Request) -> dict[str, Any]:
    limit = centre.settings.spend_limit
    centre.note("DescribeSpendLimits")
    return {
        "SpendLimits": [
            {
                "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT",
                "EnforcedLimit": limit,
                "MaxLimit": max(limit, 100),
                "Overridden": limit < 100,
            }
        ]
    }


def describe_account_attributes(centre: ContactCentre, _: Request) -> dict[str, Any]:
    centre.note("DescribeAccountAttributes")
    return {"AccountAttributes": [{"Name": "ACCOUNT_TIER", "Value": centre.settings.account_tier}]}


HANDLERS: dict[str, Callable[[ContactCentre, Request], dict[str, Any]]] = {
    "DescribePhoneNumbers": describe_phone_numbers,
    "UpdatePhoneNumber": update_phone_number,
    "DescribePools": describe_pools,
    "ListTagsForResource": list_tags_for_resource,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "DescribeSpendLimits": describe_spend_limits,
    "DescribeAccountAttributes": describe_account_attributes,
}
"""The operations of `pinpoint-sms-voice-v2` that are about numbers and the account."""

_FILTERS: dict[str, Callable[[Number], str]] = {
    "status": lambda number: number.status,
    "iso-country-code": lambda number: str(number.describe()["IsoCountryCode"]),
    "message-type": lambda _: "TRANSACTIONAL",
    "number-capability": lambda number: number.capabilities[0],
    "number-type": lambda _: "LONG_CODE",
    "two-way-enabled": lambda number: str(number.two_way).lower(),
    "two-way-channel-arn": lambda number: number.channel or "",
    "self-managed-opt-outs-enabled": lambda number: str(number.self_managed_opt_outs).lower(),
    "opt-out-list-name": lambda number: number.opt_out_list,
    "deletion-protection-enabled": lambda number: str(number.deletion_protection).lower(),
}


def number_of(centre: ContactCentre, identity: str) -> Number:
    """By number, id or ARN."""
    for number in centre.numbers.values():
        if identity in (number.number, number.id, number.arn):
            return number
    raise RefusedError(
        "ResourceNotFoundException", "There is no such phone number", ResourceType="phone-number", ResourceId=identity
    )


def invalid(message: str) -> RefusedError:
    return RefusedError("ValidationException", message, Reason="INVALID_PARAMETER")


def conflict(reason: str, message: str, kind: str | None = None, identity: str | None = None) -> RefusedError:
    about = {"ResourceType": kind, "ResourceId": identity} if kind and identity else {}
    return RefusedError("ConflictException", message, Reason=reason, **about)
