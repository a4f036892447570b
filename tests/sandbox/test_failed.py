"""`bridge failed` against provoked failures, on real queues, with the functions at work meanwhile."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.texts.sms_event import conversation_id
from ops.cli import run
from ops.failed.queues import batched
from ops.ledger import OperatorsLedger
from ops.target import Target
from tests.sandbox.texts import OURS, START_CHAT, Phones, Text, customer, until

UNKNOWN = "+12125550199"
Bridge = Callable[..., Any]


@pytest.fixture
def bridge(phones: Phones, capsys: pytest.CaptureFixture[str]) -> Iterator[Bridge]:
    """`bridge failed ...` on empty queues: its exit code, what it printed, and the lines on stderr."""
    empty(phones)

    def failed(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["failed", *arguments, "--sandbox", phones.sandbox.name])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield failed
    empty(phones)


def empty(phones: Phones) -> None:
    """In the ledger too: emptying the queue by hand leaves it with what is no longer there."""
    phones.empty("FailedQueueUrl", "UndeliveredQueueUrl")
    table, dynamodb = phones.outputs["LedgerTableName"], phones.sandbox.client("dynamodb")
    for item in OperatorsLedger(Target.in_sandbox(phones.sandbox.name)).failed(now=datetime.now(UTC)):
        key = {"text_key": {"S": item.text_key}}
        dynamodb.update_item(TableName=table, Key=key, UpdateExpression="REMOVE failed_on")


def rows(said: tuple[int, str, str]) -> list[dict[str, Any]]:
    assert said[0] == 0, said
    return [json.loads(line) for line in said[1].splitlines()]


def fail(phones: Phones, *texts: Text) -> None:
    """One after the other, so that they fail in this order."""
    for text in texts:
        phones.publish(text.message())
        until(lambda text=text: phones.outcome(text) == "failed", seconds=30, what="failed")  # type: ignore[misc]


def test_what_is_failed_is_listed_from_the_ledger_and_nothing_is_received(phones: Phones, bridge: Bridge) -> None:
    texts = [Text(customer=customer(8100 + n), body="confidential", ours=UNKNOWN) for n in range(2)]
    fail(phones, *texts)
    phones.publish(malformed := "no SMS at all: confidential")
    until(lambda: len(phones.failed()) == 3, seconds=30, what="in failed")
    receives = [entry["Attributes"]["ApproximateReceiveCount"] for entry in phones.failed()]

    def listed(*options: str) -> list[dict[str, Any]]:
        return rows(bridge("list", "--json", *options))

    found = listed()
    assert [row["error"] for row in found] == ["UnknownNumberError"] * 2 + ["MalformedNotificationError"]
    assert [row["text_key"] for row in found[:2]] == [text.key for text in texts]
    assert found[0]["reason"] == phones.item(texts[0].key)["reason"] and found[0]["ours"] == "…0199"
    assert [row["error"] for row in listed("--reason", "MalformedNotificationError")] == ["MalformedNotificationError"]
    assert [row["text_key"] for row in listed("--number", texts[1].customer)] == [texts[1].key]
    assert [row["text_key"] for row in listed("--number", UNKNOWN)] == [text.key for text in texts]
    assert listed("--older", "1h") == [] and len(listed("--newer", "1h")) == 3
    code, out, _ = bridge("list")
    assert code == 0 and "2 UnknownNumberError, the last: bridge.toml has no number …0199" in out
    for secret in ("confidential", texts[0].customer[1:], UNKNOWN[1:], phones.item(texts[0].key)["conversation"]):
        assert secret not in out
    again = [entry["Attributes"]["ApproximateReceiveCount"] for entry in phones.failed()]
    assert [int(count) for count in again] == [int(count) + 1 for count in receives], "only this test received"
    assert malformed not in out


def test_one_is_shown_with_its_story_and_what_to_do(phones: Phones, bridge: Bridge) -> None:
    text = Text(customer=customer(8110), body="hello", ours=UNKNOWN)
    fail(phones, text)
    code, out, _ = bridge("show", text.key[:12])
    assert code == 0 and f"text {text.key} to …0199: failed" in out
    assert "Add a [[numbers]] block" in out and f"bridge failed redrive {text.key} --sandbox" in out
    (row,) = rows(bridge("show", text.key, "--json"))
    assert row["advice"].startswith("Add a [[numbers]] block") and row["error"] == "UnknownNumberError"
    code, out, err = bridge("show", "nobody-s-id")
    assert (code, out) == (1, "") and "the ledger knows no text nobody-s-id" in err


def test_nothing_in_the_queues_is_one_clear_line_each(bridge: Bridge) -> None:
    assert bridge("list") == (0, "nothing in failed\nnothing in undelivered\n", "")
    assert bridge("redrive") == (0, "nothing to put back\n", "")
    assert bridge("discard", "--all", "--yes") == (0, "nothing to discard\n", "")


def test_a_dry_run_says_what_would_be_put_back_and_does_nothing(phones: Phones, bridge: Bridge) -> None:
    who = customer(8120)
    first, second = (Text(customer=who, body="hello", ours=UNKNOWN) for _ in range(2))
    fail(phones, first, second)
    phones.sandbox.client("sqs").send_message(QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody="x")
    before = [(entry["MessageId"], entry["Attributes"]["ApproximateReceiveCount"]) for entry in phones.failed()]
    code, out, _ = bridge("redrive", "--dry-run", second.key)
    assert code == 0 and second.key in out and first.key not in out
    assert "1 text of 1 conversation, by the ledger" in out
    assert "1 of them ahead of an earlier text of their conversation" in out
    assert "about 1 in undelivered, as far as these options mean them" in out
    after = [(entry["MessageId"], entry["Attributes"]["ApproximateReceiveCount"]) for entry in phones.failed()]
    assert after == [(message_id, str(int(count) + 1)) for message_id, count in before]
    assert phones.outcome(second) == "failed" and phones.count("UndeliveredQueueUrl") == 1


def test_what_is_meant_is_redriven_and_the_rest_stays_and_its_story_is_told(phones: Phones, bridge: Bridge) -> None:
    """The second is put back ahead of the first: it fails again at once, since its number is still unknown."""
    who = customer(8130)
    first, second, other = (Text(customer=c, body="hello", ours=UNKNOWN) for c in (who, who, customer(8131)))
    fail(phones, first, second, other)
    failed_at = phones.item(second.key)["failed_at"]
    code, out, err = bridge("redrive", second.key, "nobody-s-id")
    assert code == 1 and "1 text put back on their queues" in out and "ahead of an earlier text" in out
    assert err.startswith("bridge: nobody-s-id is in neither queue")
    until(lambda: phones.item(second.key).get("failures") == 2, seconds=20, what="failed again")
    item = phones.item(second.key)
    assert item["failed_at"] > item["redriven_at"] > failed_at
    assert {phones.item(text.key)["failures"] for text in (first, other)} == {1}
    assert phones.count("FailedQueueUrl") == 3
    until(lambda: len(phones.failed()) == 3, seconds=5, what="all to be seen at once")


def test_what_sqs_itself_moved_to_failed_is_named_so_and_put_back(phones: Phones, bridge: Bridge) -> None:
    text = Text(customer=customer(8140), body="crashed over")
    with phones.fault("refuse"), received_once(phones):
        phones.publish(text.message())
        until(lambda: phones.count("FailedQueueUrl") == 1, seconds=30, what="moved by SQS")
    (entry,) = phones.failed()
    assert not entry.get("MessageAttributes") and phones.outcome(text) == "pending"
    code, out, _ = bridge("list")
    assert code == 0 and "about 1 more in the queue that the ledger does not call failed: SQS itself" in out
    code, out, _ = bridge("redrive", "--reason", "MovedBySqs")
    assert code == 0 and out.startswith(
        "1 text put back on their queues, 1 of which SQS itself had moved to failed after"
    )
    until(lambda: phones.outcome(text) == "forwarded", seconds=30, what="forwarded")
    assert phones.contents(text.customer) == [text.body]
    assert phones.item(text.key)["redriven_at"]


@contextmanager
def received_once(phones: Phones) -> Iterator[None]:
    """SQS gives up what was received once."""
    sqs, url = phones.sandbox.client("sqs"), phones.outputs["ConversationsQueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    policy = json.dumps(json.loads(before) | {"maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": before})


def test_what_never_reached_intake_is_handed_to_it_in_either_shape_and_shown_once(
    phones: Phones, bridge: Bridge
) -> None:
    crashed, not_handed = (Text(customer=customer(8150), body=body) for body in ("second", "first"))
    with intake_without_its_queue(phones):
        phones.publish(crashed.message())
        (envelope,) = until(
            phones.undelivered, seconds=60, what="Lambda's envelope, after SNS had it called three times"
        )
        assert json.loads(envelope["Body"])["requestContext"]["approximateInvokeCount"] == 3
        code, out, err = bridge("redrive")
        assert code == 1 and out == "" and err.startswith("bridge: 1 not handed over: ")
    phones.sandbox.client("sqs").send_message(
        QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody=sns_shape(phones, not_handed)
    )
    assert phones.item(crashed.key) == {} == phones.item(not_handed.key)
    code, out, _ = bridge("redrive")
    assert (code, out) == (0, "2 from undelivered handed to their function\n")
    for text in (crashed, not_handed):
        until(lambda text=text: phones.outcome(text) == "forwarded", seconds=30, what="forwarded")  # type: ignore[misc]
    assert phones.contents(crashed.customer) == ["first", "second"], "in the order in which they were published"
    assert phones.count("UndeliveredQueueUrl") == 0


@contextmanager
def intake_without_its_queue(phones: Phones) -> Iterator[None]:
    """A bad deploy: every try of intake fails."""
    function, name = phones.sandbox.client("lambda"), phones.outputs["IntakeFunctionName"]
    before = function.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    bad = before | {"CONVERSATIONS_QUEUE_URL": before["CONVERSATIONS_QUEUE_URL"].replace("Conversations", "Gone")}
    function.update_function_configuration(FunctionName=name, Environment={"Variables": bad})
    try:
        yield
    finally:
        function.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def sns_shape(phones: Phones, text: Text, *, ago: int = 60) -> str:
    """As SNS puts it on a subscription's dead-letter queue; published so many seconds ago."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": phones.outputs["InboundTopicArn"],
            "Message": text.message(),
            "Timestamp": (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(),
            "SignatureVersion": "1",
        }
    )


