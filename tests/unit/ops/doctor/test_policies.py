"""The checks of policies, the key and roles, and the references of a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ops.doctor.findings import State
from ops.doctor.policies import of_key, of_policy, of_simulation
from ops.doctor.template import UnresolvedError, resolve


@dataclass(frozen=True)
class Piece:
    kind: str
    physical_id: str


@dataclass(frozen=True)
class Stack:
    resources: Mapping[str, Piece] = field(
        default_factory=lambda: {
            "Topic": Piece("SNS::Topic", "arn:aws:sns:us-east-1:111122223333:t"),
            "Queue": Piece("SQS::Queue", "https://sqs.us-east-1.amazonaws.com/111122223333/q.fifo"),
            "Role": Piece("IAM::Role", "S-Role-1A2B"),
        }
    )
    pseudo: Mapping[str, str] = field(
        default_factory=lambda: {
            "AWS::Partition": "aws",
            "AWS::Region": "us-east-1",
            "AWS::AccountId": "111122223333",
        }
    )


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Topic"}, "arn:aws:sns:us-east-1:111122223333:t"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:aws:sqs:us-east-1:111122223333:q.fifo"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "arn:aws:iam::111122223333:role/S-Role-1A2B"),
        ({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":x"]]}, "arn:aws:x"),
        ({"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}, "logs.us-east-1.amazonaws.com"),
        ({"A": [{"Ref": "AWS::Region"}], "B": 1}, {"A": ["us-east-1"], "B": 1}),
    ],
)
def test_the_templates_references_lead_to_what_stands(value: Any, resolved: Any) -> None:
    assert resolve(value, Stack()) == resolved


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Nothing"},
        {"Fn::GetAtt": ["Role", "RoleId"]},
        {"Fn::GetAtt": ["Nothing", "Arn"]},
        {"Fn::If": ["a", 1, 2]},
    ],
)
def test_a_reference_that_is_not_understood_is_no_policy_that_differs(value: Any) -> None:
    with pytest.raises(UnresolvedError):
        resolve(value, Stack())


def statement(**more: Any) -> dict[str, Any]:
    return {
        "Sid": "SnsTo",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:*"}},
    } | more


def policy(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def test_a_policy_that_says_the_same_in_other_words_is_as_deployed() -> None:
    deployed = statement(Principal="*")
    stands = statement(
        Principal={"AWS": "*"},
        Action=["kms:GenerateDataKey*", "KMS:Decrypt"],
        Resource=["*"],
        Sid="",
        Condition={"ArnLike": {"AWS:SourceArn": ["arn:aws:sns:us-east-1:111122223333:*"]}},
    )
    assert list(of_policy(policy(deployed), policy(stands), restore="deploy")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"},
        {"Principal": {"Service": "sqs.amazonaws.com"}},
        {"Action": ["kms:Decrypt"]},
        {"Resource": "arn:aws:kms:us-east-1:111122223333:key/k"},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-west-1:111122223333:*"}}},
        {"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:*"}}},
        {"Condition": {}},
    ],
)
def test_a_statement_that_says_anything_else_is_told_by_its_name(change: dict[str, Any]) -> None:
    (found,) = of_policy(policy(statement()), policy(statement(**change)), restore="deploy")
    assert (found.state, found.command) == (State.FAIL, "deploy")
    assert found.finding == "says otherwise than deployed: SnsTo"


def test_a_statement_that_was_taken_out_is_told_by_its_name() -> None:
    (found,) = of_policy(policy(statement()), policy(), restore="deploy")
    assert (found.state, found.finding) == (State.FAIL, "no longer says: SnsTo")


def test_an_added_statement_is_a_warning_if_it_allows_a_failure_if_it_denies() -> None:
    more = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}
    (allowed,) = of_policy(policy(), policy(more), restore="deploy")
    assert (allowed.state, allowed.finding) == (State.WARN, "allows what was not deployed: Allow sns:Publish")
    (denied,) = of_policy(policy(), policy(more | {"Effect": "Deny"}), restore="deploy")
    assert (denied.state, denied.finding) == (State.FAIL, "denies what was not deployed: Deny sns:Publish")


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "gone", "Unavailable"])
def test_a_key_must_be_enabled(state: str) -> None:
    found = of_key("k", state)
    assert found and found.state == State.FAIL and state in found.finding
    assert of_key("k", "Enabled") is None


def test_a_role_that_an_organization_holds_back_is_told_apart() -> None:
    own = {"EvalDecision": "implicitDeny"}
    above = {"EvalDecision": "explicitDeny", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
    assert of_simulation("sns:Publish", [{"EvalDecision": "allowed"}]) is None
    by_itself, by_organization = (of_simulation("sns:Publish", [one]) for one in (own, above))
    assert by_itself and "implicitDeny" in by_itself.finding
    assert by_organization and "organization" in by_organization.finding
