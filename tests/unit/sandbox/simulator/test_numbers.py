"""Business numbers, pools and the account."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from testing.simulator import ARN, BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER, TOPIC, SimulatorHarness, refusal


def test_numbers_are_described_by_id_and_by_channel_and_updated(simulator: SimulatorHarness) -> None:
    role = "arn:aws:iam::111122223333:role/two-way"
    phone_id = ARN.rpartition("/")[2]
    updated = simulator.sms.update_phone_number(
        PhoneNumberId=phone_id, TwoWayEnabled=True, TwoWayChannelArn=TOPIC, TwoWayChannelRole=role
    )
    assert (updated["PhoneNumber"], updated["TwoWayChannelArn"]) == (BUSINESS_NUMBER, TOPIC)
    (found,) = simulator.sms.describe_phone_numbers(Filters=[{"Name": "two-way-channel-arn", "Values": [TOPIC]}])[
        "PhoneNumbers"
    ]
    assert (found["PhoneNumberId"], found["TwoWayChannelRole"]) == (phone_id, role)
    simulator.control("POST", "numbers", json=[{"number": BUSINESS_NUMBER, "arn": ARN}])
    (found,) = simulator.sms.describe_phone_numbers(PhoneNumberIds=[phone_id])["PhoneNumbers"]
    assert found["TwoWayEnabled"] is True
    off = simulator.sms.update_phone_number(PhoneNumberId=phone_id, TwoWayEnabled=False)
    assert "TwoWayChannelArn" not in off


def test_numbers_are_described_a_page_at_a_time(simulator: SimulatorHarness) -> None:
    first = simulator.sms.describe_phone_numbers(MaxResults=1)
    rest = simulator.sms.describe_phone_numbers(MaxResults=1, NextToken=first["NextToken"])
    assert [page["PhoneNumbers"][0]["PhoneNumber"] for page in (first, rest)] == [
        BUSINESS_NUMBER,
        OTHER_BUSINESS_NUMBER,
    ]
    assert "NextToken" not in rest
    assert refusal(simulator.sms.describe_phone_numbers, NextToken="x") == "ValidationException INVALID_NEXT_TOKEN"


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        ({"TwoWayEnabled": True}, "ValidationException TWO_WAY_CHANNEL_NOT_PRESENT"),
        ({"TwoWayEnabled": True, "TwoWayChannelArn": f"{TOPIC}.fifo"}, "ValidationException INVALID_ARN"),
        ({"PhoneNumberId": "phone-unknown"}, "ResourceNotFoundException"),
        ({"PhoneNumberId": f"{ARN}3", "TwoWayEnabled": False}, "ConflictException PHONE_NUMBER_ASSOCIATED_TO_POOL"),
        ({"PhoneNumberId": f"{ARN}4", "TwoWayEnabled": False}, "ConflictException RESOURCE_NOT_ACTIVE"),
        (
            {"PhoneNumberId": f"{ARN}5", "TwoWayEnabled": True, "TwoWayChannelArn": TOPIC},
            "ValidationException TWO_WAY_NOT_SUPPORTED_IN_COUNTRY",
        ),
    ],
    ids=str,
)
def test_an_update_that_a_number_does_not_allow_is_refused(
    simulator: SimulatorHarness, request_: dict[str, Any], refused: str
) -> None:
    pooled = {"number": "+12125550103", "arn": f"{ARN}3", "pool": "pool-1"}
    pending = {"number": "+12125550104", "arn": f"{ARN}4", "status": "PENDING"}
    one_way = {"number": "+12125550105", "arn": f"{ARN}5", "two_way_possible": False}
    simulator.control("POST", "numbers", json=[{"number": BUSINESS_NUMBER, "arn": ARN}, pooled, pending, one_way])
    assert refusal(simulator.sms.update_phone_number, **{"PhoneNumberId": ARN, **request_}) == refused


def test_fields_that_are_not_given_for_a_known_number_stay(simulator: SimulatorHarness) -> None:
    simulator.sms.update_phone_number(PhoneNumberId=ARN, TwoWayEnabled=True, TwoWayChannelArn=TOPIC)
    simulator.control("POST", "numbers", json=[{"number": BUSINESS_NUMBER, "arn": ARN, "status": "PENDING"}])
    (found,) = simulator.sms.describe_phone_numbers(PhoneNumberIds=[ARN])["PhoneNumbers"]
    assert (found["Status"], found["TwoWayChannelArn"]) == ("PENDING", TOPIC)


def test_a_role_that_is_not_named_stays_until_two_way_is_off(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"rates": {"*": [100, 100]}})
    role = "arn:aws:iam::111122223333:role/two-way"
    on = {"PhoneNumberId": ARN, "TwoWayEnabled": True, "TwoWayChannelArn": TOPIC}
    simulator.sms.update_phone_number(**on, TwoWayChannelRole=role)
    assert simulator.sms.update_phone_number(**on)["TwoWayChannelRole"] == role
    simulator.sms.update_phone_number(PhoneNumberId=ARN, TwoWayEnabled=False)
    assert "TwoWayChannelRole" not in simulator.sms.update_phone_number(**on)


def test_tags_of_numbers_follow_the_rules_of_aws(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"rates": {"*": [100, 100]}})
    tag = functools.partial(simulator.sms.tag_resource, ResourceArn=ARN)
    tag(Tags=[{"Key": "a", "Value": "arn:aws:sns:us-east-1:111122223333:topic"}, {"Key": "b", "Value": ""}])
    tag(Tags=[{"Key": "b", "Value": "=2C @"}])
    simulator.sms.untag_resource(ResourceArn=ARN, TagKeys=["a", "never"])
    assert simulator.sms.list_tags_for_resource(ResourceArn=ARN)["Tags"] == [{"Key": "b", "Value": "=2C @"}]
    assert refusal(tag, Tags=[{"Key": "c", "Value": "a,b"}]) == "ValidationException INVALID_PARAMETER"
    assert refusal(tag, Tags=[{"Key": "aws:c", "Value": ""}]) == "ValidationException INVALID_PARAMETER"
    too_many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
    assert refusal(tag, Tags=too_many) == "ServiceQuotaExceededException TAGS_PER_RESOURCE"


def test_a_pool_has_two_way_settings_of_its_own(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "pools", json=[{"id": "pool-1", "two_way": True, "channel": TOPIC}])
    (pool,) = simulator.sms.describe_pools(PoolIds=["pool-1"])["Pools"]
    assert (pool["TwoWayEnabled"], pool["TwoWayChannelArn"]) == (True, TOPIC)
    simulator.clock.now += 1
    assert refusal(simulator.sms.describe_pools, PoolIds=["pool-2"]) == "ResourceNotFoundException"


def test_the_account_has_a_tier_and_a_spending_limit(simulator: SimulatorHarness) -> None:
    simulator.control("POST", "settings", json={"spend_limit": 1, "account_tier": "SANDBOX"})
    (limit,) = simulator.sms.describe_spend_limits()["SpendLimits"]
    assert (limit["EnforcedLimit"], limit["MaxLimit"], limit["Overridden"]) == (1, 100, True)
    (tier,) = simulator.sms.describe_account_attributes()["AccountAttributes"]
    assert tier == {"Name": "ACCOUNT_TIER", "Value": "SANDBOX"}
