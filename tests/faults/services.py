"""What a run stands on: the contact-centre double and DynamoDB as processes, and work in the background."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import httpx

from sandbox.process_group import ProcessGroup
from sandbox.simulator.client import Simulator

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-faults/bin/python"
"""That of the functions, which has the runtime interface client."""
MINISTACK = ROOT / ".venv-ministack/bin/python"
LEDGER, CHATS = "Ledger", "Chats"
_TABLES = {LEDGER: "text_key", CHATS: "chat_key"}


@contextlib.asynccontextmanager
async def contact_centre(
    folder: Path, settings: Mapping[str, Any], *, sns: str | None = None
) -> AsyncIterator[tuple[Simulator, str]]:
    """The double and its URL; `sns` is where it streams chats to."""
    port = _free_port()
    command = [sys.executable, "-m", "sandbox.simulator", "--port", str(port), *(["--aws", sns] if sns else [])]
    url = f"http://127.0.0.1:{port}"
    with _process(command, folder, "double"):
        await _healthy(f"{url}/_simulator/status")
        with Simulator(url) as double:
            double.settings(**settings)
            yield double, url


@contextlib.asynccontextmanager
async def dynamodb(folder: Path) -> AsyncIterator[int]:
    """The port of MiniStack, for its DynamoDB; with the bridge's tables."""
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
    """A task that ends with the block; what it failed with is raised there."""
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
    """How many chats each conversation has had, by the contact of its latest one, as the bridge has it."""
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
