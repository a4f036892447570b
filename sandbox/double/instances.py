"""Amazon Connect's instances: their flows, and the numbers that were imported into them.

Where AWS publishes no word on a behaviour, the line is marked (?): the bridge must be right either way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from sandbox.double.model import RefusedError

if TYPE_CHECKING:
    from sandbox.double.connect import ContactCentre

Request = dict[str, Any]
REGION, ACCOUNT = "us-east-1", "111122223333"


class Flow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    name: str = "Texts"
    type: Literal["CONTACT_FLOW", "CUSTOMER_QUEUE", "CUSTOMER_HOLD", "AGENT_WHISPER", "QUEUE_TRANSFER"] = "CONTACT_FLOW"
    state: Literal["ACTIVE", "ARCHIVED"] = "ACTIVE"
    status: Literal["PUBLISHED", "SAVED"] = "PUBLISHED"


class Imported(BaseModel):
    """A number of End User Messaging, by its ARN there, with the flow that its chats start with."""

    model_config = ConfigDict(extra="forbid")

    arn: str
    flow: str | None = None
    status: Literal["CLAIMED", "IN_PROGRESS", "FAILED"] = "CLAIMED"

    @property
    def id(self) -> str:
        """Connect gives it an id of its own."""
        digits = hashlib.sha256(self.arn.encode()).hexdigest()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


class Instance(BaseModel):
    """As POST /_double/instances takes it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    status: Literal["CREATION_IN_PROGRESS", "ACTIVE", "CREATION_FAILED"] = "ACTIVE"
    flows: list[Flow] = []
    numbers: list[Imported] = []

    @property
    def arn(self) -> str:
        return f"arn:aws:connect:{REGION}:{ACCOUNT}:instance/{self.id}"

    def flow(self, flow_id: str) -> Flow | None:
        """By its id or its ARN."""
        return next((flow for flow in self.flows if flow.id == flow_id.rpartition("/")[2]), None)


def describe_instance(centre: ContactCentre, request: Request) -> dict[str, Any]:
    instance = _instance(centre, request)
    centre.note("DescribeInstance")
    return {
        "Instance": {
            "Id": instance.id,
            "Arn": instance.arn,
            "IdentityManagementType": "CONNECT_MANAGED",
            "InstanceStatus": instance.status,
            "InboundCallsEnabled": True,
            "OutboundCallsEnabled": True,
        }
    }


def describe_contact_flow(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """(?) A flow that was never published is refused by the modelled error, of which the reference says no more."""
    instance = _instance(centre, request)
    flow = instance.flow(request["ContactFlowId"])
    if flow is None:
        raise _unknown("contact flow")
    if flow.status != "PUBLISHED":
        raise RefusedError("ContactFlowNotPublishedException", "The flow has not been published.")
    centre.note("DescribeContactFlow")
    return {
        "ContactFlow": {
            "Arn": f"{instance.arn}/contact-flow/{flow.id}",
            "Id": flow.id,
            "Name": flow.name,
            "Type": flow.type,
            "State": flow.state,
            "Status": flow.status,
        }
    }


def list_phone_numbers(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """Of all instances, unless one is named."""
    if "InstanceId" in request and "TargetArn" in request:
        raise RefusedError("InvalidParameterException", "InstanceId or TargetArn, not both")
    wanted = request.get("InstanceId") or request.get("TargetArn")
    found = [
        (instance, number)
        for instance in centre.instances.values()
        if wanted in (None, instance.id, instance.arn)
        for number in instance.numbers
    ]
    start = int(request.get("NextToken", "0"))
    end = start + request.get("MaxResults", 1000)
    centre.note("ListPhoneNumbersV2")
    page = [_summary(centre, instance, number) for instance, number in found[start:end]]
    return {"ListPhoneNumbersSummaryList": page} | ({"NextToken": str(end)} if end < len(found) else {})


def describe_phone_number(centre: ContactCentre, request: Request) -> dict[str, Any]:
    for instance in centre.instances.values():
        for number in instance.numbers:
            if request["PhoneNumberId"].rpartition("/")[2] == number.id:
                centre.note("DescribePhoneNumber")
                status = {"PhoneNumberStatus": {"Status": number.status}}
                return {"ClaimedPhoneNumberSummary": _summary(centre, instance, number) | status}
    raise _unknown("phone number")


def get_flow_association(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """Of a number by its ARN in End User Messaging; (?) one that has no flow is not found."""
    instance = _instance(centre, request)
    number = next((one for one in instance.numbers if one.arn == request["ResourceId"]), None)
    if request["ResourceType"] != "SMS_PHONE_NUMBER" or number is None or number.flow is None:
        raise _unknown("flow association")
    centre.note("GetFlowAssociation")
    return {
        "ResourceId": number.arn,
        "FlowId": f"{instance.arn}/contact-flow/{number.flow}",
        "ResourceType": "SMS_PHONE_NUMBER",
    }


HANDLERS: dict[str, Callable[[ContactCentre, Request], dict[str, Any]]] = {
    "DescribeInstance": describe_instance,
    "DescribeContactFlow": describe_contact_flow,
    "ListPhoneNumbersV2": list_phone_numbers,
    "DescribePhoneNumber": describe_phone_number,
    "GetFlowAssociation": get_flow_association,
}
"""The operations of `connect` that are about instances."""


def _instance(centre: ContactCentre, request: Request) -> Instance:
    """By its id or its ARN."""
    found = centre.instances.get(request["InstanceId"].rpartition("/")[2])
    if found is None:
        raise _unknown("instance")
    return found


def _summary(centre: ContactCentre, instance: Instance, number: Imported) -> dict[str, Any]:
    known = centre.numbers.get(number.arn)
    return {
        "PhoneNumberId": number.id,
        "PhoneNumberArn": f"arn:aws:connect:{REGION}:{ACCOUNT}:phone-number/{number.id}",
        "PhoneNumber": known.number if known else None,
        "PhoneNumberCountryCode": "US",
        "PhoneNumberType": "THIRD_PARTY_DID",
        "TargetArn": instance.arn,
        "InstanceId": instance.id,
        "SourcePhoneNumberArn": number.arn,
    }


def _unknown(what: str) -> RefusedError:
    return RefusedError("ResourceNotFoundException", f"There is no such {what}")
