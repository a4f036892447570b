"""A stub of Connect, DynamoDB and SQS that accepts every call, with a configurable latency.

Runs in its own process: `python -m bench.stub CERTIFICATE KEY`. Prints its ports for HTTP and HTTPS.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
import uuid
from collections import Counter
from typing import Any

from testing.http_server import Answer, Request, Server

_JSON = {"Content-Type": "application/x-amz-json-1.0"}
CONTROL = "/_stub"


class Stub:
    """Counts calls by operation since the last reset; records when calls to Connect began and ended."""

    def __init__(self) -> None:
        self._latency: dict[str, float] = {}
        self._calls: Counter[str] = Counter()
        self._spans: list[tuple[float, float]] = []

    async def answer(self, request: Request) -> Answer:
        if request.path == CONTROL:
            return self._control(request)
        target = request.headers.get("x-amz-target", "")
        operation = target.rpartition(".")[2] or request.path.strip("/")
        service = target.partition("_")[0].partition(".")[0] or "Connect"
        began = time.monotonic()
        await asyncio.sleep(self._latency.get(service, 0.0))
        self._calls[f"{service} {operation}"] += 1
        if service == "Connect":
            self._spans.append((began, time.monotonic()))
        response = _response(operation, json.loads(request.body))
        return Answer(200, json.dumps(response).encode(), {**_JSON, "x-amzn-RequestId": str(uuid.uuid4())})

    def _control(self, request: Request) -> Answer:
        """GET: what was asked. POST: begin anew, with these latencies in seconds by service."""
        if request.method == "POST":
            self._latency = json.loads(request.body)
            self._calls.clear()
            self._spans.clear()
        response = {"calls": self._calls, "spans": self._spans}
        return Answer(200, json.dumps(response).encode(), {"Content-Type": "application/json"})


def _response(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    match operation:
        case "UpdateItem":
            values = {name.removeprefix(":"): value for name, value in request["ExpressionAttributeValues"].items()}
            return {"Attributes": values} if request.get("ReturnValues") == "ALL_NEW" else {}
        case "SendMessage":
            return {"MessageId": str(uuid.uuid4()), "SequenceNumber": "1"}
        case "chat-integration-event":
            return {"InitialContactId": str(uuid.uuid4()), "NewChatCreated": True}
        case _:
            return {}


async def main(certificate: str, key: str) -> None:
    stub = Stub()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with Server(stub.answer) as plain, Server(stub.answer, tls=tls) as secure:
        sys.stdout.write(f"{plain.port} {secure.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
