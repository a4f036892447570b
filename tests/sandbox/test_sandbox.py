"""The sandbox itself: it ends what it starts, and its injected faults are real network faults."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from ops.cli import run
from ops.target import Target, TargetError
from sandbox.lifecycle import Sandbox, take_down
from sandbox.process_group import ProcessGroup
from sandbox.state import SandboxError
from tests.sandbox.texts import BUSINESS_NUMBER, Phones, Text, until

ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef"


@pytest.fixture
def connect(sandbox: Sandbox, phones: Phones) -> Iterator[Any]:
    """A client of the simulator with a timeout of one second and no retries."""
    with closing(sandbox.client("connect", Config(read_timeout=1, retries={"total_max_attempts": 1}))) as client:
        yield client


def send(connect: Any, content: str) -> Any:
    event = {"Type": "MESSAGE", "ContentType": "text/plain", "Content": content}
    return connect.send_chat_integration_event(
        SourceId="+14255550111", DestinationId=ARN, Subtype="connect:sms", Event=event
    )


def taken(phones: Phones) -> list[str]:
    return [entry["content"] for entry in phones.shown()]


def test_a_text_reaches_a_chat(phones: Phones) -> None:
    text = Text(customer="+14255550112", body="hello")
    phones.send([text])
    until(lambda: phones.outcome(text) == "forwarded", seconds=60, what="the text forwarded")
    (chat,) = phones.simulator.chats()
    assert [message["content"] for message in chat["messages"]] == ["hello"]
    assert chat["attributes"]["destinationNumber"] == BUSINESS_NUMBER


def test_a_call_that_hangs_has_no_effect(connect: Any, phones: Phones) -> None:
    phones.simulator.fault("hang", times=1, seconds=5)
    with pytest.raises(ReadTimeoutError):
        send(connect, "hangs")
    send(connect, "next")
    assert taken(phones) == ["next"]


def test_a_hang_ends_without_a_response(connect: Any, phones: Phones) -> None:
    phones.simulator.fault("hang", times=1, seconds=0.2)
    with pytest.raises(ConnectionClosedError):
        send(connect, "hangs")
    assert taken(phones) == []


def test_a_reset_before_the_call_has_no_effect(connect: Any, phones: Phones) -> None:
    phones.simulator.fault("reset-before", times=2)
    for _ in range(2):
        with pytest.raises(ConnectionClosedError):
            send(connect, "lost")
    send(connect, "next")
    assert taken(phones) == ["next"]


def test_a_reset_after_the_call_loses_only_the_response(connect: Any, phones: Phones) -> None:
    phones.simulator.fault("reset-after", times=1)
    with pytest.raises(ConnectionClosedError):
        send(connect, "taken")
    assert taken(phones) == ["taken"]
    assert send(connect, "next")["NewChatCreated"] is False
    assert [entry["answered"] for entry in phones.shown()] == [False, True]


def test_a_reset_is_a_tcp_reset(sandbox: Sandbox, phones: Phones) -> None:
    phones.simulator.fault("reset-before", times=1)
    with socket.create_connection(("127.0.0.1", sandbox.simulator_port), timeout=5) as connection:
        connection.sendall(b"POST /chat-integration-event HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_the_quota_is_connects_own(connect: Any, phones: Phones) -> None:
    answers = []
    for n in range(60):
        try:
            answers.append(send(connect, str(n)))
        except connect.exceptions.ThrottlingException:
            break
    assert len(answers) >= 26
    assert len(phones.shown()) == len(answers)


def test_what_is_up_is_deployed_again_and_its_processes_stay(sandbox: Sandbox) -> None:
    steps: list[str] = []
    again = Sandbox.up(sandbox.name, port=0, simulator_port=0, config=Path(sandbox.config), on_step=steps.append)
    assert "already up" in steps[0]
    assert again.processes == sandbox.processes
    assert again.outputs == sandbox.outputs


def test_a_configuration_with_mistakes_is_told_and_the_sandbox_stays_up(sandbox: Sandbox, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[[numbers]]\nnumber = "12"\narn = "x"\n')
    with pytest.raises(SandboxError, match="cdk synth failed") as caught:
        sandbox.deploy(bad)
    assert len([line for line in caught.value.tail if "bad.toml" in line]) == 2
    assert Sandbox.attach(sandbox.name).config == sandbox.config


def test_an_interrupted_start_leaves_nothing_running(sandbox: Sandbox) -> None:
    name = f"{sandbox.name}-interrupted"
    started: list[ProcessGroup] = []

    def interrupt(step: str) -> None:
        if step == "cdk bootstrap":
            half = Sandbox.load(name)
            assert half
            started.extend(half.processes.values())
            assert all(process.running for process in started)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Sandbox.up(name, port=0, simulator_port=0, config=Path(sandbox.config), on_step=interrupt)
    assert len(started) == 2
    assert not any(process.running for process in started)
    assert Sandbox.load(name) is None
    assert [path.name for path in (sandbox.folder.parent / name).iterdir()] == ["logs"]
    take_down(name)
    assert not (sandbox.folder.parent / name).exists()


def test_a_port_that_is_taken_is_one_line(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    taken = str(sandbox.port)
    other = ["--name", f"{sandbox.name}-other", "--config", sandbox.config]
    assert run(["sandbox", "up", *other, "--port", taken]) == 2
    assert capsys.readouterr().err == f"bridge: port {taken} is taken; choose another with --port\n"


def test_status_shows_where_things_are(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", "status", "--name", sandbox.name]) == 0
    shown = capsys.readouterr().out
    assert f"sandbox {sandbox.name}: up" in shown
    assert sandbox.endpoint_url in shown
    assert sandbox.simulator_url in shown
    assert run(["sandbox", "status", "--name", "nobody"]) == 1


def test_a_stack_is_found_by_its_name(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": sandbox.endpoint_url,
        "AWS_REGION": sandbox.region,
        "AWS_DEFAULT_REGION": sandbox.region,
        "AWS_ACCESS_KEY_ID": sandbox.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)
    target = Target.choose(stack=sandbox.stack)
    assert target.outputs == sandbox.outputs
    assert target.where == f"stack {sandbox.stack} in us-east-1"
    with pytest.raises(TargetError, match="there is no stack Nothing in us-east-1"):
        Target.choose(stack="Nothing")
    with pytest.raises(TargetError, match="CDKToolkit in us-east-1 is not a bridge"):
        Target.choose(stack="CDKToolkit")
