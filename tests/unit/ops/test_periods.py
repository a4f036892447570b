"""How far back `bridge trace --from` and the options of `bridge failed list` look, and in which order."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from testing.account import OTHER_BUSINESS_NUMBER, Account
from testing.builders import BUSINESS_NUMBER, CUSTOMER, OTHER_CUSTOMER, payload, record
from testing.chat_events import CHAT
from testing.scenarios import batch, open_chat


@pytest.fixture
def deployed(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account whose function archive can be downloaded."""
    account.always["GetFunction"] = {"Code": {"Location": "https://example.com/archive.zip"}}

    def get(_: httpx.Client, url: str) -> httpx.Response:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("bridge/config.json", json.dumps(account.config))
        return httpx.Response(200, content=archive.getvalue(), request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx.Client, "get", get)
    return account


def recorded(account: Account, key: str, *, hours: float, conversation: str, **more: Any) -> None:
    """Put an item into the ledger that was received so many hours ago."""
    at = str(int((datetime.now(UTC) - timedelta(hours=hours)).timestamp() * 1000))
    account.tables["Ledger"].items[key] = {
        "text_key": {"S": key},
        "conversation": {"S": conversation},
        "outcome": {"S": "forwarded"},
        "first_seen_at": {"N": at},
        "received_at": {"N": at},
        **more,
    }


def conversation_of(account: Account, customer: str, business_number: str) -> str:
    """The message group of a text, as intake sets it."""
    account.call("intake", batch(record(payload(originationNumber=customer, destinationNumber=business_number))))
    group = account.of("SendMessage")[-1]["MessageGroupId"]
    account.tables["Ledger"].items.clear()
    account.requests.clear()
    return str(group)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["d", "c", "b", "a"]),
        (("--hours", "5"), ["b", "a"]),
        (("--hours", "2.5"), ["a"]),
        (("--hours", "0.5"), []),
        (("--hours", "384"), ["e", "d", "c", "b", "a"]),
        (("--to", BUSINESS_NUMBER), ["d", "b", "a"]),
    ],
)
def test_trace_shows_what_came_within_the_hours_the_oldest_first(
    deployed: Account, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], expected: list[str]
) -> None:
    one, two = (
        conversation_of(deployed, CUSTOMER, business_number)
        for business_number in (BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER)
    )
    other = conversation_of(deployed, OTHER_CUSTOMER, BUSINESS_NUMBER)
    for key, hours, conversation in (
        *(("a", 1, one), ("b", 3, one), ("c", 6, two), ("d", 23.9, one), ("e", 24.1, one)),
        ("x", 1, other),
    ):
        recorded(deployed, key, hours=hours, conversation=conversation)
    code = deployed.command("trace", "--from", CUSTOMER, "--stack", "SmsToConnect", "--json", *options)
    shown = [json.loads(line)["text_key"] for line in capsys.readouterr().out.splitlines()]
    assert (shown, code) == (expected, 0 if expected else 1)


@pytest.mark.parametrize(("hours", "code"), [("0.01", 1), ("0.009", 2), ("384", 1), ("384.1", 2)])
def test_the_hours_that_trace_takes_are_those_that_the_ledger_keeps(
    deployed: Account, capsys: pytest.CaptureFixture[str], hours: str, code: int
) -> None:
    assert deployed.command("trace", "--from", CUSTOMER, "--stack", "S", "--hours", hours) == code
    if code == 2:
        end = "greater than or equal to 0.01" if hours == "0.009" else "less than or equal to 384"
        assert end in capsys.readouterr().err


def test_trace_shows_replies_of_the_latest_chat_and_of_every_chat_with_a_text(
    deployed: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    open_chat(deployed)  # the latest, with CHAT as its contact
    group = conversation_of(deployed, CUSTOMER, OTHER_BUSINESS_NUMBER)
    recorded(deployed, "text", hours=3, conversation=group, contact={"S": "earlier"})
    recorded(deployed, "reply-1", hours=2, conversation="earlier", stage={"S": "reply"})
    recorded(deployed, "reply-2", hours=1, conversation=CHAT, stage={"S": "reply"})
    recorded(deployed, "reply-3", hours=1, conversation="somebody-else", stage={"S": "reply"})
    assert deployed.command("trace", "--from", CUSTOMER, "--stack", "S", "--json") == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["text_key"], one["direction"]) for one in shown] == [
        ("text", "in"),
        ("reply-1", "out"),
        ("reply-2", "out"),
    ]


@pytest.mark.parametrize(
    ("option", "duration", "shown"),
    [("--older", "1h", ["old"]), ("--newer", "1h", ["new"]), ("--older", "3h", []), ("--newer", "3h", ["old", "new"])],
)
def test_failed_list_takes_what_failed_before_or_after_so_long_ago(
    account: Account, capsys: pytest.CaptureFixture[str], option: str, duration: str, shown: list[str]
) -> None:
    for key, hours in (("new", 0.9), ("old", 2)):
        at = datetime.now(UTC) - timedelta(hours=hours)
        recorded(
            account, key, hours=hours, conversation="g", outcome={"S": "failed"},
            failed_on={"S": at.date().isoformat()}, failed_at={"N": str(int(at.timestamp() * 1000))},
        )  # fmt: skip
    assert account.command("failed", "list", option, duration, "--stack", "S", "--json") == 0
    assert [json.loads(line)["text_key"] for line in capsys.readouterr().out.splitlines()] == shown
