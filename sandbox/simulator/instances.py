"""Operations of `connect` on instances, their flows and imported numbers, and the quotas of `service-quotas`.

(?) marks a behaviour that AWS does not document. The bridge must work whichever way AWS behaves.
"""

from __future__ import annotations

from typing import Any

from sandbox.simulator.contact_centre import ContactCentre, Request, Response
from sandbox.simulator.protocols import RefusedError
from sandbox.simulator.resources import ACCOUNT, REGION, ImportedNumber, Instance


def describe_instance(centre: ContactCentre, request: Request) -> Response:
    instance = _instance(centre, request)
    centre.record("DescribeInstance")
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


def describe_contact_flow(centre: ContactCentre, request: Request) -> Response:
    """(?) A flow that was never published: the API model has this error, and AWS documents no more about it."""
    instance = _instance(centre, request)
    flow = instance.flow(request["ContactFlowId"])
    if flow is None:
        raise _not_found("contact flow")
    if flow.status != "PUBLISHED":
        raise RefusedError("ContactFlowNotPublishedException", "The flow has not been published.")
    centre.record("DescribeContactFlow")
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


def list_phone_numbers_v2(centre: ContactCentre, request: Request) -> Response:
    """The numbers of one instance, else of all instances."""
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
    centre.record("ListPhoneNumbersV2")
    page = [_summary(centre, instance, number) for instance, number in found[start:end]]
    return {"ListPhoneNumbersSummaryList": page} | ({"NextToken": str(end)} if end < len(found) else {})


def describe_phone_number(centre: ContactCentre, request: Request) -> Response:
    for instance in centre.instances.values():
        for number in instance.numbers:
            if request["PhoneNumberId"].rpartition("/")[2] == number.id:
                centre.record("DescribePhoneNumber")
                status = {"PhoneNumberStatus": {"Status": number.status}}
                return {"ClaimedPhoneNumberSummary": _summary(centre, instance, number) | status}
    raise _not_found("phone number")


def get_flow_association(centre: ContactCentre, request: Request) -> Response:
    """The flow of a number, which ResourceId names by its ARN in End User Messaging. (?) Without a flow: not found."""
    instance = _instance(centre, request)
    number = next((one for one in instance.numbers if one.arn == request["ResourceId"]), None)
    if request["ResourceType"] != "SMS_PHONE_NUMBER" or number is None or number.flow is None:
        raise _not_found("flow association")
    centre.record("GetFlowAssociation")
    return {
        "ResourceId": number.arn,
        "FlowId": f"{instance.arn}/contact-flow/{number.flow}",
        "ResourceType": "SMS_PHONE_NUMBER",
    }


def list_service_quotas(centre: ContactCentre, request: Request) -> Response:
    """Of `service-quotas`. (?) The name of the rate follows the names of other rates; its code is invented."""
    if request["ServiceCode"] != "connect":
        raise RefusedError("NoSuchResourceException", "There is no such service")
    centre.record("ListServiceQuotas")
    return {
        "Quotas": [
            {"QuotaName": name, "QuotaCode": code, "ServiceCode": "connect", "Value": float(value)}
            for name, code, value in (
                ("Concurrent active chats per instance", "L-D4BA6F6E", centre.settings.chat_limit),
                ("Rate of SendChatIntegrationEvent API requests", "L-00000001", centre.settings.rate),
            )
        ]
    }


def _instance(centre: ContactCentre, request: Request) -> Instance:
    """The instance with this id or ARN. Raises RefusedError."""
    found = centre.instances.get(request["InstanceId"].rpartition("/")[2])
    if found is None:
        raise _not_found("instance")
    return found


def _summary(centre: ContactCentre, instance: Instance, number: ImportedNumber) -> dict[str, Any]:
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


def _not_found(kind: str) -> RefusedError:
    return RefusedError("ResourceNotFoundException", f"There is no such {kind}")
