"""`bridge doctor` on a whole stack: all is well, and for each deviation the findings that it alone changes.

Every answer is checked against the API's model, so that no finding depends on a member that AWS does not have.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from bridge.aws.chat_sessions import KEEP_SECONDS
from sandbox.simulator.protocols import problems_of
from testing.account import (
    FLOW_ID,
    INBOUND_TOPIC,
    INSTANCE_ID,
    NUMBER,
    OTHER_BUSINESS_NUMBER,
    OUTPUTS,
    STREAMING_TOPIC,
    Account,
    refusal,
)
from testing.builders import BUSINESS_NUMBER
from testing.sound_account import ARN_TOO, CONFIG, INSTANCE, INTAKE, allow, answers, calls_of, described, subscribed


class Doctor:
    """The command in an account, with answers that a test may change."""

    def __init__(self, account: Account, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.account, self.config, self._capsys = account, config, capsys
        account.always |= answers(config)

    def rows(self) -> list[dict[str, str]]:
        """The findings, without the name of the folder."""
        self.account.command("doctor", "--json", "--stack", "SmsToConnect", "--config", str(self.config))
        shown = self._capsys.readouterr().out.replace(f"{self.config.parent}/", "")
        return [json.loads(line) for line in shown.splitlines()]


@pytest.fixture
def doctor(account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    config = tmp_path / "bridge.toml"
    config.write_text(CONFIG)
    return Doctor(account, config, capsys)


WELL: Mapping[tuple[str, str], str] = {
    ("bridge.toml", ""): "bridge.toml is sound: 2 numbers",
    ("configuration", ""): "deployed as bridge.toml says",
    ("credentials", ""): f"account {NUMBER}, us-east-1, as user/somebody",
    ("stack", ""): "SmsToConnect, UPDATE_COMPLETE",
    ("functions", ""): "active, all 3",
    ("event sources", ""): "enabled",
    ("subscriptions", ""): "there, with what cannot be handed over kept",
    ("alarms", ""): "1 are told of them",
    ("number", BUSINESS_NUMBER): "active, its texts come to this stack",
    ("number", OTHER_BUSINESS_NUMBER): "active, its texts come to this stack",
    ("topic policies", ""): "as deployed",
    ("queue policies", ""): "as deployed",
    ("key", ""): "as deployed",
    ("channel role", ""): "as deployed: End User Messaging publishes in it",
    ("function roles", ""): "as deployed, all 2",
    ("permissions", ""): "the roles may do what they are for",
    ("import", BUSINESS_NUMBER): f"in instance {INSTANCE_ID}, with flow {FLOW_ID}",
    ("instance", INSTANCE_ID): "is active",
    ("contact flow", FLOW_ID): "Texts, published",
    ("streaming topic", "streaming"): f"admits instance {INSTANCE_ID}",
    ("SendChatIntegrationEvent", ""): "Connect lets it through",
    ("active chats", INSTANCE_ID): "7 at once, 7 % of the quota",
    ("Connect's rate", ""): "17 calls a second, 14 at most for one forward function",
    ("spending limit", ""): "7.00 of 100 dollars this month",
    ("SMS account", ""): "production",
    ("concurrency", ""): "900 at once, 4 at most for the queues",
}


def test_a_stack_in_which_all_is_well_has_these_findings(doctor: Doctor) -> None:
    rows = doctor.rows()
    assert {(row["check"], row["about"]): row["finding"] for row in rows} == WELL
    assert {row["state"] for row in rows} == {"ok"}
    assert doctor.account.problems == []


def test_the_answers_of_these_tests_are_answers_of_the_apis(doctor: Doctor) -> None:
    doctor.rows()
    loader = Loader()
    problems: list[str] = []
    for request in doctor.account.requests:
        service = ServiceModel(loader.load_service_model(request.service, "service-2"), request.service)
        answer = doctor.account.always[request.operation]
        shape = service.operation_model(request.operation).output_shape
        assert shape
        found = problems_of(shape, answer(request) if callable(answer) else answer)
        problems += [one for one in found if not one.endswith(" is missing")]  # it is not read
    assert set(problems) == {f"{name} must be of type string" for name in DECODED}


DECODED = ("TemplateBody", "Role.AssumeRolePolicyDocument", "PolicyDocument")
"""botocore decodes their JSON."""


def changed(answer: Any, path: str, value: Any) -> Any:
    """The answer with another value at a path such as `Stacks/0/StackStatus`."""
    answer = copy.deepcopy(answer)
    *names, last = (int(name) if name.isdigit() else name for name in path.split("/"))
    inner = answer
    for name in names:
        inner = inner[name]
    inner[last] = value
    return answer


def gone(code: str = "ResourceNotFoundException") -> Exception:
    return refusal(code, 404)


OTHER = json.dumps(allow("x:Other"))
UNKNOWN = {"Fn::If": ["Condition", "a", "b"]}
DEVIATIONS: Mapping[str, tuple[str, str, Any]] = {
    # what is so: operation, path of what is different (empty: all of the answer), its value
    "credentials expired": ("GetCallerIdentity", "", refusal("ExpiredToken")),
    "another account": ("GetCallerIdentity", "Arn", "arn:aws:iam::444455556666:user/somebody"),
    "no stack": ("DescribeStacks", "", refusal("ValidationError")),
    "stack not described": ("DescribeStacks", "", refusal("Throttling")),
    "stack rolled back": ("DescribeStacks", "Stacks/0/StackStatus", "UPDATE_ROLLBACK_COMPLETE"),
    "another file deployed": ("DescribeStacks", "Stacks/0/Outputs/14/OutputValue", "another"),
    "subscription not understood": ("GetTemplate", "TemplateBody/Resources/Subscription/Properties/Endpoint", UNKNOWN),
    "policy not understood": ("GetTemplate", "TemplateBody/Resources/Key/Properties/KeyPolicy", UNKNOWN),
    "resources not told": ("ListStackResources", "", refusal("AccessDenied", 403)),
    "function gone": ("GetFunctionConfiguration", "", gone()),
    "function failed": ("GetFunctionConfiguration", "", {"State": "Failed", "StateReason": "no key"}),
    "event source gone": ("GetEventSourceMapping", "", gone()),
    "event source disabled": ("GetEventSourceMapping", "State", "Disabled"),
    "event source created": ("GetEventSourceMapping", "State", "Creating"),
    "event source in trouble": ("GetEventSourceMapping", "LastProcessingResult", "PROBLEM: x"),
    "not subscribed": ("ListSubscriptionsByTopic", "", subscribed(endpoint=f"{INTAKE}-2")),
    "subscription not confirmed": ("ListSubscriptionsByTopic", "", subscribed(alarms="PendingConfirmation")),
    "nobody told of alarms": ("ListSubscriptionsByTopic", "", subscribed(alarms="")),
    "somebody else listens": (
        *("ListSubscriptionsByTopic", ""),
        subscribed({"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "a@example.com"}),
    ),
    "no redrive policy": ("GetSubscriptionAttributes", "Attributes", {}),
    "a filter policy": ("GetSubscriptionAttributes", "Attributes/FilterPolicy", '{"Type": ["EVENT"]}'),
    "raw messages": ("GetSubscriptionAttributes", "Attributes/RawMessageDelivery", "true"),
    "function without policy": ("GetPolicy", "", gone()),
    "another service calls": ("GetPolicy", "Policy", calls_of("s3.amazonaws.com", INBOUND_TOPIC)),
    "another topic calls": ("GetPolicy", "Policy", calls_of("sns.amazonaws.com", STREAMING_TOPIC)),
    "number gone": ("DescribePhoneNumbers", "PhoneNumbers", [described(OTHER_BUSINESS_NUMBER, ARN_TOO)]),
    "two-way off": ("DescribePhoneNumbers", "PhoneNumbers/0/TwoWayEnabled", False),
    "in a pool": ("DescribePhoneNumbers", "PhoneNumbers/0/PoolId", "pool-1"),
    "topic gone": ("GetTopicAttributes", "", gone("NotFound")),
    "topic policy changed": ("GetTopicAttributes", "Attributes/Policy", OTHER),
    "topic without policy": ("GetTopicAttributes", "Attributes", {}),
    "queue gone": ("GetQueueAttributes", "", gone("QueueDoesNotExist")),
    "queue without policy": ("GetQueueAttributes", "Attributes", {}),
    "queue policy changed": ("GetQueueAttributes", "Attributes/Policy", OTHER),
    "key gone": ("DescribeKey", "", gone("NotFoundException")),
    "key disabled": ("DescribeKey", "KeyMetadata/KeyState", "Disabled"),
    "key pending deletion": ("DescribeKey", "KeyMetadata/KeyState", "PendingDeletion"),
    "key policy changed": ("GetKeyPolicy", "Policy", OTHER),
    "role gone": ("GetRole", "", gone("NoSuchEntity")),
    "trust changed": ("GetRole", "Role/AssumeRolePolicyDocument", allow("sts:AssumeRole")),
    "role policy gone": ("GetRolePolicy", "", gone("NoSuchEntity")),
    "role policy changed": ("GetRolePolicy", "PolicyDocument", allow("x:Other", sid="Does")),
    "not permitted": ("SimulatePrincipalPolicy", "EvaluationResults/0/EvalDecision", "implicitDeny"),
    "not permitted by the organization": (
        *("SimulatePrincipalPolicy", "EvaluationResults/0"),
        {"EvalDecision": "explicitDeny", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
    ),
    "not imported": ("ListPhoneNumbersV2", "ListPhoneNumbersSummaryList", []),
    "import failed": (
        *("DescribePhoneNumber", "ClaimedPhoneNumberSummary/PhoneNumberStatus"),
        {"Status": "FAILED", "Message": "no such number"},
    ),
    "being imported": ("DescribePhoneNumber", "ClaimedPhoneNumberSummary/PhoneNumberStatus/Status", "IN_PROGRESS"),
    "no flow": ("GetFlowAssociation", "", gone()),
    "instance gone": ("DescribeInstance", "", gone()),
    "instance failed": (
        *("DescribeInstance", "Instance"),
        {"InstanceStatus": "CREATION_FAILED", "StatusReason": {"Message": "no room"}},
    ),
    "flow gone": ("DescribeContactFlow", "", gone()),
    "flow never published": ("DescribeContactFlow", "", refusal("ContactFlowNotPublishedException", 404)),
    "flow of another type": ("DescribeContactFlow", "ContactFlow/Type", "AGENT_HOLD"),
    "flow archived": ("DescribeContactFlow", "ContactFlow/State", "ARCHIVED"),
    "no access": ("SendChatIntegrationEvent", "", refusal("AccessDeniedException", 403)),
    "a chat opened": ("SendChatIntegrationEvent", "NewChatCreated", True),
    "nothing measured": ("GetMetricStatistics", "Datapoints", []),
    "nearly full": ("GetMetricStatistics", "Datapoints/0/Maximum", 80.0),
    "full": ("GetMetricStatistics", "Datapoints/0/Maximum", 100.0),
    "no rate named": ("ListServiceQuotas", "Quotas", []),
    "low rate": ("ListServiceQuotas", "Quotas/0/Value", 13.0),
    "no limit of texts": ("DescribeSpendLimits", "SpendLimits", []),
    "SMS sandbox": ("DescribeAccountAttributes", "AccountAttributes/0/Value", "SANDBOX"),
    "no room for functions": ("GetAccountSettings", "AccountLimit/UnreservedConcurrentExecutions", 4),
    "nothing reserved": ("GetFunctionConcurrency", "", {"ReservedConcurrentExecutions": 0}),
}


def test_each_deviation_has_these_findings_and_no_others(doctor: Doctor, snapshot: SnapshotAssertion) -> None:
    well, found = doctor.rows(), {}
    doctor.account.always["DescribePools"] = {"Pools": [{"PoolId": "pool-1", "TwoWayEnabled": False}]}
    for name, (operation, path, value) in DEVIATIONS.items():
        sound = doctor.account.always[operation]
        doctor.account.always[operation] = changed(sound, path, value) if path else value
        found[name] = [row for row in doctor.rows() if row not in well and row["state"] != "left out"]
        doctor.account.always[operation] = sound
    assert found == snapshot(extension_class=JSONSnapshotExtension)
    assert all(found.values())


def test_open_chats_of_an_instance_that_the_file_no_longer_names_are_counted(doctor: Doctor) -> None:
    _, first, _ = CONFIG.split("[[numbers]]")
    doctor.config.write_text(f"[[numbers]]{first}")
    doctor.account.always["Scan"] = {"Count": 3}
    (row,) = (row for row in doctor.rows() if row["check"] == "open chats")
    assert (row["state"], row["finding"].partition(",")[0]) == ("fail", "3 that the bridge started are open")
    assert f'instance_arn = "{INSTANCE}"' in row["remedy"]
    (scan,) = doctor.account.of("Scan")
    over = int(scan["ExpressionAttributeValues"][":youngest_over"]["N"])
    assert over == pytest.approx(time.time() + KEEP_SECONDS - 7 * 24 * 3600, abs=60), "no chat lasts a week"
    assert (scan["TableName"], scan["Select"]) == (OUTPUTS["ChatsTableName"], "COUNT")
    assert doctor.account.problems == []
