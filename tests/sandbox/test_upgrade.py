"""This version, deployed over the version before: no resource with texts is replaced, and no text is lost."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bridge.replies.chat_events import FILTER_POLICY
from ops.cli import run
from sandbox.lifecycle import Sandbox
from sandbox.state import ROOT
from tests.deployed_before import BY_CONFIGURATION, COMMIT
from tests.permissions.recording import Made
from tests.sandbox.failed import sns_notification
from tests.sandbox.texts import (
    BUSINESS_NUMBER,
    START_CHAT,
    Phones,
    Text,
    assert_each_shown_once_in_the_order_of_the_queue,
    customer,
    forwarded,
    until,
)

SETTINGS = f"""
runtime = "python3.{sys.version_info.minor}"
[start_chat]
instance_arn = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
contact_flow_id = "abcdef01-1234-1234-1234-123456789012"
[limits]
sms_rate = 100
call_timeout = "1s"
batch_deadline = "1s"
function_timeout = "5s"
retry_first = "2s"
retry_longest = "4s"
blocked_retry = "4s"
give_up_after = "10m"
max_receive_count = 1000
[[numbers]]
number = "{BUSINESS_NUMBER}"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef"
[[numbers]]
number = "{START_CHAT}"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-00112233445566778899aabbccddeeff"
delivery = "start-chat"
"""
"""One number for each delivery, with settings that both versions know."""
FORGOTTEN = "+12125550104"
BLOCK = f"""
[[numbers]]
number = "{FORGOTTEN}"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-44444444444444444444444444444444"
"""
"""What the deployment of this version adds, so that failed texts can be redriven."""
WAITING = {9901: BUSINESS_NUMBER, 9902: START_CHAT, 9906: BUSINESS_NUMBER, 9907: START_CHAT}
"""Customers with waiting texts: for each delivery one with an open chat and one without."""


@pytest.fixture(scope="module")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the version before. It runs with this environment and packages the current dependencies."""
    archive = ["git", "archive", "--format=tar", COMMIT]
    if not shutil.which("git"):
        pytest.skip("git is missing: there is no version before to deploy")
    done = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no history back to the version before, {COMMIT[:7]}: {done.stderr.decode().strip()}")
    tree = tmp_path_factory.mktemp("version-before")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(tree, filter="data")
    shutil.copy(ROOT / "requirements/function.txt", tree / "requirements/function.txt")
    (tree / ".venv").symlink_to(sys.prefix)
    # SNS, in AWS and in this sandbox, refuses the filter policy of the version before, which has seven keys.
    with (tree / "lambda/bridge/streamed.py").open("a", encoding="utf-8") as module:
        module.write(f"\nFILTER_POLICY = {dict(FILTER_POLICY)!r}\n")
    return tree


@pytest.fixture
def deployed(version_before: Path, tmp_path: Path, called_by_commands: set[Made]) -> Iterator[Sandbox]:
    """A sandbox of its own with the version before. test_calls.py does not check the calls of commands in it."""
    called_elsewhere = set(called_by_commands)
    config = tmp_path / "bridge.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    name = f"tests-{os.getpid()}-upgrade"
    sandbox = Sandbox.up(name, port=0, simulator_port=0, config=config, app=version_before)
    try:
        yield sandbox
    finally:
        sandbox.down()
        called_by_commands.intersection_update(called_elsewhere)


@pytest.fixture
def phones(deployed: Sandbox) -> Iterator[Phones]:
    phones = Phones(deployed)
    yield phones
    phones.simulator.close()


class Meanwhile:
    """A customer who sends texts until the end of the block, each one after the text before it is queued."""

    def __init__(self, phones: Phones, who: str) -> None:
        self.texts: list[Text] = []
        self._phones, self._who, self._over = phones, who, threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Meanwhile:
        self._texting = self._pool.submit(self._text)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()

    def _text(self) -> None:
        while not self._over.wait(1):
            self.texts.append(Text(customer=self._who, body=f"meanwhile {len(self.texts)}"))
            self._phones.queue(self.texts[-1:])

    def sent(self) -> list[Text]:
        """Raises the error of the thread."""
        self._texting.result()
        return self.texts


def resources(sandbox: Sandbox) -> dict[str, tuple[str, str] | None]:
    """Type and physical id, by logical id, of resources that contain texts or that others refer to."""
    answer = sandbox.client("cloudformation").describe_stack_resources(StackName=sandbox.stack)
    found = {
        one["LogicalResourceId"]: (one["ResourceType"], one["PhysicalResourceId"]) for one in answer["StackResources"]
    }
    return {name: found.get(name) for name in BY_CONFIGURATION["mixed"]}


