"""The record of the functions' AWS calls: function, operation and resource, and no text."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.call_recorder import FUNCTION, Recorder

SIGNED = b"AWS4-HMAC-SHA256 Credential=111122223333/20261001/us-east-1/sqs/aws4_request, Signature=0"
BODY = {"QueueUrl": "https://queue", "MessageBody": "confidential", "MessageGroupId": "0123", "DelaySeconds": 0}


def call(recorder: Recorder, *, token: str | None, body: bytes, target: bytes = b"AmazonSQS.SendMessage") -> None:
    headers = [(b"authorization", SIGNED), *([(b"x-amz-target", target)] if target else [])]
    headers += [(b"X-Amz-Security-Token", token.encode())] if token is not None else []
    halves = [{"type": "http.request", "body": half} for half in (body[:10], body[10:])]

    async def receive() -> dict[str, Any]:
        return halves.pop(0)

    async def send(_: dict[str, Any]) -> None: ...

    scope = {"type": "http", "method": "PUT", "path": "/contact/chat", "headers": headers}
    asyncio.run(recorder(scope, receive, send))


async def reads(_: dict[str, Any], receive: Any, __: Any) -> None:
    await receive()
    await receive()


async def fails(_: dict[str, Any], receive: Any, __: Any) -> None:
    await reads(_, receive, __)
    raise ConnectionError


def recorded(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_call_of_a_function_is_recorded_once_and_without_the_text(tmp_path: Path) -> None:
    recorder = Recorder(reads, file := tmp_path / "calls.jsonl")
    for text in ("confidential", "other words"):
        call(recorder, token=f"{FUNCTION}Forward", body=json.dumps(BODY | {"MessageBody": text}).encode())
    call(recorder, token=f"{FUNCTION}Reply", body=json.dumps(BODY).encode())
    of = {"service": "sqs", "operation": "SendMessage", "on": {"QueueUrl": "https://queue"}}
    assert recorded(file) == [of | {"caller": "Forward"}, of | {"caller": "Reply"}]


def test_a_call_without_a_target_is_recorded_by_method_and_path(tmp_path: Path) -> None:
    call(
        Recorder(reads, file := tmp_path / "calls.jsonl"),
        token=f"{FUNCTION}Forward",
        body=b"no JSON at all",
        target=b"",
    )
    assert [(one["operation"], one["on"]) for one in recorded(file)] == [("PUT /contact/chat", {})]


def test_a_call_without_a_response_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        call(Recorder(fails, file := tmp_path / "calls.jsonl"), token=f"{FUNCTION}Forward", body=b"{}")
    assert len(recorded(file)) == 1


@pytest.mark.parametrize("token", [None, "", "of somebody else"])
def test_calls_of_other_callers_are_not_recorded(tmp_path: Path, token: str | None) -> None:
    call(Recorder(reads, file := tmp_path / "calls.jsonl"), token=token, body=json.dumps(BODY).encode())
    assert recorded(file) == []
