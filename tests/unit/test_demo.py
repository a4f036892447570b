"""What bridge demo shows and what it insists on."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from ops.demo import broken_promises, chat_panel
from ops.outcomes import Outcome, Result


def result(file: str, outcome: Outcome, key: str = "a") -> Result:
    return Result(file=file, inbound_message_id=key, text_key=key, message_id="m", outcome=outcome)


def test_a_kept_promise_is_not_mentioned() -> None:
    results = [
        result("events/forwarded/hello.json", "forwarded"),
        result("events/failed/not-json.json", "failed"),
        result("events/duplicate/twice.json", "duplicate"),
        result("events/duplicate/twice.json", "forwarded"),
    ]
    assert broken_promises(results) == []


def test_each_broken_promise_is_one_line() -> None:
    results = [
        result("events/forwarded/hello.json", "waiting"),
        result("events/duplicate/twice.json", "forwarded"),
        result("events/duplicate/twice.json", "forwarded"),
        result("events/failed/not-json.json", "failed"),
    ]
    assert broken_promises(results) == [
        "forwarded/hello: waiting; promised: forwarded",
        "duplicate/twice: forwarded, forwarded; promised: duplicate, forwarded",
    ]


def shown(chat: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(chat_panel(chat, number="+12125550101"))
    assert all(len(line) <= 80 for line in out.getvalue().splitlines())
    return out.getvalue()


def test_a_chat_shows_who_what_where_and_whether_it_has_ended() -> None:
    messages = [{"at": 0, "content": "[bold]Hi[/bold]"}, {"at": 1, "content": "x" * 250}]
    chat = {"source": "+14255550182", "display_name": "Ann", "attributes": {"queue": "sales"}, "messages": messages}
    text = shown(chat | {"ended": True})
    for piece in ("Ann", "[bold]Hi[/bold]", "… and 50 more characters", "the customer ended the chat", "sales"):
        assert piece in text
    assert "active" in shown(chat | {"ended": False, "attributes": None})
