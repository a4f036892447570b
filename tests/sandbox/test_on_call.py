"""Two incidents, handled with the commands of docs/operations.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.cli import run
from sandbox.lifecycle import Sandbox
from tests.sandbox.alarms import Watch
from tests.sandbox.texts import (
    Phones,
    Text,
    assert_each_shown_once_in_the_order_of_the_queue,
    customer,
    forwarded,
    until,
)

FORGOTTEN = "+12125550104"
BLOCK = f"""
[[numbers]]
number = "{FORGOTTEN}"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-44444444444444444444444444444444"
"""


def test_texts_of_a_number_missing_in_bridge_toml_are_redriven_later(
    phones: Phones, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [
        Text(
            customer=customer(9500 + c), body=f"forgotten {c}: {n}", business_number=FORGOTTEN, key=f"forgotten-{c}-{n}"
        )
        for n in range(4)
        for c in range(5)
    ]
    phones.send(texts)
    until(lambda: all(phones.outcome(text) == "failed" for text in texts), seconds=60, what="all in failed")
    reasons = {item["reason"] for item in phones.items(texts).values()}
    assert reasons == {"bridge.toml has no number …0104: add a [[numbers]] block, deploy, redrive"}
    assert phones.shown() == []

    without, config = Path(sandbox.config), tmp_path / "bridge.toml"
    config.write_text(without.read_text(encoding="utf-8") + BLOCK, encoding="utf-8")
    sandbox.deploy(config)
    try:
        assert run(["failed", "redrive", "--sandbox", sandbox.name]) == 0
        until(lambda: forwarded(phones, texts), seconds=60, what="all forwarded")
        assert_each_shown_once_in_the_order_of_the_queue(phones, texts)
        assert phones.count("FailedQueueUrl") == 0
    finally:
        sandbox.deploy(without)


def test_texts_wait_while_connect_refuses_access_and_doctor_says_why(
    phones: Phones, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch.begin(sandbox)
    texts = [Text(customer=customer(9600 + c), body=f"refused {c}: {n}") for n in range(3) for c in range(5)]
    heads = texts[:5]
    with phones.fault("refuse", operation="SendChatIntegrationEvent"):
        phones.queue(heads)
        phones.send(texts[5:])
        until(lambda: all(phones.item(head.key).get("retries") for head in heads), seconds=90, what="held")
        until(lambda: phones.waiting() == len(texts), seconds=20, what="all queued")
        assert phones.shown() == []
        until(lambda: watch.on() == {"AlarmTextsBlocked"}, seconds=20, what="the alarm")

        assert run(["trace", heads[0].key, "--sandbox", sandbox.name]) == 0
        assert "AccessDeniedException" in capsys.readouterr().out
        assert run(["doctor", "--sandbox", sandbox.name, "--json"]) == 1
        wrong = [
            check for line in capsys.readouterr().out.splitlines() if (check := json.loads(line))["state"] == "fail"
        ]
        assert [check["check"] for check in wrong] == ["SendChatIntegrationEvent"]
        assert 'delivery = "start-chat"' in wrong[0]["remedy"]
    until(lambda: forwarded(phones, texts), seconds=60, what="drained by themselves")
    assert_each_shown_once_in_the_order_of_the_queue(phones, texts)
    assert phones.count("FailedQueueUrl") == 0, "nothing was there to redrive"
    assert Watch.begin(sandbox).on() == set()
