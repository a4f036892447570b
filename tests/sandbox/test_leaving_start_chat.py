"""Leaving start-chat delivery in two deployments while a chat is open."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from ops.doctor.contact_centre import open_chats
from ops.doctor.findings import Check, Finding, examine
from ops.doctor.preflight import Identity, Preflight
from ops.target import Target
from sandbox.lifecycle import Sandbox
from sandbox.state import ACCOUNT
from tests.sandbox.conftest import _NAME
from tests.sandbox.texts import START_CHAT, Phones, Text, customer, until

STARTING = Path(__file__).with_name("bridge.toml").read_text(encoding="utf-8")
SWITCHED = STARTING.replace('delivery = "start-chat"', 'delivery = "integration-event"')
LEFT = "\n".join(line for line in SWITCHED.splitlines() if not line.startswith(("instance_arn", "contact_flow_id")))


class Bridge:
    """A sandbox of its own, because the tests deploy it several times."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "bridge.toml"
        self.write(STARTING)
        self.sandbox = Sandbox.up(name=f"{_NAME}{os.getpid()}-leaving", port=0, simulator_port=0, config=self.config)
        self.phones = Phones(self.sandbox)

    def write(self, settings: str) -> None:
        self.config.write_text(f'runtime = "python3.{sys.version_info.minor}"\n{settings}', encoding="utf-8")

    def deploy(self) -> str:
        """Deploys the written settings. Returns the output of synth."""
        self.phones.simulator.close()
        self.sandbox.deploy(self.config)
        self.phones = Phones(self.sandbox)
        return (self.sandbox.folder / "logs" / "synth.log").read_text(encoding="utf-8")

    def doctor(self) -> list[Finding]:
        """What doctor finds of open chats with the written settings."""
        preflight = Preflight(target=Target.in_sandbox(self.sandbox.name), config_path=self.config)
        preflight.config = load(self.config)
        preflight.identity = Identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
        preflight.outputs = self.sandbox.outputs
        return list(examine([Check("open chats", open_chats)], preflight))

    def resources(self) -> dict[str, str]:
        pages = self.sandbox.client("cloudformation").list_stack_resources(StackName=self.sandbox.stack)
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in pages["StackResourceSummaries"]}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    bridge = Bridge(tmp_path)
    try:
        yield bridge
    finally:
        bridge.phones.simulator.close()
        bridge.sandbox.down()


def on_phone(phones: Phones, who: str) -> list[str]:
    return [received["body"] for received in phones.simulator.phone(who)]


def texted(phones: Phones, who: str, body: str) -> Text:
    sent = Text(customer=who, body=body, business_number=START_CHAT)
    phones.send([sent])
    until(lambda: phones.outcome(sent) == "forwarded", seconds=60, what=f"{body!r} forwarded")
    return sent


def open_chat(phones: Phones, who: str) -> dict[str, Any]:
    return next(chat for chat in phones.simulator.chats() if chat["source"] == who)


def test_open_chat_keeps_its_replies_until_the_instance_is_taken_out(bridge: Bridge) -> None:
    who, phones, before = customer(9900), bridge.phones, bridge.resources()
    texted(phones, who, "hello")
    chat = open_chat(phones, who)["contact"]

    bridge.write(SWITCHED)
    assert [finding.state for finding in bridge.doctor()] == ["ok"]
    assert "the reply path stays for those that are still open" in bridge.deploy()
    phones, kept = bridge.phones, ("Chats", "RepliesQueue", "StreamingTopic")
    assert {name: bridge.resources()[name] for name in kept} == {name: before[name] for name in kept}
    phones.simulator.reply(chat, "Good morning, I am still here")
    until(lambda: on_phone(phones, who) == ["Good morning, I am still here"], seconds=60, what="the reply on the phone")
    other = customer(9901)
    texted(phones, other, "by an event")
    assert open_chat(phones, other)["contact"] != chat

    bridge.write(LEFT)
    (cut_off,) = bridge.doctor()
    assert cut_off.state == "fail" and cut_off.finding.startswith("1 that the bridge started is open")
    phones.simulator.end(chat)
    until(lambda: bridge.doctor()[0].state == "ok", seconds=60, what="the chat is over")
    assert "reply path" not in bridge.deploy()
    gone = before.keys() - bridge.resources().keys()
    assert {*kept} < gone and not {"ChatsTableName", "RepliesQueueUrl"} & bridge.sandbox.outputs.keys()
    table = bridge.sandbox.client("dynamodb").describe_table(TableName=before["Chats"])["Table"]
    assert table["TableStatus"] == "ACTIVE"
    queue = bridge.sandbox.client("sqs").get_queue_attributes(QueueUrl=before["RepliesQueue"], AttributeNames=["All"])
    assert queue["Attributes"]["FifoQueue"] == "true"
    texted(bridge.phones, customer(9902), "all is well")
