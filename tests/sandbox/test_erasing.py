"""Erasing a customer with the commands of docs/operations.md."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ops.cli import run
from tests.sandbox.texts import BUSINESS_NUMBER, START_CHAT, Phones, Text, customer, forwarded, until

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"(?s)<<'END'\n(.*?)\n +END\n", PAGE)


def rows(phones: Phones, output: str) -> list[Any]:
    pages = phones.sandbox.client("dynamodb").get_paginator("scan").paginate(TableName=phones.outputs[output])
    return [item for page in pages for item in page["Items"]]


def about(phones: Phones, secrets: list[str]) -> list[Any]:
    """Items of ledger and chats that contain one of these values."""
    items = [*rows(phones, "LedgerTableName"), *rows(phones, "ChatsTableName")]
    return [item for item in items if any(secret in json.dumps(item) for secret in secrets)]


def test_an_erased_customer_is_in_neither_table_and_others_stay(
    phones: Phones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, stays = customer(8100), customer(8101)
    texts = [
        Text(customer=who, body="hello there", business_number=business_number)
        for who in (gone, stays)
        for business_number in (BUSINESS_NUMBER, START_CHAT)
    ]
    phones.send(texts)
    until(lambda: forwarded(phones, texts), seconds=60, what="forwarded")
    for who in (gone, stays):
        phones.simulator.reply(
            [chat["contact"] for chat in phones.simulator.chats() if chat["source"] == who][-1], "hi"
        )
        until(lambda who=who: phones.simulator.phone(who), seconds=60, what="on the phone")  # type: ignore[misc]
    of_gone, of_others = (
        [gone, *(phones.item(text.key)["conversation"] for text in texts[:2]), phones.item(texts[1].key)["contact"]],
        [stays, *(phones.item(text.key)["conversation"] for text in texts[2:]), phones.item(texts[3].key)["contact"]],
    )
    before = about(phones, of_others)
    assert len(about(phones, of_gone)) == 5 and len(before) == 5

    capsys.readouterr()
    command = ["trace", "--from", gone, "--hours", "384", "--json", "--show-content"]
    assert run([*command, "--sandbox", phones.sandbox.name]) == 0
    (tmp_path / "customer.jsonl").write_text(capsys.readouterr().out)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL": phones.sandbox.endpoint_url,
        "AWS_DEFAULT_REGION": phones.sandbox.region,
        "AWS_ACCESS_KEY_ID": phones.sandbox.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)
    script = textwrap.dedent(SCRIPT)
    for name, output in (("LEDGER", "LedgerTableName"), ("CHATS", "ChatsTableName")):
        assert f'"{name}"' in script
        script = script.replace(name, phones.outputs[output])
    exec(script, {})

    assert about(phones, of_gone) == []
    assert about(phones, of_others) == before
