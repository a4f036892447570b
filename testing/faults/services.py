"""Services of a run: the contact-centre simulator and DynamoDB as processes, and a proxy that fails DynamoDB calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import boto3
import httpx

from sandbox.process_group import ProcessGroup
from sandbox.simulator.client import Simulator
from testing.faults.injection import FaultInjector
from testing.faults.record import Record, Write
from testing.http_server import Answer, Request, Server, Upstream

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-faults/bin/python"
"""Python with the runtime interface client."""
MINISTACK = ROOT / ".venv-ministack/bin/python"
LEDGER, CHATS = "Ledger", "Chats"
_TABLES = {LEDGER: "text_key", CHATS: "chat_key"}


@contextlib.asynccontextmanager
async def contact_centre(
    folder: Path, settings: Mapping[str, Any], *, sns: str | None = None
) -> AsyncIterator[tuple[Simulator, str]]:
    """Start the simulator. Yields its client and URL. `sns`: URL it streams chats to."""
    port = _free_port()
    command = [sys.executable, "-m", "sandbox.simulator", "--port", str(port), *(["--aws", sns] if sns else [])]
    url = f"http://127.0.0.1:{port}"
    with _process(command, folder, "simulator"):
        await _healthy(f"{url}/_simulator/status")
        with Simulator(url) as simulator:
            simulator.settings(**settings)
            yield simulator, url


@contextlib.asynccontextmanager
async def dynamodb(folder: Path) -> AsyncIterator[int]:
    """Start MiniStack and create the bridge's tables. Yields its port."""
    port = _free_port()
    environment = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": "us-east-1",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",
    }
    with _process([MINISTACK, "-m", "ministack"], folder, "ministack", environment):
        await _healthy(f"http://127.0.0.1:{port}/_ministack/health")
        with contextlib.closing(_tables(port)) as client:
            for name, key in _TABLES.items():
                client.create_table(
                    TableName=name,
                    KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                    BillingMode="PAY_PER_REQUEST",
                )
        yield port


@contextlib.asynccontextmanager
async def in_background(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Run a coroutine as a task until the block ends. Raises what the task raised."""
    task: asyncio.Task[None] = asyncio.create_task(work)
    try:
        yield task
    finally:
        failed = task.done() and not task.cancelled() and task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if failed:
            raise failed


def generations(port: int) -> dict[str, int]:
    """Generation of each conversation, by contact of its latest chat, as the bridge has recorded it."""
    with contextlib.closing(_tables(port)) as client:
        pages = client.get_paginator("scan").paginate(TableName=CHATS, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
    return {item["contact"]["S"]: int(item["generation"]["N"]) for item in items if "generation" in item}


def _tables(port: int) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key="faults",
    )


@contextlib.contextmanager
def _process(
    command: Sequence[str | Path], folder: Path, name: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    passed = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    env = passed | {"HOME": str(folder), "TMPDIR": str(folder)} | dict(environment or {})
    process = ProcessGroup.start(command, env=env, cwd=ROOT, log=folder / f"{name}.log")
    try:
        yield
    finally:
        process.stop()


async def _healthy(url: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(url)).is_success:
                    return
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_JSON = {"Content-Type": "application/x-amz-json-1.0"}
_THROTTLED = Answer(
    400,
    b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"fault"}',
    _JSON,
)
_FAILED = Answer(500, b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"fault"}', _JSON)


class DynamoDbProxy:
    """Proxy in front of DynamoDB: fails calls, loses responses, and records writes of parts."""

    def __init__(self, port: int, *, injector: FaultInjector, record: Record) -> None:
        self._upstream = Upstream(port)
        self._injector, self._record = injector, record
        self._throttled = False
        self._server = Server(self._answer)

    @property
    def url(self) -> str:
        return self._server.url

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()
        await self._upstream.close()

    async def _answer(self, request: Request) -> Answer | None:
        fault = self._injector.draw()
        part = _part(request)
        if fault:
            self._record.faults[f"DynamoDB {fault}"] += 1
        if fault in ("error", "reset before"):
            self._record_write(part, "refused", answered=False)
            if fault == "reset before":
                return None
            self._throttled = not self._throttled
            return _THROTTLED if self._throttled else _FAILED
        try:
            answer = await self._upstream.ask(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._record_write(part, "unknown", answered=False)
            return None
        self._record_write(part, _outcome(answer), answered=fault is None)
        return None if fault else answer

    def _record_write(self, part: tuple[str, int] | None, outcome: str, *, answered: bool) -> None:
        if part:
            text_key, parts_done = part
            self._record.writes.append(
                Write(at=time.time(), text_key=text_key, parts_done=parts_done, outcome=outcome, answered=answered)
            )


def _part(request: Request) -> tuple[str, int] | None:
    if not request.headers.get("x-amz-target", "").endswith(".UpdateItem"):
        return None
    parameters: dict[str, Any] = json.loads(request.body)
    done = parameters.get("ExpressionAttributeValues", {}).get(":parts_done")
    return (parameters["Key"]["text_key"]["S"], int(done["N"])) if done else None


def _outcome(answer: Answer) -> str:
    if answer.status == 200:
        return "applied"
    return "condition failed" if b"ConditionalCheckFailed" in answer.body else "refused"
