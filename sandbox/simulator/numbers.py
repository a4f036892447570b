"""Operations of `pinpoint-sms-voice-v2` on business numbers, pools and the account.

(?) marks a behaviour that AWS does not document. The bridge must work whichever way AWS behaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import regex

from sandbox.simulator.contact_centre import ContactCentre, Request, Response
from sandbox.simulator.protocols import RefusedError
from sandbox.simulator.resources import Number

CHANNEL = regex.compile(r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+|connect\.[a-z0-9-]+\.amazonaws\.com")
TAG = regex.compile(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*")
"""The characters of a tag's key or value."""
TAGS = 50


def describe_phone_numbers(centre: ContactCentre, request: Request) -> Response:
    """Finds numbers by PhoneNumberIds and Filters. The API has no filter for the number itself."""
    found = list(centre.numbers.values())
    if ids := request.get("PhoneNumberIds"):
        found = [number_of(centre, one) for one in ids]
    for wanted in request.get("Filters", ()):
        key = _FILTERS.get(wanted["Name"])
        if key is None:
            raise invalid(f"no filter {wanted['Name']}", "INVALID_FILTER_VALUES")
        found = [number for number in found if key(number) in wanted["Values"]]
    try:
        start = int(request.get("NextToken", "0"))
    except ValueError as exc:
        raise invalid("NextToken is not valid", "INVALID_NEXT_TOKEN") from exc
    end = start + request.get("MaxResults", 100)
    answer: dict[str, Any] = {"PhoneNumbers": [number.describe() for number in found[start:end]]}
    centre.record("DescribePhoneNumbers")
    return answer | ({"NextToken": str(end)} if end < len(found) else {})


def update_phone_number(centre: ContactCentre, request: Request) -> Response:
    number = number_of(centre, request["PhoneNumberId"])
    if number.pool:
        raise conflict("PHONE_NUMBER_ASSOCIATED_TO_POOL", "The pool has these settings", "phone-number", number.id)
    if number.status != "ACTIVE":  # (?)
        raise conflict("RESOURCE_NOT_ACTIVE", "The phone number is not active", "phone-number", number.id)
    two_way = request.get("TwoWayEnabled", number.two_way)
    if two_way and not number.two_way_possible:
        raise invalid("Not in this country", "TWO_WAY_NOT_SUPPORTED_IN_COUNTRY")
    channel = request.get("TwoWayChannelArn", number.channel) if two_way else None
    if two_way and not channel:
        raise invalid("TwoWayChannelArn is missing", "TWO_WAY_CHANNEL_NOT_PRESENT")
    if channel and not CHANNEL.fullmatch(channel):
        raise invalid("TwoWayChannelArn is no standard topic", "INVALID_ARN")
    number.two_way, number.channel = two_way, channel
    # (?) A request without TwoWayChannelRole keeps the role while two-way is on.
    number.role = request.get("TwoWayChannelRole", number.role) if two_way else None
    number.self_managed_opt_outs = request.get("SelfManagedOptOutsEnabled", number.self_managed_opt_outs)
    number.opt_out_list = request.get("OptOutListName", number.opt_out_list).rpartition("/")[2]
    number.deletion_protection = request.get("DeletionProtectionEnabled", number.deletion_protection)
    centre.record("UpdatePhoneNumber", source=number.number)
    return {name: value for name, value in number.describe().items() if name != "PoolId"}


def describe_pools(centre: ContactCentre, request: Request) -> Response:
    wanted = request.get("PoolIds") or list(centre.pools)
    for one in wanted:
        if one not in centre.pools:
            raise not_found("pool", one)
    centre.record("DescribePools")
    return {"Pools": [centre.pools[one].describe() for one in wanted]}


def list_tags_for_resource(centre: ContactCentre, request: Request) -> Response:
    number = number_of(centre, request["ResourceArn"])
    centre.record("ListTagsForResource", source=number.number)
    return {"ResourceArn": number.arn, "Tags": [{"Key": key, "Value": value} for key, value in number.tags.items()]}


def tag_resource(centre: ContactCentre, request: Request) -> Response:
    number, tags = number_of(centre, request["ResourceArn"]), {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    for text in (*tags, *tags.values()):
        if not TAG.fullmatch(text) or text.startswith("aws:"):
            raise invalid(f"{text} cannot be in a tag")
    if len(number.tags | tags) > TAGS:
        raise RefusedError("ServiceQuotaExceededException", "Too many tags", Reason="TAGS_PER_RESOURCE")
    number.tags |= tags
    centre.record("TagResource", source=number.number)
    return {}


def untag_resource(centre: ContactCentre, request: Request) -> Response:
    number = number_of(centre, request["ResourceArn"])
    number.tags = {key: value for key, value in number.tags.items() if key not in request["TagKeys"]}
    centre.record("UntagResource", source=number.number)
    return {}


def describe_spend_limits(centre: ContactCentre, _: Request) -> Response:
    limit = centre.settings.spend_limit
    centre.record("DescribeSpendLimits")
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


def describe_account_attributes(centre: ContactCentre, _: Request) -> Response:
    centre.record("DescribeAccountAttributes")
    return {"AccountAttributes": [{"Name": "ACCOUNT_TIER", "Value": centre.settings.account_tier}]}


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
    """The business number with this number, id or ARN. Raises RefusedError."""
    for number in centre.numbers.values():
        if identity in (number.number, number.id, number.arn):
            return number
    raise not_found("phone-number", identity)


def not_found(kind: str, identity: str) -> RefusedError:
    return RefusedError(
        "ResourceNotFoundException",
        f"There is no such {kind.replace('-', ' ')}",
        ResourceType=kind,
        ResourceId=identity,
    )


def invalid(message: str, reason: str = "INVALID_PARAMETER") -> RefusedError:
    return RefusedError("ValidationException", message, Reason=reason)


def conflict(reason: str, message: str, kind: str | None = None, identity: str | None = None) -> RefusedError:
    about = {"ResourceType": kind, "ResourceId": identity} if kind and identity else {}
    return RefusedError("ConflictException", message, Reason=reason, **about)
