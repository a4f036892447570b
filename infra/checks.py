"""What must hold of every stack that is synthesised: cdk-nag's rules, our own times, and SNS's filter policies.

They are plugins of CDK's validation, which `cdk synth` and `cdk deploy` run: any finding, warnings too, ends them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
from infra import filter_policies
from infra.config import Limits


def attach(app: App, *, limits: Limits) -> None:
    """Let every synth of the app run them."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), OurChecks(limits))


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept one finding of cdk-nag, on the construct that has it."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a resource, by logical id."""

    rule: str
    resource: str
    description: str


def findings(template: Mapping[str, Any], *, limits: Limits) -> Iterator[Finding]:
    """Where the times of a synthesised stack do not fit one another, and filter policies that SNS refuses.

    Of the times infra.config says it earlier, of bridge.toml.
    """
    resources = template["Resources"]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::SNS::Subscription":
            yield from _of_filter(name, resource["Properties"].get("FilterPolicy", {}))
    for mapping in (r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping"):
        queue_id, function_id = mapping["EventSourceArn"]["Fn::GetAtt"][0], mapping["FunctionName"]["Ref"]
        yield from _of_mapping(resources, queue_id, function_id, limits)


def _of_mapping(resources: Mapping[str, Any], queue_id: str, function_id: str, limits: Limits) -> Iterator[Finding]:
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


def _of_filter(subscription: str, policy: Mapping[str, Any]) -> Iterator[Finding]:
    """SNS refuses a policy that is too large, and with it the deployment."""
    if (keys := filter_policies.keys(policy)) > filter_policies.KEYS:
        yield Finding(
            "FilterKeys",
            subscription,
            f"the filter policy of {subscription} has {keys} keys, counted in each branch of $or: SNS takes "
            f"{filter_policies.KEYS}",
        )
    if (combinations := filter_policies.combinations(policy)) > filter_policies.COMBINATIONS:
        yield Finding(
            "FilterCombinations",
            subscription,
            f"the filter policy of {subscription} has {combinations} combinations of values: SNS takes "
            f"{filter_policies.COMBINATIONS}",
        )
    alternatives = policy.get(filter_policies.OR)
    if alternatives is not None and not filter_policies.is_or(filter_policies.OR, alternatives):
        yield Finding(
            "FilterOr",
            subscription,
            f"the filter policy of {subscription} lets nothing through: of fewer than two objects, $or is the name of "
            "an attribute",
        )


@jsii.implements(IPolicyValidationPlugin)
class OurChecks:
    """`findings` as CDK asks for them."""

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
