"""Records which AWS calls the functions of a sandbox make: function, operation and resource, each once, as JSON lines.

An ASGI middleware of the local AWS and of the simulator. It imports the standard library only, because the local AWS
runs in an environment without the project's packages.

The session token of a call shows which function makes it: run_ministack.py gives each function its own. Calls with
another token (of tests, of the `bridge` command, of the CDK) are not recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

FUNCTION = "function:"
"""The prefix of a function's session token. Its name follows."""
_RESOURCES = frozenset({"ContactFlowId", "IndexName", "OriginationIdentity", "QueueUrl", "TableName"})
"""Parameters that name a resource. Others are not recorded: they contain texts and phone numbers."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Recorder:
    """`app`, with its calls recorded in `file`. The folder of `file` must exist."""

    def __init__(self, app: App, file: Path) -> None:
        self._app, self._file = app, file
        self._recorded: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
        caller = headers.get("x-amz-security-token", "")
        if scope["type"] != "http" or not caller.startswith(FUNCTION):
            await self._app(scope, receive, send)
            return
        body: list[bytes] = []

        async def received() -> dict[str, Any]:
            message = await receive()
            body.append(message.get("body", b""))
            return message

        try:
            await self._app(scope, received, send)
        finally:  # also when the call gets no response
            self._record(caller.removeprefix(FUNCTION), scope, headers, b"".join(body))

    def _record(self, function: str, scope: Scope, headers: dict[str, str], body: bytes) -> None:
        signed_for = re.search(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request", headers.get("authorization", ""))
        target = headers.get("x-amz-target", "").rpartition(".")[2]
        call = {
            "caller": function,
            "service": signed_for[1] if signed_for else "",
            "operation": target or f"{scope['method']} {scope['path']}",
            "on": _resources(body),
        }
        line = json.dumps(call, sort_keys=True)
        if line not in self._recorded:
            self._recorded.add(line)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def _resources(body: bytes) -> dict[str, str]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    names = read.items() if isinstance(read, dict) else ()
    return {name: value for name, value in names if name in _RESOURCES and isinstance(value, str)}
