"""Which resources are retained, and which logical ids must never change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from constructs import Construct

import infra.stack
from infra import inbound, monitoring, pipeline, start_chat, storage
from tests.infra.conftest import Built, Synthesised, attached_to, build_app, configured

RETAINED = {
    "InboundTopic": "SNS::Topic",
    "AlarmTopic": "SNS::Topic",
    "TwoWayChannelRole": "IAM::Role",
    "BridgeKey": "KMS::Key",
    "ConversationsQueue": "SQS::Queue",
    "FailedQueue": "SQS::Queue",
    "UndeliveredQueue": "SQS::Queue",
    "Ledger": "DynamoDB::Table",
}
RETAINED_OF_REPLIES = {"StreamingTopic": "SNS::Topic", "RepliesQueue": "SQS::Queue", "Chats": "DynamoDB::Table"}
"""With start-chat delivery."""
FIXED = {
    "IntakeFunction1A6D016E": "Lambda::Function",
    "IntakeRole6965BA50": "IAM::Role",
    "IntakeLogsB4E72C77": "Logs::LogGroup",
    "IntakeFunctionTopic999C9258": "SNS::Subscription",
    "IntakeFunctionAllowInvokeBridgeInboundTopic5A6281AA066B1935": "Lambda::Permission",
    "IntakeFunctionEventInvokeConfigF0DC7E18": "Lambda::EventInvokeConfig",
    "ForwardFunctionF0FC6E9C": "Lambda::Function",
    "ForwardRole81B4579C": "IAM::Role",
    "ForwardLogs924091B9": "Logs::LogGroup",
    "ForwardBatches37E596A2": "Lambda::EventSourceMapping",
}
"""Not retained, but with logical ids that must not change: infra.logical_ids says why."""
FIXED_OF_REPLIES = {
    "ReplyIntakeFunctionF98FC5E9": "Lambda::Function",
    "ReplyIntakeRole8AD9B4F9": "IAM::Role",
    "ReplyIntakeLogs0178124C": "Logs::LogGroup",
    "ReplyIntakeFunctionTopic0310E7A1": "SNS::Subscription",
    "ReplyIntakeFunctionAllowInvokeBridgeStreamingTopicF7DBF1C6F1C096E2": "Lambda::Permission",
    "ReplyIntakeFunctionEventInvokeConfigC954330E": "Lambda::EventInvokeConfig",
    "ReplyFunction9DFF6419": "Lambda::Function",
    "ReplyRoleB35D77FC": "IAM::Role",
    "ReplyLogs6A520DFA": "Logs::LogGroup",
    "ReplyBatchesFAB2C737": "Lambda::EventSourceMapping",
}
FIXED_OF_EMAIL = {"AlarmTopicEmailBDA8C787": "SNS::Subscription"}
ALL_FIXED = {
    "default": RETAINED | FIXED,
    "mixed": RETAINED | FIXED | RETAINED_OF_REPLIES | FIXED_OF_REPLIES,
    "start-chat": RETAINED | FIXED | RETAINED_OF_REPLIES | FIXED_OF_REPLIES | FIXED_OF_EMAIL,
}
"""By configuration: earlier deployments have resources with these ids."""


def test_every_topic_key_queue_and_table_is_retained(stack: Synthesised) -> None:
    kinds = {"AWS::SNS::Topic", "AWS::KMS::Key", "AWS::SQS::Queue", "AWS::DynamoDB::Table"}
    found = {name for name, resource in stack.template["Resources"].items() if resource["Type"] in kinds}
    assert found == RETAINED.keys() - {"TwoWayChannelRole"}


@pytest.mark.parametrize("logical_id", RETAINED)
def test_retained_resources_survive_deletion_and_replacement_with_policies(stack: Synthesised, logical_id: str) -> None:
    kept = [
        resource
        for name, resource in stack.template["Resources"].items()
        if name == logical_id
        or (resource["Type"].endswith("Policy") and logical_id in attached_to(resource["Properties"]))
    ]
    assert len(kept) == (1 if logical_id in ("BridgeKey", "Ledger") else 2)
    for resource in kept:
        assert resource["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate")
        assert resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", ALL_FIXED)
def test_a_rolled_back_first_deployment_keeps_only_protected_tables(built: Callable[[str], Built], name: str) -> None:
    """The rollback would fail to delete a table that is protected against deletion."""
    resources = built(name).stack.template["Resources"].items()
    kept = {logical_id for logical_id, resource in resources if resource.get("DeletionPolicy") == "Retain"}
    protected = {key for key, resource in resources if resource["Properties"].get("DeletionProtectionEnabled")}
    assert kept == protected == {"Ledger", "Chats"} & ALL_FIXED[name].keys()


@pytest.mark.parametrize("name", ALL_FIXED)
def test_logical_ids_are_those_of_the_first_deployment(built: Callable[[str], Built], name: str) -> None:
    assert fixed(built(name).stack) == ALL_FIXED[name]


def test_a_construct_that_moves_keeps_its_logical_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the resource would get a logical id of the new path."""

    def moved(construct: Any) -> Any:
        return lambda scope, *ids, **more: construct(
            Construct(scope, f"Moved{[*ids, more.get('name')][0]}"), *ids, **more
        )

    for module, constructs in MOVABLE.items():
        for construct in constructs:
            monkeypatch.setattr(module, construct, moved(getattr(module, construct)))
    build_app(configured("start-chat", tmp_path), tmp_path / "cdk.out").synth()
    template = json.loads((tmp_path / "cdk.out" / "Bridge.template.json").read_text())
    assert fixed(Synthesised(template)) == ALL_FIXED["start-chat"]
    assert any("Moved" in logical_id for logical_id in template["Resources"]), "nothing moved"


MOVABLE: Mapping[ModuleType, tuple[str, ...]] = {
    infra.stack: ("BridgeKey",),
    inbound: ("Topic", "Construct"),
    storage: ("Queue", "Table"),
    pipeline: ("Queue", "BridgeFunction"),
    start_chat: ("Topic", "Table"),
    monitoring: ("Topic",),
}
"""Constructs by the module that creates them."""


def fixed(stack: Synthesised) -> dict[str, str]:
    """All resources of the types that have fixed logical ids."""
    found = {name: resource["Type"].removeprefix("AWS::") for name, resource in stack.template["Resources"].items()}
    kinds = {kind for of in ALL_FIXED.values() for kind in of.values()}
    return {name: kind for name, kind in found.items() if kind in kinds}


def test_nothing_has_a_physical_name(stack: Synthesised) -> None:
    names = ("QueueName", "TopicName", "TableName", "FunctionName", "RoleName", "LogGroupName", "AliasName")
    for logical_id, resource in stack.template["Resources"].items():
        for name in names:
            assert not isinstance(resource["Properties"].get(name), str), (logical_id, name)


def test_the_ledger_is_protected_and_can_be_restored_to_any_point_in_time(stack: Synthesised) -> None:
    ledger = stack.get("Ledger")
    assert ledger["DeletionProtectionEnabled"] is True
    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
