"""`bridge failed list`, `show` and `discard` on real queues."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ops.cli import run
from tests.sandbox.failed import UNKNOWN, Bridge, fail, rows
from tests.sandbox.texts import START_CHAT, Phones, Text, customer, until


def test_what_is_failed_is_listed_from_the_ledger_and_nothing_is_received(
    phones: Phones, bridge_failed: Bridge
) -> None:
    texts = [Text(customer=customer(8100 + n), body="confidential", business_number=UNKNOWN) for n in range(2)]
    fail(phones, *texts)
    phones.publish(malformed := "no SMS at all: confidential")
    until(lambda: len(phones.failed()) == 3, seconds=30, what="in failed")
    receives = [entry["Attributes"]["ApproximateReceiveCount"] for entry in phones.failed()]

    def listed(*options: str) -> list[dict[str, Any]]:
        return rows(bridge_failed("list", "--json", *options))

    found = listed()
    assert [row["error"] for row in found] == ["UnknownNumberError"] * 2 + ["MalformedNotificationError"]
    assert [row["text_key"] for row in found[:2]] == [text.key for text in texts]
    assert found[0]["reason"] == phones.item(texts[0].key)["reason"] and found[0]["ours"] == "…0199"
    assert [row["error"] for row in listed("--reason", "MalformedNotificationError")] == ["MalformedNotificationError"]
    assert [row["text_key"] for row in listed("--number", texts[1].customer)] == [texts[1].key]
    assert [row["text_key"] for row in listed("--number", UNKNOWN)] == [text.key for text in texts]
    assert listed("--older", "1h") == [] and len(listed("--newer", "1h")) == 3
    code, out, _ = bridge_failed("list")
    assert code == 0 and "2 UnknownNumberError, the last: bridge.toml has no number …0199" in out
    for secret in ("confidential", texts[0].customer[1:], UNKNOWN[1:], phones.item(texts[0].key)["conversation"]):
        assert secret not in out
    again = [entry["Attributes"]["ApproximateReceiveCount"] for entry in phones.failed()]
    assert [int(count) for count in again] == [int(count) + 1 for count in receives], "only this test received"
    assert malformed not in out


def test_show_tells_what_became_of_a_text_and_what_to_do(phones: Phones, bridge_failed: Bridge) -> None:
    text = Text(customer=customer(8110), body="hello", business_number=UNKNOWN)
    fail(phones, text)
    code, out, _ = bridge_failed("show", text.key[:12])
    assert code == 0 and f"text {text.key} to …0199: failed" in out
    assert "Add a [[numbers]] block" in out and f"bridge failed redrive {text.key} --sandbox" in out
    (row,) = rows(bridge_failed("show", text.key, "--json"))
    assert row["advice"].startswith("Add a [[numbers]] block") and row["error"] == "UnknownNumberError"
    code, out, err = bridge_failed("show", "nobody-s-id")
    assert (code, out) == (1, "") and "the ledger knows no text nobody-s-id" in err


def test_nothing_in_the_queues_is_one_clear_line_each(bridge_failed: Bridge) -> None:
    assert bridge_failed("list") == (0, "nothing in failed\nnothing in undelivered\n", "")
    assert bridge_failed("redrive") == (0, "nothing to put back\n", "")
    assert bridge_failed("discard", "--all", "--yes") == (0, "nothing to discard\n", "")


def test_a_streamed_message_that_cannot_be_read_is_in_failed_with_that_reason(
    phones: Phones, bridge_failed: Bridge
) -> None:
    attributes = {"Type": "MESSAGE", "MessageVisibility": "ALL", "ParticipantRole": "AGENT"}
    phones.sandbox.client("sns").publish(
        TopicArn=phones.outputs["StreamingTopicArn"],
        Message="no chat event at all",
        MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
    )
    (entry,) = until(phones.failed, seconds=60, what="in failed")
    assert entry["MessageAttributes"]["stage"]["StringValue"] == "reply-intake"
    (row,) = rows(bridge_failed("list", "--json"))
    assert row["error"] == "MalformedNotificationError"


def test_a_failed_reply_is_found_by_its_phone_put_back_and_discarded(
    phones: Phones, bridge_failed: Bridge, tmp_path: Path
) -> None:
    text = Text(customer=customer(8165), body="hello", business_number=START_CHAT)
    phones.publish(text.message())
    until(lambda: phones.outcome(text) == "forwarded", seconds=60, what="forwarded")

    def refused(said: str) -> None:
        phones.simulator.settings(opted_out=[text.customer])
        phones.simulator.reply(phones.item(text.key)["contact"], said)
        until(phones.failed, seconds=60, what="the reply in failed")
        phones.simulator.settings(opted_out=[])

    refused("first")
    (row,) = rows(bridge_failed("list", "--json", "--number", text.customer))
    assert row["error"] == "NotDeliverableError" and rows(bridge_failed("list", "--json", "--number", UNKNOWN)) == []
    assert bridge_failed("redrive", "--number", text.customer)[0] == 0
    until(lambda: phones.simulator.phone(text.customer), seconds=60, what="the first reply")
    refused("second")
    phones.sandbox.client("sqs").send_message(QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody='{"no": 1}')
    copy = tmp_path / "copy.jsonl"
    assert bridge_failed("discard", "--number", text.customer, "--yes", "--copy", str(copy))[0] == 0
    assert (phones.count("FailedQueueUrl"), phones.count("UndeliveredQueueUrl")) == (0, 1), "the other is left"
    assert len(phones.undelivered()) == 1, "and at once to be seen"
    assert [sent["body"] for sent in phones.simulator.phone(text.customer)] == ["first"]


class Terminal(io.StringIO):
    """A terminal with a user who answers."""

    def isatty(self) -> bool:
        return True


def test_what_is_discarded_is_in_the_copy_and_the_ledger_says_so(
    phones: Phones, bridge_failed: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, other = (Text(customer=customer(8170 + n), body="hello", business_number=UNKNOWN) for n in range(2))
    fail(phones, text, other)
    phones.sandbox.client("sqs").send_message(QueueUrl=phones.outputs["UndeliveredQueueUrl"], MessageBody='{"no": 1}')
    copy = tmp_path / "copy.jsonl"
    code, out, err = bridge_failed("discard", text.key)
    assert code == 2 and "nobody to ask: say --yes" in err and phones.count("FailedQueueUrl") == 2
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = bridge_failed("discard", text.key, "--copy", str(copy))
    assert code == 1 and "1 text of 1 conversation, by the ledger" in err and not copy.exists()
    assert phones.count("FailedQueueUrl") == 2 and phones.outcome(text) == "failed"
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = bridge_failed("discard", text.key, "--copy", str(copy))
    assert (code, out.strip()) == (0, f"1 text discarded; what they were is in {copy}")
    (kept,) = map(json.loads, copy.read_text().splitlines())
    assert json.loads(json.loads(kept["body"])["Sns"]["Message"])["inboundMessageId"] == text.key
    assert (phones.outcome(text), phones.outcome(other)) == ("discarded", "failed")
    assert phones.count("FailedQueueUrl") == 1
    assert bridge_failed("discard", other.key, "--yes", "--copy", str(copy))[0] == 2, "it overwrites nothing"
    code, out, _ = bridge_failed("discard", "--all", "--yes", "--copy", str(tmp_path / "all.jsonl"))
    assert code == 0 and out.startswith("2 texts discarded")
    assert phones.count("FailedQueueUrl") == phones.count("UndeliveredQueueUrl") == 0
    queues = [json.loads(line)["queue"] for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert queues == ["failed", "undelivered"]
    assert text.key not in bridge_failed("list")[1]


def test_commands_do_the_same_for_a_stack_with_ordinary_credentials(
    phones: Phones,
    bridge_failed: Bridge,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """With the environment of a user of AWS, whose endpoint is the local AWS here."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", phones.sandbox.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", phones.sandbox.account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    where = ["--stack", phones.sandbox.stack, "--region", phones.sandbox.region]
    text = Text(customer=customer(8180), body="hello", business_number=UNKNOWN)
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
