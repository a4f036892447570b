"""`bridge failed redrive` on real queues, with the functions at work meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bridge.texts.sms_event import conversation_id
from ops.failed.queue import batched
from tests.sandbox.failed import UNKNOWN, Bridge, fail, sns_notification
from tests.sandbox.texts import BUSINESS_NUMBER, START_CHAT, Phones, Text, customer, until


def test_a_dry_run_says_what_would_be_redriven_and_does_nothing(phones: Phones, bridge_failed: Bridge) -> None:
    who = customer(8120)
    first, second = (Text(customer=who, body="hello", business_number=UNKNOWN) for _ in range(2))
    fail(phones, first, second)
    phones.sandbox.client("sqs").send_message(QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody="x")
    before = [(entry["MessageId"], entry["Attributes"]["ApproximateReceiveCount"]) for entry in phones.failed()]
    code, out, _ = bridge_failed("redrive", "--dry-run", second.key)
    assert code == 0 and second.key in out and first.key not in out
    assert "1 text of 1 conversation, by the ledger" in out
    assert "1 of them ahead of an earlier text of their conversation" in out
    assert "about 1 in undelivered, as far as these options mean them" in out
    after = [(entry["MessageId"], entry["Attributes"]["ApproximateReceiveCount"]) for entry in phones.failed()]
    assert after == [(message_id, str(int(count) + 1)) for message_id, count in before]
    assert phones.outcome(second) == "failed" and phones.count("UndeliveredQueueUrl") == 1


def test_only_the_named_texts_are_redriven(phones: Phones, bridge_failed: Bridge) -> None:
    """The second text is redriven before the first. It fails again at once: its number is still unknown."""
    who = customer(8130)
    first, second, other = (Text(customer=c, body="hello", business_number=UNKNOWN) for c in (who, who, customer(8131)))
    fail(phones, first, second, other)
    failed_at = phones.item(second.key)["failed_at"]
    code, out, err = bridge_failed("redrive", second.key, "nobody-s-id")
    assert code == 1 and "1 text put back on their queues" in out and "ahead of an earlier text" in out
    assert err.startswith("bridge: nobody-s-id is in neither queue")
    until(lambda: phones.item(second.key).get("failures") == 2, seconds=20, what="failed again")
    item = phones.item(second.key)
    assert item["failed_at"] > item["redriven_at"] > failed_at
    assert {phones.item(text.key)["failures"] for text in (first, other)} == {1}
    assert phones.count("FailedQueueUrl") == 3
    until(lambda: len(phones.failed()) == 3, seconds=5, what="all to be seen at once")


def test_a_text_that_sqs_moved_to_failed_is_redriven_as_such(phones: Phones, bridge_failed: Bridge) -> None:
    text = Text(customer=customer(8140), body="crashed over")
    with phones.fault("refuse"), received_once(phones):
        phones.publish(text.message())
        until(lambda: phones.count("FailedQueueUrl") == 1, seconds=30, what="moved by SQS")
    (entry,) = phones.failed()
    assert not entry.get("MessageAttributes") and phones.outcome(text) == "pending"
    code, out, _ = bridge_failed("list")
    assert code == 0 and "about 1 more in the queue that the ledger does not call failed: SQS itself" in out
    code, out, _ = bridge_failed("redrive", "--reason", "MovedBySqs")
    assert code == 0 and out.startswith(
        "1 text put back on their queues, 1 of which SQS itself had moved to failed after"
    )
    until(lambda: phones.outcome(text) == "forwarded", seconds=30, what="forwarded")
    assert phones.contents(text.customer) == [text.body]
    assert phones.item(text.key)["redriven_at"]


@contextmanager
def received_once(phones: Phones) -> Iterator[None]:
    """SQS moves messages to failed after one receive."""
    sqs, url = phones.sandbox.client("sqs"), phones.outputs["ConversationsQueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    policy = json.dumps(json.loads(before) | {"maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": before})


def test_undelivered_texts_of_both_formats_are_redriven_and_shown_once(phones: Phones, bridge_failed: Bridge) -> None:
    crashed, not_handed = (Text(customer=customer(8150), body=body) for body in ("second", "first"))
    with intake_without_its_queue(phones):
        phones.publish(crashed.message())
        (envelope,) = until(
            phones.undelivered, seconds=60, what="Lambda's envelope, after SNS had it called three times"
        )
        assert json.loads(envelope["Body"])["requestContext"]["approximateInvokeCount"] == 3
        code, out, err = bridge_failed("redrive")
        assert code == 1 and out == "" and err.startswith("bridge: 1 not handed over: ")
    phones.sandbox.client("sqs").send_message(
        QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody=sns_notification(phones, not_handed)
    )
    assert phones.item(crashed.key) == {} == phones.item(not_handed.key)
    code, out, _ = bridge_failed("redrive")
    assert (code, out) == (0, "2 from undelivered handed to their function\n")
    for text in (crashed, not_handed):
        until(lambda text=text: phones.outcome(text) == "forwarded", seconds=30, what="forwarded")  # type: ignore[misc]
    assert phones.contents(crashed.customer) == ["first", "second"], "in the order in which they were published"
    assert phones.count("UndeliveredQueueUrl") == 0


@contextmanager
def intake_without_its_queue(phones: Phones) -> Iterator[None]:
    """A wrong deployment: every attempt of intake fails."""
    function, name = phones.sandbox.client("lambda"), phones.outputs["IntakeFunctionName"]
    before = function.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    bad = before | {"CONVERSATIONS_QUEUE_URL": before["CONVERSATIONS_QUEUE_URL"].replace("Conversations", "Gone")}
    function.update_function_configuration(FunctionName=name, Environment={"Variables": bad})
    try:
        yield
    finally:
        function.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_an_undelivered_reply_is_redriven(phones: Phones, bridge_failed: Bridge) -> None:
    text = Text(customer=customer(8160), body="hello", business_number=START_CHAT)
    phones.publish(text.message())
    until(lambda: phones.outcome(text) == "forwarded", seconds=30, what="forwarded")
    contact = phones.item(text.key)["contact"]
    phones.simulator.reply(contact, "first")
    until(lambda: phones.simulator.phone(text.customer), seconds=30, what="the first reply")
    (told,) = (one for one in phones.simulator.notifications() if one["body"].get("Content") == "first")
    body = told["body"] | {"Content": "second", "Id": str(uuid.uuid4())}
    lost = {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": phones.outputs["StreamingTopicArn"],
        "Message": json.dumps(body),
        "Timestamp": "2026-01-01T12:00:00.000Z",
        "MessageAttributes": {
            name: {"Type": "String", "Value": str(value)} for name, value in told["attributes"].items()
        },
    }
    phones.sandbox.client("sqs").send_message(
        QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody=json.dumps(lost)
    )
    assert bridge_failed("redrive")[0] == 0
    until(lambda: len(phones.simulator.phone(text.customer)) == 2, seconds=30, what="the second reply")
    assert [sent["body"] for sent in phones.simulator.phone(text.customer)] == ["first", "second"]


def test_a_redrive_interrupted_and_killed_shows_each_text_once_in_order(phones: Phones, bridge_failed: Bridge) -> None:
    """1,000 messages of 100 conversations, sent to failed directly, as forward would send them."""
    phones.simulator.settings(rate=10_000, burst=10_000)
    texts = [Text(customer=customer(30_000 + n % 100), body=f"{n % 100}: {n // 100}") for n in range(1000)]
    put_into_failed(phones, texts)
    interrupted = redrive_until(phones, left=700)
    interrupted.terminate()  # instead of Ctrl-C, which a background process may ignore
    _, said = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130 and "put back before that; run it again for the rest" in said
    killed = redrive_until(phones, left=350)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    left = phones.count("FailedQueueUrl")
    assert 0 < left < 400, "it was not killed half-way"
    code, out, err = bridge_failed("redrive")
    assert (code, err) == (0, "") and int(out.split()[0]) >= left
    assert phones.count("FailedQueueUrl") == 0
    until(lambda: phones.waiting() == 0, seconds=180, what="drained")
    shown: dict[str, list[str]] = {}
    for entry in phones.shown():
        shown.setdefault(entry["source"], []).append(entry["content"])
    times = Counter(content for contents in shown.values() for content in contents)
    assert {text.body for text in texts} - times.keys() == set(), "lost"
    assert {content: count for content, count in times.items() if count > 1} == {}, "twice"
    assert all(contents == sorted(contents) for contents in shown.values()), "out of order"


def put_into_failed(phones: Phones, texts: list[Text]) -> None:
    sqs, url = phones.sandbox.client("sqs"), phones.outputs["FailedQueueUrl"]
    for batch in batched(texts, 10):
        answer = sqs.send_message_batch(QueueUrl=url, Entries=[failed_entry(text) for text in batch])
        assert not answer.get("Failed")


def failed_entry(text: Text) -> dict[str, Any]:
    said = {"text_key": text.key, "stage": "forward", "error": "UnavailableError", "entry_id": text.key}
    record = {"EventSource": "aws:sns", "Sns": {"MessageId": str(uuid.uuid4()), "Message": text.message()}}
    return {
        "Id": text.key,
        "MessageBody": json.dumps(record),
        "MessageGroupId": conversation_id(text.customer, BUSINESS_NUMBER),
        "MessageDeduplicationId": text.key,
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in said.items()},
    }


def redrive_until(phones: Phones, *, left: int) -> subprocess.Popen[str]:
    """A redrive in a process, which has left this many messages in failed so far and is still running."""
    command = [sys.executable, "-m", "ops.cli", "failed", "redrive", "--sandbox", phones.sandbox.name]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"NO_COLOR": "1"})
    end = time.monotonic() + 120
    while phones.count("FailedQueueUrl") > left:
        assert process.poll() is None, "it ended early"
        assert time.monotonic() < end, "too slow"
        time.sleep(0.02)
    return process
