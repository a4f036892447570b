"""`bridge demo`: what it shows, and when it fails."""

from __future__ import annotations

import io
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import ops.demo
from infra.config import load
from ops.cli import run
from ops.demo import ANSWER, CONFIG, QUESTION, THANKS, Dialogue, broken_promises, chat_panel, numbers_by_delivery
from ops.replay.outcomes import Outcome, Result
from ops.replay.samples import read
from ops.target import Target
from sandbox.lifecycle import Sandbox
from sandbox.state import ROOT, SandboxError


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


def shown(chat: dict[str, Any], *phone: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(chat_panel(chat, number="+12125550101", phone=phone))
    assert all(len(line) <= 80 for line in out.getvalue().splitlines())
    return out.getvalue()


def test_a_chat_shows_who_what_where_and_whether_it_has_ended() -> None:
    messages = [{"at": 0, "content": "[bold]Hi[/bold]"}, {"at": 1, "content": "x" * 250}]
    chat = {"source": "+14255550182", "display_name": "Ann", "attributes": {"queue": "sales"}, "messages": messages}
    text = shown(chat | {"ended": True})
    for piece in ("Ann", "[bold]Hi[/bold]", "… and 50 more characters", "the customer ended the chat", "sales"):
        assert piece in text
    assert "active" in shown(chat | {"ended": False, "attributes": None})


def test_an_answer_stands_in_the_chat_and_below_it_how_the_phone_got_it() -> None:
    messages = [{"at": 0, "content": "Hi", "role": "CUSTOMER"}, {"at": 1, "content": "Hello", "role": "AGENT"}]
    chat = {"source": "+14255550182", "display_name": None, "ended": False, "messages": messages}
    lines = shown(chat, {"at": 2, "by": "SendTextMessage", "from": "+12125550101", "body": "Hello"}).splitlines()
    assert [line.split(maxsplit=1)[1].strip() for line in lines[1:4]] == [
        "Hi",
        "agent: Hello",
        "↳ on the phone, sent by the bridge from +12125550101",
    ]


SAID = [("CUSTOMER", QUESTION), ("AGENT", ANSWER), ("CUSTOMER", THANKS)]


@pytest.mark.parametrize(
    ("said", "got", "broken"),
    [
        (SAID, [ANSWER], None),
        (SAID[:2], [ANSWER], "start-chat: the agent's chat has 2 of 3 messages, or others"),
        (SAID, [], "start-chat: the phone got 0 texts, not the agent's answer alone"),
        (SAID, [ANSWER, ANSWER], "start-chat: the phone got 2 texts, not the agent's answer alone"),
    ],
)
def test_a_dialogue_is_whole_or_says_what_is_missing(
    said: list[tuple[str, str]], got: list[str], broken: str | None
) -> None:
    chat = {"messages": [{"role": role, "content": content} for role, content in said]}
    phone = [{"body": body} for body in got]
    one = Dialogue(delivery="start-chat", number="+12125550198", customer="+14255550191", chat=chat, phone=phone)
    assert one.broken == broken


def test_the_demo_deploys_its_own_configuration_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed: list[Any] = []

    def up(*_: Any, **options: Any) -> Sandbox:
        deployed.append(options["config"])
        raise SandboxError("far enough")

    monkeypatch.setattr(Sandbox, "up", up)
    assert run(["demo"]) == 2
    assert deployed == [ROOT / "sandbox/demo.toml"]


def test_the_demo_has_a_number_of_each_delivery_and_those_that_are_texted() -> None:
    config = load(CONFIG)
    assert sorted(numbers_by_delivery(config)) == ["integration-event", "start-chat"]
    samples = [sample for file in read([ROOT / "events/forwarded"]) for sample in file.samples]
    texted = {sample.parsed("m").required().destination_number for sample in samples}
    assert texted <= {number.number for number in config.numbers}


@pytest.mark.parametrize("broken", ["", "the answer did not reach the phone"])
def test_the_demo_shows_outcomes_chats_and_answers_and_stops_its_sandbox(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    stopped: list[str] = []
    sandbox = SimpleNamespace(name="demo", down=lambda: stopped.append("demo"))
    centre = SimpleNamespace(chats=list)
    results = [result("events/forwarded/hello.json", "forwarded"), result("events/failed/odd.json", "failed")]
    monkeypatch.setattr(Sandbox, "up", lambda *_, **__: sandbox)
    monkeypatch.setattr(Target, "in_sandbox", lambda name: name)
    monkeypatch.setattr(ops.demo, "replay", lambda target, paths, **_: results if target == "demo" else paths)
    monkeypatch.setattr(ops.demo, "contact_centre", lambda _: nullcontext(centre))
    monkeypatch.setattr(
        ops.demo,
        "play",
        lambda *_, delivery, number, **__: SimpleNamespace(
            delivery=delivery, number=number, chat=None, phone=[], broken=broken if delivery == "start-chat" else ""
        ),
    )
    assert run(["demo"]) == (1 if broken else 0)
    shown = capsys.readouterr().out
    headings = ("a sandbox on this", "events/, published", "the chats, as", "both ways", "in the failed queue")
    assert [line for line in headings if line in shown] == [*headings]
    assert "delivery = integration-event\ndelivery = start-chat\n" in shown and "failed/odd: None" in shown
    assert "2 notifications: 1 forwarded, 1 failed; 0 chats" in shown
    assert (f"not as promised: {broken}\n" in shown) == bool(broken)
    assert ("each event ended as its folder promises" in shown) == (not broken)
    assert stopped == ["demo"]