def test_a_streamed_message_that_never_reached_reply_intake_is_handed_to_it(phones: Phones, bridge: Bridge) -> None:
    text = Text(customer=customer(8160), body="hello", ours=START_CHAT)
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
    assert bridge("redrive")[0] == 0
    until(lambda: len(phones.simulator.phone(text.customer)) == 2, seconds=30, what="the second reply")
    assert [sent["body"] for sent in phones.simulator.phone(text.customer)] == ["first", "second"]


def test_a_streamed_message_that_cannot_be_read_is_in_failed_with_that_reason(phones: Phones, bridge: Bridge) -> None:
    attributes = {"Type": "MESSAGE", "MessageVisibility": "ALL", "ParticipantRole": "AGENT"}
    phones.sandbox.client("sns").publish(
        TopicArn=phones.outputs["StreamingTopicArn"],
        Message="no chat event at all",
        MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
    )
    (entry,) = until(phones.failed, seconds=60, what="in failed")
    assert entry["MessageAttributes"]["stage"]["StringValue"] == "reply-intake"
    (row,) = rows(bridge("list", "--json"))
    assert row["error"] == "MalformedNotificationError"


def test_a_failed_reply_is_found_by_its_phone_put_back_and_discarded(
    phones: Phones, bridge: Bridge, tmp_path: Path
) -> None:
    text = Text(customer=customer(8165), body="hello", ours=START_CHAT)
    phones.publish(text.message())
    until(lambda: phones.outcome(text) == "forwarded", seconds=60, what="forwarded")

    def refused(said: str) -> None:
        phones.simulator.settings(opted_out=[text.customer])
        phones.simulator.reply(phones.item(text.key)["contact"], said)
        until(phones.failed, seconds=60, what="the reply in failed")
        phones.simulator.settings(opted_out=[])

    refused("first")
    (row,) = rows(bridge("list", "--json", "--number", text.customer))
    assert row["error"] == "NotDeliverableError" and rows(bridge("list", "--json", "--number", UNKNOWN)) == []
    assert bridge("redrive", "--number", text.customer)[0] == 0
    until(lambda: phones.simulator.phone(text.customer), seconds=60, what="the first reply")
    refused("second")
    phones.sandbox.client("sqs").send_message(QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody='{"no": 1}')
    copy = tmp_path / "copy.jsonl"
    assert bridge("discard", "--number", text.customer, "--yes", "--copy", str(copy))[0] == 0
    assert (phones.count("FailedQueueUrl"), phones.count("UndeliveredQueueUrl")) == (0, 1), "the other is left"
    assert len(phones.undelivered()) == 1, "and at once to be seen"
    assert [sent["body"] for sent in phones.simulator.phone(text.customer)] == ["first"]


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def test_what_is_discarded_is_in_the_copy_and_the_ledger_says_so(
    phones: Phones, bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, other = (Text(customer=customer(8170 + n), body="hello", ours=UNKNOWN) for n in range(2))
    fail(phones, text, other)
    phones.sandbox.client("sqs").send_message(QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody='{"no": 1}')
    copy = tmp_path / "copy.jsonl"
    code, out, err = bridge("discard", text.key)
    assert code == 2 and "nobody to ask: say --yes" in err and phones.count("FailedQueueUrl") == 2
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = bridge("discard", text.key, "--copy", str(copy))
    assert code == 1 and "1 text of 1 conversation, by the ledger" in err and not copy.exists()
    assert phones.count("FailedQueueUrl") == 2 and phones.outcome(text) == "failed"
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = bridge("discard", text.key, "--copy", str(copy))
    assert (code, out.strip()) == (0, f"1 text discarded; what they were is in {copy}")
    (kept,) = map(json.loads, copy.read_text().splitlines())
    assert json.loads(json.loads(kept["body"])["Sns"]["Message"])["inboundMessageId"] == text.key
    assert (phones.outcome(text), phones.outcome(other)) == ("discarded", "failed")
    assert phones.count("FailedQueueUrl") == 1
    assert bridge("discard", other.key, "--yes", "--copy", str(copy))[0] == 2, "it overwrites nothing"
    code, out, _ = bridge("discard", "--all", "--yes", "--copy", str(tmp_path / "all.jsonl"))
    assert code == 0 and out.startswith("2 texts discarded")
    assert phones.count("FailedQueueUrl") == phones.count("UndeliveredQueueUrl") == 0
    queues = [json.loads(line)["queue"] for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert queues == ["failed", "undelivered"]
    assert text.key not in bridge("list")[1]


def test_a_thousand_entries_through_a_redrive_that_is_interrupted_and_killed_are_each_shown_once_and_in_order(
    phones: Phones, bridge: Bridge
) -> None:
    """Of a hundred conversations; put into failed directly, as forward would have."""
    phones.simulator.settings(rate=10_000, burst=10_000)
    texts = [Text(customer=customer(30_000 + n % 100), body=f"{n % 100}: {n // 100}") for n in range(1000)]
    put_into_failed(phones, texts)
    interrupted = redrive_until(phones, left=700)
    interrupted.terminate()  # as Ctrl-C, which a process in the background may be told to ignore
    _, said = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130 and "put back before that; run it again for the rest" in said
    killed = redrive_until(phones, left=350)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    left = phones.count("FailedQueueUrl")
    assert 0 < left < 400, "it was not killed half-way"
    code, out, err = bridge("redrive")
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
        "MessageGroupId": conversation_id(text.customer, OURS),
        "MessageDeduplicationId": text.key,
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in said.items()},
    }


