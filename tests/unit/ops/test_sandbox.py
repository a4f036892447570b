"""`bridge sandbox`: which configuration it deploys, and what it says; playing the phone and the agent by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import httpx
import pytest

import ops.sandbox
from ops.cli import run
from ops.target import Target
from sandbox.lifecycle import Sandbox
from sandbox.state import ROOT, SandboxError

NUMBERS = """
[[numbers]]
number = "+12125550{last}"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
"""


def test_without_a_choice_the_users_own_bridge_toml_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed: list[Any] = []

    def up(*_: Any, **options: Any) -> Sandbox:
        deployed.append(options["config"])
        raise SandboxError("far enough")

    monkeypatch.setattr(Sandbox, "up", up)
    assert run(["sandbox", "up"]) == 2
    assert deployed == [ROOT / "bridge.toml"]


@pytest.mark.parametrize(
    ("last", "hint"), [(101, "events/\n"), (198, "events/ --to +12125550198\n")], ids=["there", "not-there"]
)
def test_the_samples_are_replayed_to_a_number_that_is_there(
    last: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(NUMBERS.format(last=last))
    monkeypatch.setattr(Sandbox, "up", lambda *_, **__: None)
    monkeypatch.setattr("ops.sandbox._show", lambda *_: None)
    assert run(["sandbox", "up", "--config", str(config)]) == 0
    assert f"replay texts: bridge replay {hint}" in capsys.readouterr().out


class Centre:
    """The simulator's controls, with two chats, and SNS; `played` are the requests."""

    def __init__(self) -> None:
        self.played: list[tuple[Any, ...]] = []
        self.trouble: Exception | None = None
        self.found: list[dict[str, Any]] = [
            {
                "contact": "11111111-aaaa",
                "source": "+14255550182",
                "display_name": "a name",
                "destination": "arn:1",
                "connected": True,
                "ended": False,
                "messages": [
                    {"role": "CUSTOMER", "content": "first", "at": 0},
                    {"role": "AGENT", "content": "two\nlines", "at": 0},
                ],
            },
            {
                "contact": "22222222-bbbb",
                "source": None,
                "display_name": "a name",
                "destination": "arn:2",
                "connected": False,
                "ended": False,
                "messages": [],
            },
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def status(self) -> Mapping[str, Any]:
        if self.trouble:
            raise self.trouble
        return {"accepted": 5, "chats": 2, "faults": [{"fault": "throttle"}, {"fault": "outage"}]}

    def numbers(self) -> list[dict[str, Any]]:
        return [{"number": f"+1212555010{n}", "arn": f"arn:{n}"} for n in (1, 2)]

    def chats(self) -> list[dict[str, Any]]:
        return self.found

    def __getattr__(self, name: str) -> Any:
        def play(*arguments: Any, **options: Any) -> dict[str, Any]:
            self.played.append((name, *arguments, *options.items()))
            if self.trouble:
                raise self.trouble
            return {"contact": "11111111-aaaa", "contact_id": "33333333-cccc", "source": "+14255550182"}

        return play


@pytest.fixture
def centre(monkeypatch: pytest.MonkeyPatch) -> Centre:
    """That of the sandbox `mine`."""
    centre = Centre()
    local: Any = SimpleNamespace(simulator=lambda: centre, client=lambda *_: centre)
    outputs = {"InboundTopicArn": "topic"}

    def in_sandbox(name: str) -> Target:
        assert name == "mine"
        return Target(where="sandbox mine", outputs=outputs, session=None, sandbox=local)

    monkeypatch.setattr(Target, "in_sandbox", in_sandbox)
    return centre


MINE = ("--name", "mine")


@pytest.mark.parametrize(
    ("arguments", "played", "said"),
    [
        (("reply", "1111", "hello"), ("reply", "1111", "hello"), "the agent replied to +14255550182"),
        (("transfer", "1111"), ("transfer", "1111"), "transferred, now contact 33333333"),
        (("end", "1111"), ("end", "1111"), "ended"),
    ],
)
def test_the_agent_is_played_by_hand(
    centre: Centre,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    played: tuple[str, ...],
    said: str,
) -> None:
    assert run(["sandbox", *arguments, *MINE]) == 0
    assert centre.played == [played]
    assert capsys.readouterr().out == f"chat 11111111: {said}\n"
    for trouble, why in (
        (ValueError("no chat begins with 1111"), "no chat begins with 1111; see: bridge sandbox chats"),
        (httpx.ConnectError("refused"), "the contact centre of sandbox mine does not answer"),
    ):
        centre.trouble = trouble
        assert run(["sandbox", *arguments, *MINE]) == 2
        assert capsys.readouterr().err == f"bridge: {why}\n"


def test_a_text_is_what_end_user_messaging_publishes(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    for to in ((), ("--to", "+12125550102")):
        assert run(["sandbox", "text", "+14255550182", "hello", *to, *MINE]) == 0
    messages = [json.loads(dict(options)["Message"]) for _, *options in centre.played]
    assert [dict(options)["TopicArn"] for _, *options in centre.played] == ["topic"] * 2
    assert len({message.pop("inboundMessageId") for message in messages}) == 2
    sms = {"originationNumber": "+14255550182", "messageKeyword": "KEYWORD_111122223333", "messageBody": "hello"}
    sms["previousPublishedMessageId"] = None  # type: ignore[assignment]
    assert messages == [sms | {"destinationNumber": f"+1212555010{n}"} for n in (1, 2)]
    assert capsys.readouterr().out == "+14255550182 -> +12125550101\n+14255550182 -> +12125550102\n"
    assert run(["sandbox", "text", "+14255550182", "hello", "--to", "+12125550109", *MINE]) == 2
    assert "is none of our numbers: +12125550101, +12125550102" in capsys.readouterr().err


def test_chats_are_listed_with_what_was_said_last(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", "chats", *MINE]) == 0
    at = time.strftime("%H:%M", time.localtime(0))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["chat", "customer", "to", "state", "n", "last"],
        ["11111111", "+14255550182", "+12125550101", "active", "2", at, "agent:", "two", "lines"],
        ["22222222", "a", "name", "+12125550102", "waiting", "0"],
    ]
    centre.found = [centre.found[0] | {"ended": True, "destination": None}]
    assert run(["sandbox", "chats", *MINE]) == 0
    assert capsys.readouterr().out.split()[6:10] == ["11111111", "+14255550182", "?", "ended"]
    centre.found = []
    assert run(["sandbox", "chats", *MINE]) == 0
    assert capsys.readouterr().out.startswith("no chats yet; start one with: bridge sandbox text")


def sandbox_up(name: str, tmp_path: Path, *, running: bool = True) -> Any:
    process = SimpleNamespace(running=running)
    return SimpleNamespace(
        name=name,
        endpoint_url="http://aws",
        simulator_url="http://centre",
        processes={"ministack": process, "double": process},
        outputs={"InboundTopicArn": "arn:topic"},
        stack="S",
        config=str(tmp_path / "mine.toml"),
        folder=tmp_path / name,
        simulator=Centre,
    )


def test_the_status_of_each_sandbox_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"mine": sandbox_up("mine", tmp_path), "other": sandbox_up("other", tmp_path, running=False)}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ops.sandbox, "names", lambda: [*known, "gone"])
    monkeypatch.setattr(Sandbox, "load", known.get)
    assert run(["sandbox", "status", *MINE]) == 0
    lines = [
        "  local AWS       http://aws",
        "  contact centre  http://centre (5 calls taken, 2 active chats, faults: throttle, outage)",
        "  stack           S, from mine.toml",
        "  topic           arn:topic",
    ]
    assert capsys.readouterr().out.splitlines() == ["sandbox mine: up", *lines, "  logs            mine/logs"]
    assert run(["sandbox", "status"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "sandbox mine: up"
    assert shown[6:9] == [
        "sandbox other: broken (start it again with: bridge sandbox up)",
        "  local AWS       http://aws (not running)",
        "  contact centre  http://centre (not running) (5 calls taken, 2 active chats, faults: throttle, outage)",
    ]
    for named, said in (((), "no sandbox is up"), (("--name", "gone"), "no sandbox gone is up")):
        known.clear()
        assert run(["sandbox", "status", *named]) == 1
        assert capsys.readouterr().out == f"{said}\n"


def test_a_sandbox_is_stopped_by_its_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ops.sandbox, "take_down", lambda name: name == "mine")
    for name in ("mine", "other"):
        assert run(["sandbox", "down", "--name", name]) == 0
    assert capsys.readouterr().out == "sandbox mine is stopped\nsandbox other was not up\n"