def known_by(sandbox: Sandbox) -> dict[str, Any]:
    """ARNs, URLs, names and UUIDs by which other services refer to the stack's resources."""
    outputs, sns, lambda_ = sandbox.outputs, sandbox.client("sns"), sandbox.client("lambda")
    known: dict[str, Any] = {name: of for name, of in outputs.items() if name.endswith(("Arn", "Url", "Name"))}
    for topic in ("InboundTopicArn", "StreamingTopicArn"):
        found = sns.list_subscriptions_by_topic(TopicArn=outputs[topic])["Subscriptions"]
        known[f"subscriptions of {topic}"] = sorted(one["SubscriptionArn"] for one in found)
    for function in ("ForwardFunctionName", "ReplyFunctionName"):
        found = lambda_.list_event_source_mappings(FunctionName=outputs[function])["EventSourceMappings"]
        known[f"event source mappings of {function}"] = sorted(one["UUID"] for one in found)
    return known


def on_phone(phones: Phones, who: str) -> list[str]:
    return [received["body"] for received in phones.simulator.phone(who)]


def test_a_deploy_over_the_version_before_loses_and_replaces_nothing(
    deployed: Sandbox, phones: Phones, tmp_path: Path
) -> None:
    talking = [
        Text(customer=customer(9901), body="hello", business_number=BUSINESS_NUMBER),
        Text(customer=customer(9902), body="good morning", business_number=START_CHAT),
    ]
    phones.send(talking)
    until(lambda: forwarded(phones, talking), seconds=60, what="both deliveries forwarded")
    failed = [Text(customer=customer(9903), body=f"forgotten {n}", business_number=FORGOTTEN) for n in range(2)]
    for text in failed:
        phones.publish(text.message())
        until(lambda text=text: phones.outcome(text) == "failed", seconds=60, what="failed")  # type: ignore[misc]
    undelivered = Text(customer=customer(9904), body="never handed over")
    deployed.client("sqs").send_message(
        QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody=sns_notification(phones, undelivered)
    )

    phones.simulator.fault("throttle")
    replies = ["one moment, please", "it is ready"]
    for n, reply in enumerate(replies, start=1):
        phones.simulator.reply(customer(9902), reply)
        until(lambda n=n: phones.count("RepliesQueueUrl") == n, seconds=60, what="a reply waiting")  # type: ignore[misc]
    waiting: list[Text] = []
    for n in range(3):
        more = [
            Text(customer=customer(who), body=f"{who}: {n}", business_number=business_number)
            for who, business_number in WAITING.items()
        ]
        phones.queue(more)
        waiting += more
    assert phones.waiting() == len(waiting)
    kept, known = resources(deployed), known_by(deployed)
    assert all(kept.values())

    config = tmp_path / "with-the-forgotten-number.toml"
    config.write_text(SETTINGS + BLOCK, encoding="utf-8")
    with Meanwhile(phones, customer(9905)) as meanwhile:
        deployed.deploy(config)
    assert resources(deployed) == kept
    assert known_by(deployed).items() >= known.items()
    assert meanwhile.sent(), "the deployment was over too soon"
    assert phones.waiting() == len(waiting) + len(meanwhile.sent())
    assert (phones.count("RepliesQueueUrl"), phones.count("FailedQueueUrl")) == (len(replies), len(failed))

    phones.simulator.clear_faults()
    assert run(["failed", "redrive", "--sandbox", deployed.name]) == 0
    texts = [*talking, *failed, undelivered, *waiting, *meanwhile.sent()]
    until(lambda: forwarded(phones, texts), seconds=90, what="all forwarded")
    assert_each_shown_once_in_the_order_of_the_queue(phones, texts)
    until(lambda: len(on_phone(phones, customer(9902))) >= len(replies), seconds=60, what="replies on the phone")
    until(lambda: phones.count("RepliesQueueUrl") == 0, seconds=60, what="replies taken")
    assert on_phone(phones, customer(9902)) == replies
    (chat,) = (chat for chat in phones.simulator.chats() if chat["source"] == customer(9902))
    assert [message["content"] for message in chat["messages"] if message["role"] == "CUSTOMER"] == [
        text.body for text in texts if text.customer == customer(9902)
    ], "another chat, or not in order"
    queues = ("ConversationsQueueUrl", "FailedQueueUrl", "UndeliveredQueueUrl", "RepliesQueueUrl")
    assert [phones.count(queue) for queue in queues] == [0, 0, 0, 0]
