"""The checks at synth find what they should, and every acknowledgement has its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from bridge.replies.chat_events import FILTER_POLICY
from infra import checks, pipeline, start_chat
from infra.checks import findings
from infra.config import BridgeConfig, Limits
from tests.infra.conftest import CONFIGURATIONS, Synthesised, build_app, configured


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_synth_accepts_each_configuration(name: str, tmp_path: Path) -> None:
    build_app(configured(name, tmp_path), tmp_path / "cdk.out").synth()


@dataclass(frozen=True)
class Unacknowledged:
    """The app without acknowledgements; `reasons` are those of the acknowledgements, by construct and rule."""

    app: cdk.App
    reasons: dict[tuple[str, str], str]


@pytest.fixture(scope="module", params=[name for name in CONFIGURATIONS if name != "elsewhere"])
def unacknowledged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unacknowledged:
    config, reasons = configured(request.param, tmp_path_factory.mktemp("config")), {}

    def record(construct: IConstruct, rule: str, reason: str) -> None:
        reasons[construct.node.path, rule] = reason

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "acknowledge", record)
        return Unacknowledged(build_app(config, tmp_path_factory.mktemp("cdk.out")), reasons)


def test_each_acknowledgement_says_why_in_a_sentence(unacknowledged: Unacknowledged) -> None:
    for reason in unacknowledged.reasons.values():
        assert len(reason.split()) >= 6, reason
        assert reason[0].isalpha() and reason.endswith("."), reason


def test_each_finding_of_cdk_nag_is_acknowledged_on_its_construct(unacknowledged: Unacknowledged) -> None:
    found = {
        (resource.construct_path, violation.rule_name)
        for violation in AwsSolutionsChecks().validate_scope(unacknowledged.app).violations
        for resource in violation.violating_resources
    }
    assert found == {(f"{construct}/Resource", rule) for construct, rule in unacknowledged.reasons}


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
    monkeypatch.setattr(pipeline, "VISIBILITY_TIMEOUTS", 5)
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


# --- filter policies --------------------------------------------------------------------------------------

ALTERNATIVES: dict[str, Any] = {
    "$or": [
        {
            "Type": ["MESSAGE"],
            "MessageVisibility": ["CUSTOMER", "ALL"],
            "ParticipantRole": [{"anything-but": ["CUSTOMER"]}],
        },
        {
            "Type": ["ATTACHMENT"],
            "MessageVisibility": ["CUSTOMER", "ALL", {"exists": False}],
            "ParticipantRole": [{"anything-but": ["CUSTOMER"]}],
        },
        {"ContentType": ["application/vnd.amazonaws.connect.event.chat.ended"]},
    ]
}
"""Four keys that occur seven times."""


def filtered(policy: dict[str, Any], *, kind: str = "AWS::SNS::Subscription") -> list[str]:
    """The rules that a second subscription with this filter policy breaks."""
    resources = {
        "First": {"Type": "AWS::SNS::Subscription", "Properties": {}},
        "Second": {"Type": kind, "Properties": {"FilterPolicy": policy}},
    }
    found = list(findings({"Resources": resources}, limits=Limits()))
    assert {finding.resource for finding in found} <= {"Second"}
    assert all("Second" in finding.description and "\n" not in finding.description for finding in found)
    return [finding.rule for finding in found]


def names(count: int) -> dict[str, Any]:
    return {f"key{n}": ["a"] for n in range(count)}


@pytest.mark.parametrize(
    ("policy", "rules"),
    [
        (FILTER_POLICY, []),
        (ALTERNATIVES, ["FilterKeys"]),
        (names(5), []),
        (names(6), ["FilterKeys"]),
        ({"$or": [names(2), names(2)], "key": ["a"]}, []),
        ({"$or": [names(2), names(3)], "key": ["a"]}, ["FilterKeys"]),
        ({"$or": [{"$or": [names(2), names(2)]}, names(2)]}, ["FilterKeys"]),
        ({"a": {"b": {"c": ["x"], "d": ["x"]}, "e": ["x"]}, "f": ["x"], "g": ["x"], "h": ["x"]}, ["FilterKeys"]),
        ({"a": ["x"] * 15, "b": ["x"] * 10}, []),
        ({"a": ["x"] * 151}, ["FilterCombinations"]),
        ({"a": ["x"] * 76, "b": ["x", {"exists": False}]}, ["FilterCombinations"]),
        ({"a": [{"anything-but": ["x"] * 151}]}, ["FilterCombinations"]),
        ({"a": [{"anything-but": "x" * 151}]}, []),
        ({"a": [*["x"] * 150, {"anything-but": []}]}, ["FilterCombinations"]),
        ({"$or": [{"a": ["x"] * 13}, {"b": ["x"] * 12}]}, ["FilterCombinations"]),
        ({"$or": [{"a": ["x"] * 150}, {"b": ["x"]}]}, ["FilterCombinations"]),
        ({"a": {"b": ["x"] * 75}}, []),
        ({"a": {"b": ["x"] * 76}}, ["FilterCombinations"]),
        ({"$or": [{"a": ["x"]}]}, ["FilterOr"]),
        ({"$or": ["a", "b"]}, ["FilterOr"]),
        ({**names(6), "many": ["x"] * 151}, ["FilterKeys", "FilterCombinations"]),
    ],
)
def test_a_filter_policy_that_sns_refuses_is_found_of_every_subscription(policy: Any, rules: list[str]) -> None:
    assert filtered(policy) == rules


def test_only_subscriptions_have_filter_policies() -> None:
    assert filtered(names(6), kind="AWS::Lambda::Function") == []


def test_a_finding_of_a_filter_policy_names_the_limit() -> None:
    policy = {**names(6), "many": ["x"] * 151}
    subscription = {"Type": "AWS::SNS::Subscription", "Properties": {"FilterPolicy": policy}}
    assert [one.description for one in findings({"Resources": {"Here": subscription}}, limits=Limits())] == [
        "the filter policy of Here has 7 keys, counted in each branch of $or: SNS takes 5",
        "the filter policy of Here has 151 combinations of values: SNS takes 150",
    ]


def test_synth_fails_when_the_filter_policy_has_a_key_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_chat, "FILTER_POLICY", ALTERNATIVES)
    with pytest.raises(RuntimeError, match=r"ReplyIntakeFunctionTopic\w+ has 7 keys.*SNS takes 5"):
        build_app(configured("start-chat", tmp_path), tmp_path / "cdk.out").synth()
