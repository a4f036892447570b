"""Switching from start-chat delivery: what stays while chats are open, and what is removed afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from tests.infra.conftest import BRIDGE_TOML, Synthesised, build_app, refers_to

INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
INSTANCE_TOO = INSTANCE.replace("9012", "9013")
START = f'[start_chat]\ninstance_arn = "{INSTANCE}"\ncontact_flow_id = "abcdef01-1234-1234-1234-123456789012"\n'
NUMBER = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
KEPT = ("Chats", "RepliesQueue", "StreamingTopic")


def synthesised(folder: Path, text: str) -> Synthesised:
    (folder / "bridge.toml").write_text(text)
    build_app(load(folder / "bridge.toml"), folder / "out").synth()
    return Synthesised(json.loads((folder / "out" / "Bridge.template.json").read_text()))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """The only number has start-chat delivery."""
    return synthesised(tmp_path_factory.mktemp("before"), f'{START}{BRIDGE_TOML}delivery = "start-chat"\n')


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """The number has integration-event delivery; the instance is still named, and a second number names another."""
    other = BRIDGE_TOML.replace("0101", "0102").replace("cdef", "cdee") + f'instance_arn = "{INSTANCE_TOO}"\n'
    return synthesised(tmp_path_factory.mktemp("switched"), f"{START}{BRIDGE_TOML}{other}")


def reply_pipeline(stack: Synthesised) -> dict[str, Any]:
    """Resources of replies and chats, and the policies and permissions that refer to them."""
    functions = [stack.function("reply_intake"), stack.function("reply")]
    return {
        name: resource
        for name, resource in stack.template["Resources"].items()
        if not name.startswith("Forward")
        and (
            name.startswith(("Reply", "Replies", "Streaming", "Chats", "AlarmRepl"))
            or any(json.dumps({"Ref": one}) in json.dumps(resource) for one in (*functions, "StreamingTopic"))
        )
    }


def test_switching_the_delivery_does_not_change_the_reply_pipeline(before: Synthesised, switched: Synthesised) -> None:
    old, new = reply_pipeline(before), reply_pipeline(switched)
    assert {*KEPT} < old.keys() and len(old) > 20
    assert old.keys() == new.keys()
    assert before.template["Outputs"].keys() == switched.template["Outputs"].keys()
    for name in KEPT:
        assert old[name] == new[name]
    for resource in (*old.values(), *new.values()):
        resource["Properties"].get("Code", {}).clear()  # the settings are in the archive
    changed = {name for name in old if old[name] != new[name]}
    assert {old[name]["Type"] for name in changed} <= {"AWS::SNS::TopicPolicy", "AWS::IAM::Policy"}


def test_connect_may_publish_for_every_instance_that_is_named(switched: Synthesised) -> None:
    (policy,) = (
        one for one in switched.all("SNS::TopicPolicy").values() if refers_to(one["Topics"][0]) == "StreamingTopic"
    )
    (allowed,) = (s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow")
    assert allowed["Condition"]["ArnEquals"] == {"aws:SourceArn": [INSTANCE, INSTANCE_TOO]}


def test_replies_are_texted_from_every_number_whatever_its_delivery_is_now(switched: Synthesised) -> None:
    texting = {r for action, r in switched.allowed(switched.role("reply")) if action == "sms-voice:SendTextMessage"}
    assert texting == {NUMBER, NUMBER.replace("cdef", "cdee")}


def test_forward_without_start_chat_delivery_has_no_access_to_chats(switched: Synthesised) -> None:
    allowed = switched.allowed(switched.role("forward"))
    assert not [one for one in allowed if one[0] == "connect:StartChatContact" or one[1] == "Chats"]
    environment = switched.get(switched.function("forward"))["Environment"]["Variables"]
    assert not {"CHATS_TABLE", "STREAMING_TOPIC_ARN"} & environment.keys()


def test_without_an_instance_only_the_reply_pipeline_is_removed(switched: Synthesised, stack: Synthesised) -> None:
    """`stack` is that of a file without an instance."""
    gone = switched.template["Resources"].keys() - stack.template["Resources"].keys()
    assert gone == reply_pipeline(switched).keys() - stack.template["Resources"].keys()
    assert {*KEPT} < gone
    assert stack.template["Resources"].keys() <= switched.template["Resources"].keys()
    for name in KEPT:
        assert switched.template["Resources"][name]["DeletionPolicy"].startswith("Retain")
