"""The checks of quotas: active chats, rates, spending, the SMS sandbox, concurrency."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.config import load
from ops.doctor import quotas
from ops.doctor.findings import State
from ops.doctor.preflight import Identity, Preflight
from ops.doctor.quotas import of_chats, of_rate, of_reserved, of_spending, of_tier, of_unreserved
from ops.target import Target
from testing.account import INSTANCE_ID, Account
from testing.builders import BUSINESS_NUMBER

ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-1"
NUMBERS = f'[[numbers]]\nnumber = "{BUSINESS_NUMBER}"\narn = "{ARN}"\n'
START_CHAT = f"""
[start_chat]
instance_arn = "arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE_ID}"
contact_flow_id = "abcdef01-1234-1234-1234-123456789012"
{NUMBERS}delivery = "start-chat"
"""


@pytest.fixture
def preflight(account: Account, tmp_path: Path) -> Preflight:
    target = Target(where="stack S", outputs={}, session=boto3.session.Session(), stack="S", region="us-east-1")
    here = Preflight(target=target, config_path=tmp_path / "bridge.toml")
    here.config_path.write_text(NUMBERS)
    here.identity = Identity("111122223333", "arn:aws:iam::111122223333:root")
    here.config = load(here.config_path)
    return here


def points(*values: tuple[float, float]) -> Mapping[str, Any]:
    """CloudWatch's response, which has no order: pairs of minutes ago and value."""
    now = datetime.now(UTC)
    return {"Datapoints": [{"Timestamp": now - timedelta(minutes=ago), "Maximum": value} for ago, value in values]}


@pytest.mark.parametrize(
    ("share", "state"),
    [(None, State.CANNOT_TELL), (79, State.OK), (80, State.WARN), (99, State.WARN), (100, State.FAIL)],
)
def test_active_chats_are_measured_by_their_share_of_the_quota(share: float | None, state: State) -> None:
    assert (
        of_chats(f"arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE_ID}", share, share and 5 * share).state
        == state
    )


@pytest.mark.parametrize(("quota", "state"), [(None, State.CANNOT_TELL), (13, State.WARN), (14, State.OK)])
def test_the_bridge_calls_no_faster_than_the_quota(quota: float | None, state: State) -> None:
    assert of_rate(14, quota).state == state


@pytest.mark.parametrize(
    ("limit", "spent", "state"),
    [
        (None, None, State.CANNOT_TELL),
        (100, None, State.OK),
        (100, 79.9, State.OK),
        (100, 80, State.WARN),
        (100, 100, State.FAIL),
        (0, None, State.FAIL),
        (1, 0, State.WARN),
    ],
)
def test_what_may_be_spent_is_compared_with_what_is(limit: float | None, spent: float | None, state: State) -> None:
    assert of_spending(limit, spent).state == state


def test_an_account_in_the_sms_sandbox_is_told() -> None:
    states = [of_tier(name).state for name in ("PRODUCTION", "SANDBOX", "")]
    assert states == [State.OK, State.WARN, State.CANNOT_TELL]


def test_functions_must_have_room_to_run() -> None:
    assert [finding.about for finding in of_reserved({"a": 0, "b": None, "c": 5})] == ["a"]
    assert of_unreserved(9, needed=8) is None
    few = of_unreserved(8, needed=8)
    assert few and few.state == State.WARN


def test_active_chats_are_those_of_the_last_five_minutes_that_cloudwatch_has(
    account: Account, preflight: Preflight
) -> None:
    preflight.config_path.write_text(START_CHAT)
    preflight.config = load(preflight.config_path)
    preflight.outputs = {}
    account.always |= {"GetTemplate": {"TemplateBody": {"Resources": {}}}, "ListStackResources": {}}
    account.planned["GetMetricStatistics"] = [points((5, 81), (10, 20), (50, 99)), points((10, 7), (5, 405))]
    (finding,) = quotas.active_chats(preflight)
    assert (finding.state, finding.finding) == (State.WARN, "405 at once, 81 % of the quota")
    share, count = account.of("GetMetricStatistics")
    assert (share["MetricName"], count["MetricName"]) == ("ConcurrentActiveChatsPercentage", "ConcurrentActiveChats")
    for asked in (share, count):
        assert asked["Namespace"] == "AWS/Connect"
        dimensions = {one["Name"]: one["Value"] for one in asked["Dimensions"]}
        assert dimensions == {"InstanceId": INSTANCE_ID, "MetricGroup": "Chats"}
        assert (asked["Period"], asked["Statistics"]) == (300, ["Maximum"])
        assert asked["EndTime"] - asked["StartTime"] == timedelta(hours=1)


def test_connects_rate_is_the_quota_of_chat_integration_events(account: Account, preflight: Preflight) -> None:
    account.planned["ListServiceQuotas"] = [
        {"Quotas": [{"QuotaName": "Rate of StartChatContact API requests", "Value": 5.0}], "NextToken": "more"},
        {"Quotas": [{"QuotaName": "Rate of SendChatIntegrationEvent API requests", "Value": 13.0}]},
    ]
    (finding,) = quotas.rate(preflight)
    assert finding.state == State.WARN and "14 a second, the quota 13" in finding.finding
    assert [asked["ServiceCode"] for asked in account.of("ListServiceQuotas")] == ["connect"] * 2
    assert account.of("ListServiceQuotas")[1]["NextToken"] == "more"


def test_what_is_spent_is_this_months_last_figure(account: Account, preflight: Preflight) -> None:
    account.always["DescribeSpendLimits"] = {
        "SpendLimits": [
            {"Name": "VOICE_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 1, "MaxLimit": 1, "Overridden": False},
            {"Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 100, "MaxLimit": 200, "Overridden": True},
        ]
    }
    account.always["GetMetricStatistics"] = points((5, 79.9), (300, 12))
    (finding,) = quotas.spending(preflight)
    assert (finding.state, finding.finding) == (State.OK, "79.90 of 100 dollars this month")
    (asked,) = account.of("GetMetricStatistics")
    assert (asked["Namespace"], asked["MetricName"]) == ("AWS/SMSVoice", "TextMessageMonthlySpend")
    begin = asked["EndTime"].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert asked["StartTime"] == max(begin, asked["EndTime"] - timedelta(hours=96))


@pytest.mark.parametrize(("unreserved", "state"), [(8, State.WARN), (9, State.OK)])
def test_what_functions_may_run_at_once_is_compared_with_what_the_queues_take(
    account: Account, preflight: Preflight, unreserved: int, state: State
) -> None:
    preflight.outputs = {}
    mapping = {"Type": "AWS::Lambda::EventSourceMapping"}
    account.always |= {
        "GetTemplate": {"TemplateBody": {"Resources": {"A": mapping, "B": mapping}}},
        "ListStackResources": {"StackResourceSummaries": []},
        "GetAccountSettings": {
            "AccountLimit": {"UnreservedConcurrentExecutions": unreserved, "ConcurrentExecutions": 1000}
        },
    }
    (finding,) = quotas.concurrency(preflight)
    assert finding.state == state
