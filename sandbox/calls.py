"""Which AWS calls the functions of a sandbox make: who calls which operation on what, each once, as JSON lines.

It is an ASGI middleware before the local AWS and before the contact-centre double. It runs in two environments of
Python, one of which has nothing of ours: it imports only the standard library.

A function is told by its session token, as AWS tells a role's session by it: the local AWS gives each function one of
its own. Calls without such a token (of tests, of the `bridge` command, of the CDK) are not recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

FUNCTION = "function:"
"""What the session token of a function begins with; its name follows."""
_NAMES = frozenset(
    {
        "ContactFlowId",
        "IndexName",
        "OriginationIdentity",
        "QueueUrl",
        "TableName",
    }
)
"""Parameters that name a resource. No other is recorded: they hold what was said and who said it."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Recorder:
    """`app` with a record of its calls in `file`, whose folder must be there."""

    def __init__(self, app: App, file: Path) -> None:
        self._app, self._file = app, file
        self._known: set[str] = set()

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
        finally:  # also of a call that is never answered
            self._record(caller.removeprefix(FUNCTION), scope, headers, b"".join(body))

    def _record(self, function: str, scope: Scope, headers: dict[str, str], body: bytes) -> None:
        signed_for = re.search(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request", headers.get("authorization", ""))
        target = headers.get("x-amz-target", "").rpartition(".")[2]
        call = {
            "caller": function,
            "service": signed_for[1] if signed_for else "",
            "operation": target or f"{scope['method']} {scope['path']}",
            "on": _named(body),
        }
        line = json.dumps(call, sort_keys=True)
        if line not in self._known:
            self._known.add(line)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def _named(body: bytes) -> dict[str, str]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    names = read.items() if isinstance(read, dict) else ()
    return {name: value for name, value in names if name in _NAMES and isinstance(value, str)}
