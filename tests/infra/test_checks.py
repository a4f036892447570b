"""The checks at synth: that they find what they are there for, and that every exception has its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

import infra.stack
from infra import checks
from infra.checks import findings
from infra.config import BridgeConfig
from tests.infra.conftest import Synthesised, build_app


@dataclass(frozen=True)
class Unexcused:
    """The app without its acknowledgements, and what these would have been: reasons by construct and rule."""

    app: cdk.App
    reasons: dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def unexcused(config: BridgeConfig, tmp_path_factory: pytest.TempPathFactory) -> Unexcused:
    reasons = {}

    def note(construct: IConstruct, rule: str, reason: str) -> None:
        reasons[construct.node.path, rule] = reason

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "acknowledge", note)
        return Unexcused(build_app(config, tmp_path_factory.mktemp("cdk.out")), reasons)


def test_each_acknowledgement_says_why_in_a_sentence(unexcused: Unexcused) -> None:
    for reason in unexcused.reasons.values():
        assert len(reason.split()) >= 6, reason
        assert reason[0].isalpha() and reason.endswith("."), reason


def test_what_cdk_nag_finds_is_exactly_what_was_acknowledged_on_the_very_construct(unexcused: Unexcused) -> None:
    found = {
        (resource.construct_path, violation.rule_name)
        for violation in AwsSolutionsChecks().validate_scope(unexcused.app).violations
        for resource in violation.violating_resources
    }
    assert found == {(f"{construct}/Resource", rule) for construct, rule in unexcused.reasons}


def test_synth_fails_when_one_acknowledgement_is_taken_away(
    config: BridgeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledge = checks.acknowledge

    def all_but_one(construct: IConstruct, rule: str, reason: str) -> None:
        if rule != "AwsSolutions-SQS3":
            acknowledge(construct, rule, reason)

    monkeypatch.setattr(checks, "acknowledge", all_but_one)
    with pytest.raises(RuntimeError, match=r"Acknowledge with 'AwsSolutions::AwsSolutions-SQS3'"):
        build_app(config, tmp_path).synth()


def test_synth_fails_when_the_times_do_not_fit(
    config: BridgeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infra.stack, "VISIBILITY", 5)
    with pytest.raises(RuntimeError, match="visible again after 150 s, less than 6 times the function's time-out"):
        build_app(config, tmp_path).synth()


def test_the_times_of_the_default_configuration_fit(stack: Synthesised, config: BridgeConfig) -> None:
    assert list(findings(stack.template, limits=config.limits)) == []


def _visible_soon(template: dict[str, Any]) -> None:
    template["ConversationsQueue"]["Properties"]["VisibilityTimeout"] = 179


def _few_receives(template: dict[str, Any]) -> None:
    template["ConversationsQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] = 452


def _short_time_out(template: dict[str, Any]) -> None:
    for resource in template.values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Timeout"] = 16


@pytest.mark.parametrize(
    ("spoil", "rule"), [(_visible_soon, "Visibility"), (_few_receives, "Receives"), (_short_time_out, "Deadline")]
)
def test_times_that_just_do_not_fit_are_found(
    own_stack: Synthesised, config: BridgeConfig, spoil: Callable[[dict[str, Any]], None], rule: str
) -> None:
    spoil(own_stack.template["Resources"])
    assert [finding.rule for finding in findings(own_stack.template, limits=config.limits)] == [rule]
