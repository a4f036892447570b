"""Checks of every synthesised stack: cdk-nag's rules, the stack's timeouts, and SNS's limits of filter policies.

They are plugins of the CDK's validation: with any finding, also a warning, `cdk synth` and `cdk deploy` fail.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import (
    Acknowledgment,
    App,
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
    Validations,
)
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from bridge.config import CONNECT_TIMEOUT, STORE_TIMEOUT
from bridge.processing.retry import max_receives
from infra.config import Limits

MAX_FILTER_KEYS = 5
MAX_FILTER_COMBINATIONS = 150
"""The limits of a filter policy."""
_OR = "$or"


def attach(app: App, *, limits: Limits) -> None:
    """Run the checks with every synth of the app."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), StackChecks(limits))


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept a finding of cdk-nag on the construct that has it."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the resource of a logical id."""

    rule: str
    resource: str
    description: str


def findings(template: Mapping[str, Any], *, limits: Limits) -> Iterator[Finding]:
    """Timeouts that do not fit together, and filter policies that SNS refuses.

    infra.config checks the timeouts of bridge.toml in the same way; this checks those of the template.
    """
    resources = template["Resources"]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::SNS::Subscription":
            yield from _filter_policy(name, resource["Properties"].get("FilterPolicy", {}))
    for mapping in (r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping"):
        queue_id, function_id = mapping["EventSourceArn"]["Fn::GetAtt"][0], mapping["FunctionName"]["Ref"]
        yield from _timeouts(resources, queue_id, function_id, limits)


def _timeouts(resources: Mapping[str, Any], queue_id: str, function_id: str, limits: Limits) -> Iterator[Finding]:
    queue = resources[queue_id]["Properties"]
    timeout = resources[function_id]["Properties"]["Timeout"]
    receives = queue["RedrivePolicy"]["maxReceiveCount"]
    possible = max_receives(
        retry_first=limits.retry_first,
        retry_longest=limits.retry_longest,
        blocked_retry=limits.blocked_retry,
        give_up_after=limits.give_up_after,
    )
    if receives <= 2 * possible:
        yield Finding(
            "Receives",
            queue_id,
            f"SQS would give up a text after {receives} receives, the bridge itself may need {possible}: "
            "leave more than twice as many",
        )
    if queue["VisibilityTimeout"] < 6 * timeout:
        yield Finding(
            "Visibility",
            queue_id,
            f"visible again after {queue['VisibilityTimeout']} s, less than 6 times the function's time-out of "
            f"{timeout} s",
        )
    call = CONNECT_TIMEOUT + limits.call_timeout + STORE_TIMEOUT
    if limits.batch_deadline + call >= timeout:
        yield Finding(
            "Deadline",
            function_id,
            f"times out after {timeout} s, when a call and its note in the ledger ({call:g} s), begun just before the "
            f"batch deadline of {limits.batch_deadline:g} s, may be under way",
        )


# --- filter policies --------------------------------------------------------------------------------------
#
# Source: "Filter policy constraints" and "AND/OR logic" in the Amazon SNS developer guide. They do not say how `$or`
# counts. People reported refusals of policies with few keys that occurred many times. Where the documents allow two
# readings, the one that counts more is used.


def _filter_policy(subscription: str, policy: Mapping[str, Any]) -> Iterator[Finding]:
    """SNS refuses a policy that is too large, and the deployment fails."""
    subject, keys, combinations = f"the filter policy of {subscription}", _keys(policy), _combinations(policy)
    if keys > MAX_FILTER_KEYS:
        problem = f"has {keys} keys, counted in each branch of $or: SNS takes {MAX_FILTER_KEYS}"
        yield Finding("FilterKeys", subscription, f"{subject} {problem}")
    if combinations > MAX_FILTER_COMBINATIONS:
        problem = f"has {combinations} combinations of values: SNS takes {MAX_FILTER_COMBINATIONS}"
        yield Finding("FilterCombinations", subscription, f"{subject} {problem}")
    if _OR in policy and not _is_or(_OR, policy[_OR]):
        problem = "lets nothing through: of fewer than two objects, $or is the name of an attribute"
        yield Finding("FilterOr", subscription, f"{subject} {problem}")


def _keys(policy: Mapping[str, Any]) -> int:
    """Keys with values: each occurrence in each branch of `$or`; of nested keys the innermost."""
    return sum(
        sum(map(_keys, value)) if _is_or(name, value) else _keys(value) if isinstance(value, Mapping) else 1
        for name, value in policy.items()
    )


def _combinations(policy: Mapping[str, Any], *, depth: int = 1) -> int:
    """The product of the numbers of values of all keys; of a nested key times its level.

    A message matches one branch of `$or`, so that the branches add up; the documented rule is to multiply all lists.
    The larger result counts.
    """
    total = 1
    for name, value in policy.items():
        if _is_or(name, value):
            branches = [_combinations(branch, depth=depth) for branch in value]
            total *= max(sum(branches), math.prod(branches))
        elif isinstance(value, Mapping):
            total *= _combinations(value, depth=depth + 1)
        else:
            total *= depth * sum(map(_values, value if isinstance(value, Sequence) and value else [value]))
    return total


def _is_or(name: str, value: Any) -> bool:
    """Whether SNS reads it as alternatives: two objects or more. Otherwise `$or` is the name of an attribute."""
    return (
        name == _OR
        and isinstance(value, Sequence)
        and len(value) > 1
        and all(isinstance(each, Mapping) for each in value)
    )


def _values(rule: Any) -> int:
    """The number of values of a rule: those in an `anything-but` list, else 1."""
    excluded = rule.get("anything-but") if isinstance(rule, Mapping) else None
    return len(excluded) if isinstance(excluded, list) and excluded else 1


@jsii.implements(IPolicyValidationPlugin)
class StackChecks:
    """`findings` as a plugin of the CDK."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    @property
    def name(self) -> str:
        return "SmsToConnect"

    @property
    def version(self) -> str:
        return "1"

    @property
    def rule_ids(self) -> list[str]:
        return ["Receives", "Visibility", "Deadline", "FilterKeys", "FilterCombinations", "FilterOr"]

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        violations = [
            PolicyViolation(
                rule_name=finding.rule,
                description=finding.description,
                severity="error",
                violating_resources=[
                    PolicyViolatingResource(
                        resource_logical_id=finding.resource, template_path=path, locations=["Properties"]
                    )
                ],
            )
            for path in context.template_paths
            for finding in findings(json.loads(Path(path).read_text()), limits=self._limits)
        ]
        return PolicyValidationPluginReport(success=not violations, violations=violations)
