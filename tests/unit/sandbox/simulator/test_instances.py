"""Instances of Connect, their flows and imported numbers."""

from __future__ import annotations

import functools
from typing import Any

from testing.simulator import ARN, ARN_TOO, CUSTOMER, FLOW, INSTANCE, SimulatorHarness, refusal

FLOW_ID = FLOW.rpartition("/")[2]


def with_instance(simulator: SimulatorHarness, **more: Any) -> dict[str, Any]:
    instance = {"id": INSTANCE, "flows": [{"id": FLOW_ID}], "numbers": [{"arn": ARN, "flow": FLOW_ID}]} | more
    simulator.control("POST", "instances", json=[instance])
    return instance


def test_an_instance_and_its_flows_are_described(simulator: SimulatorHarness) -> None:
    with_instance(simulator, flows=[{"id": FLOW_ID}, {"id": "saved", "status": "SAVED"}])
    assert simulator.connect.describe_instance(InstanceId=INSTANCE)["Instance"]["InstanceStatus"] == "ACTIVE"
    flow = simulator.connect.describe_contact_flow(InstanceId=INSTANCE, ContactFlowId=FLOW_ID)["ContactFlow"]
    assert (flow["Type"], flow["State"], flow["Status"]) == ("CONTACT_FLOW", "ACTIVE", "PUBLISHED")
    describe = functools.partial(simulator.connect.describe_contact_flow, InstanceId=INSTANCE)
    assert refusal(describe, ContactFlowId="saved") == "ContactFlowNotPublishedException"
    assert refusal(describe, ContactFlowId="nothing") == "ResourceNotFoundException"
    assert refusal(simulator.connect.describe_instance, InstanceId="nothing") == "ResourceNotFoundException"


def test_imported_numbers_are_listed_with_their_source_arn_and_flow(simulator: SimulatorHarness) -> None:
    with_instance(simulator, numbers=[{"arn": ARN, "flow": FLOW_ID}, {"arn": ARN_TOO, "status": "IN_PROGRESS"}])
    first = simulator.connect.list_phone_numbers_v2(MaxResults=1)
    rest = simulator.connect.list_phone_numbers_v2(MaxResults=1, NextToken=first["NextToken"])
    (one,), (two,) = first["ListPhoneNumbersSummaryList"], rest["ListPhoneNumbersSummaryList"]
    assert (one["SourcePhoneNumberArn"], one["InstanceId"]) == (ARN, INSTANCE)
    status = simulator.connect.describe_phone_number(PhoneNumberId=two["PhoneNumberId"])["ClaimedPhoneNumberSummary"]
    assert status["PhoneNumberStatus"]["Status"] == "IN_PROGRESS"
    flow_of = functools.partial(
        simulator.connect.get_flow_association, InstanceId=INSTANCE, ResourceType="SMS_PHONE_NUMBER"
    )
    assert flow_of(ResourceId=ARN)["FlowId"].endswith(FLOW_ID)
    assert refusal(flow_of, ResourceId=ARN_TOO) == "ResourceNotFoundException"


def test_a_number_not_imported_and_an_unknown_flow_get_no_chats(simulator: SimulatorHarness) -> None:
    with_instance(simulator, numbers=[])
    event = {"Type": "MESSAGE", "ContentType": "text/plain", "Content": "hello"}
    send = functools.partial(
        simulator.connect.send_chat_integration_event, SourceId=CUSTOMER, Subtype="connect:sms", Event=event
    )
    assert refusal(send, DestinationId=ARN) == "ResourceNotFoundException"
    with_instance(simulator, flows=[])
    send(DestinationId=ARN)
    assert refusal(simulator.start) == "ResourceNotFoundException"