def redrive_until(phones: Phones, *, left: int) -> subprocess.Popen[str]:
    """A redrive in a process of its own, once so few entries are left; it is still at work."""
    command = [sys.executable, "-m", "ops.cli", "failed", "redrive", "--sandbox", phones.sandbox.name]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"NO_COLOR": "1"})
    end = time.monotonic() + 120
    while phones.count("FailedQueueUrl") > left:
        assert process.poll() is None, "it ended early"
        assert time.monotonic() < end, "too slow"
        time.sleep(0.02)
    return process


def test_commands_do_the_same_for_a_stack_with_ordinary_credentials(
    phones: Phones, bridge: Bridge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The way to AWS, which ends here at the same local one."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", phones.sandbox.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", phones.sandbox.account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    where = ["--stack", phones.sandbox.stack, "--region", phones.sandbox.region]
    text = Text(customer=customer(8180), body="hello", ours=UNKNOWN)
    fail(phones, text)
    for command, said in (
        (["trace", text.key], f"text {text.key} to …0199: failed"),
        (["trace", "--from", text.customer, "--to", UNKNOWN], f"text {text.key} to …0199: failed"),
        (["failed", "list"], "1 UnknownNumberError: "),
        (["failed", "show", text.key[:8]], f"bridge failed redrive {text.key} {' '.join(where)}"),
        (["failed", "redrive", text.key], "1 text put back on their queues"),
        (["failed", "discard", "--all", "--yes", "--copy", str(tmp_path / "copy")], "1 text discarded"),
    ):
        if command[1] == "discard":
            until(lambda: phones.item(text.key).get("failures") == 2, seconds=20, what="failed again")
        assert run([*command, *where]) == 0
        assert said in capsys.readouterr().out
    assert run(["trace", "--from", text.customer, *where]) == 1, "of the numbers that are deployed there is none"
    assert "to any of 3 numbers" in capsys.readouterr().err
    assert run(["failed", "list", "--stack", "Other", "--region", phones.sandbox.region]) == 2
    assert "there is no stack Other in us-east-1" in capsys.readouterr().err
    assert run(["failed", "list", "--stack", phones.sandbox.stack, "--region", "eu-west-1"]) == 2
    assert f"there is no stack {phones.sandbox.stack} in eu-west-1" in capsys.readouterr().err
