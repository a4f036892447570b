"""No policy of a template is overlooked; an invalid request is an error, not a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.permissions.deployment import Deployment, UnknownPolicyError
from tests.permissions.hops import hops
from tests.permissions.simulator import SimulatorError, evaluate

STATEMENT = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
DOCUMENT = {"Version": "2012-10-17", "Statement": [STATEMENT]}


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ({"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": DOCUMENT}}, "1 policy documents, 0 are"),
        (
            {
                "Type": "AWS::IAM::Role",
                "Properties": {"AssumeRolePolicyDocument": DOCUMENT, "Policies": [{"PolicyDocument": DOCUMENT}]},
            },
            "2 policy documents, 1 are",
        ),
        (
            {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": DOCUMENT,
                    "ManagedPolicyArns": ["arn:aws:iam::aws:policy/X"],
                },
            },
            "policies that are not in the template",
        ),
    ],
)
def test_a_policy_in_an_unknown_place_is_an_error(
    deployments: Mapping[str, Deployment], resource: Any, said: str
) -> None:
    with pytest.raises(UnknownPolicyError, match=said):
        Deployment.of({"Resources": {"More": resource}}, deployments["both"].config)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"action": "kms:DecryptAll"}, "invalid.action"),
        ({"resource": "arn:aws:sqs:us-east-1:111122223333:queue"}, "no.resource.types"),
        ({"context": {"kms:ViaServices": "sqs.us-east-1.amazonaws.com"}}, "knows no context key kms:ViaServices"),
    ],
)
def test_a_request_unknown_to_aws_is_an_error(deployments: Mapping[str, Deployment], change: Any, said: str) -> None:
    request = next(case.request for case in hops(deployments["both"]) if case.request.action == "kms:GenerateDataKey")
    policies = deployments["both"].policies
    assert evaluate(policies, [replace(request, identity=())])
    with pytest.raises(SimulatorError, match=said):
        evaluate(policies, [replace(request, identity=(), **change)])


def test_no_two_functions_share_a_role(deployments: Mapping[str, Deployment]) -> None:
    for deployment in deployments.values():
        assert len({deployment.role(name) for name in deployment.functions}) == len(deployment.functions)
