"""`bridge trace` with a real ledger: texts that are delivered, waiting or unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ops.cli import run
from tests.sandbox.texts import BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER, START_CHAT, Phones, Text, customer, until

Trace = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def trace(phones: Phones, capsys: pytest.CaptureFixture[str]) -> Trace:
    """The rows of `bridge trace --json`."""

    def rows(*arguments: str, code: int = 0) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert run(["trace", *arguments, "--sandbox", phones.sandbox.name, "--json"]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return rows


def events(row: dict[str, Any]) -> list[str]:
    return [event["event"] for event in row["events"]]


def test_a_delivered_text_is_found_by_its_id_and_by_that_of_sns(phones: Phones, trace: Trace) -> None:
    text = Text(customer=customer(9700), body="hello")
    sns_id = phones.publish(text.message())
    until(lambda: phones.outcome(text) == "forwarded", seconds=20, what="forwarded")
    (row,) = trace(text.key)
    assert events(row) == ["sent", "received", "delivered"]
    (shown,) = (entry for entry in phones.shown() if entry["source"] == text.customer)
    assert (row["contact"], row["new_chat"], row["parts"], row["attempts"]) == (shown["contact"], True, 1, 1)
    assert row["sns_message_id"] == sns_id
    assert trace(sns_id) == [row]


def test_texts_that_wait_are_known_since_they_were_queued_and_say_why_they_wait(phones: Phones, trace: Trace) -> None:
    texts = [Text(customer=customer(9701), body=f"text {n}") for n in range(2)]
    with phones.fault("refuse"):
        for text in texts:
            phones.publish(text.message())
            until(lambda text=text: phones.item(text.key), seconds=20, what="known")  # type: ignore[misc]
        until(lambda: phones.item(texts[0].key).get("error"), seconds=20, what="tried")
        (head,) = trace(texts[0].key)
        (follower,) = trace(texts[1].key)
        assert (events(head), head["error"]) == (["sent", "received", "waiting"], "AccessRefusedError")
        assert (events(follower), follower["attempts"]) == (["sent", "received", "waiting"], 0)
        assert "AccessDenied" in head["events"][-1]["detail"] and "not tried" in follower["events"][-1]["detail"]
    until(lambda: phones.outcome(texts[1]) == "forwarded", seconds=30, what="forwarded")
    assert events(trace(texts[0].key)[0]) == ["sent", "received", "delivered"]


def test_trace_from_a_number_tells_its_texts_to_all_numbers_and_replies(
    phones: Phones, trace: Trace, capsys: pytest.CaptureFixture[str]
) -> None:
    who = customer(9702)
    texts = [
        Text(customer=who, body="hello", business_number=business_number)
        for business_number in (BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER, START_CHAT)
    ]
    for text in texts:
        phones.publish(text.message())
        until(lambda text=text: phones.outcome(text) == "forwarded", seconds=20, what="forwarded")  # type: ignore[misc]
    contact = phones.item(texts[2].key)["contact"]
    phones.simulator.reply(contact, "How can I help?")
    until(lambda: phones.simulator.phone(who), seconds=20, what="the reply")
    rows = until(lambda: len(found := trace("--from", who)) == 4 and found, seconds=20, what="all are known")
    assert [row["text_key"] for row in rows[:3]] == [text.key for text in texts]
    assert [row["direction"] for row in rows] == ["in", "in", "in", "out"]
    until(lambda: trace("--from", who)[3]["outcome"] == "forwarded", seconds=20, what="sent on")
    reply = trace("--from", who)[3]
    assert (events(reply), reply["contact"]) == (["sent", "received", "sent on"], contact)
    assert [row["text_key"] for row in trace("--from", who, "--to", OTHER_BUSINESS_NUMBER)] == [texts[1].key]
    assert run(["trace", "--from", who, "--sandbox", phones.sandbox.name]) == 0
    said = capsys.readouterr().out
    assert said.count("delivered") == 3 and "sent to the phone" in said
    for secret in (who[1:], BUSINESS_NUMBER[1:], "hello", "How can I help", phones.item(texts[0].key)["conversation"]):
        assert secret not in said


def test_a_text_that_nobody_knows_is_one_line_and_exit_code_1(
    phones: Phones, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["nobody-s-id"], "the ledger knows no text nobody-s-id: older than 16 days, or it never reached intake"),
        (["--from", customer(9799)], f"nothing from …{customer(9799)[-4:]} to any of 3 numbers in the last 24 h"),
    ):
        assert run(["trace", *arguments, "--sandbox", phones.sandbox.name]) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1 and said in captured.err
