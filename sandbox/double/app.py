"""The double over HTTP: AWS operations at their own URIs, its controls under /_double/."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from botocore.model import OperationModel
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.double.connect import FAULT_ERRORS, HANDLERS, ContactCentre, Settings
from sandbox.double.faults import Fault, Kind
from sandbox.double.model import Answer, RefusedError, rest_json

Cut = Callable[[Scope], None]
"""Resets the TCP connection that a request came in on."""


def create_app(centre: ContactCentre, *, cut: Cut) -> Starlette:
    return Starlette(routes=[*_controls(centre), Route("/{path:path}", _Operations(centre, cut), methods=None)])


class _Operations:
    """Everything that is not a control is a call to AWS."""

    def __init__(self, centre: ContactCentre, cut: Cut) -> None:
        self._centre, self._cut = centre, cut
        self._api = rest_json("connect")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        found = self._api.find(request.method, scope["raw_path"].decode().partition("?")[0])
        if found is None or found[0].name not in HANDLERS:
            name = found[0].name if found else f"{request.method} {request.url.path}"
            refused = RefusedError("UnknownOperationException", f"the double does not play {name}")
            await _response(self._api.refuse(None, refused))(scope, receive, send)
            return
        operation, labels = found
        fault: Fault | None = None
        try:
            problem, values = self._read(operation, labels, request, body)
            fault = self._centre.faults.draw(operation=operation.name, source=values.get("SourceId"))
            if fault and fault.fault in (Kind.HANG, Kind.RESET_BEFORE):
                self._centre.refused[fault.fault] += 1
                if fault.fault == Kind.HANG:
                    await _hang(fault.seconds, receive)
                await self._drop(scope, receive)
                return
            if self._centre.settings.latency:
                await asyncio.sleep(self._centre.settings.latency)
            if fault and fault.fault in FAULT_ERRORS:
                raise FAULT_ERRORS[fault.fault](self._centre)
            self._centre.admit(operation.name)  # AWS throttles before it reads
            if problem:
                raise problem
            answer = self._api.write(operation, HANDLERS[operation.name](self._centre, values))
        except RefusedError as refused:
            self._centre.refused[refused.code] += 1
            answer = self._api.refuse(operation, refused)
        if fault and fault.fault == Kind.RESET_AFTER:
            if answer.status < 400:
                self._centre.journal[-1]["answered"] = False
            await self._drop(scope, receive)
            return
        await _response(answer)(scope, receive, send)

    def _read(
        self, operation: OperationModel, labels: dict[str, str], request: Request, body: bytes
    ) -> tuple[RefusedError | None, dict[str, Any]]:
        if not request.headers.get("authorization", "").startswith("AWS4-"):
            return RefusedError("AccessDeniedException", "the request is not signed"), {}
        try:
            return None, self._api.read(
                operation, labels=labels, query=request.query_params, headers=request.headers, body=body
            )
        except RefusedError as exc:
            return exc, {}

    async def _drop(self, scope: Scope, receive: Receive) -> None:
        """Resets the connection and returns once it is gone, so that nothing is answered."""
        self._cut(scope)
        while (await receive())["type"] != "http.disconnect":
            pass


async def _hang(seconds: float, receive: Receive) -> None:
    """Returns after `seconds`, or when the caller has hung up."""

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    waiting = asyncio.ensure_future(hung_up())
    await asyncio.wait([waiting], timeout=seconds)
    waiting.cancel()


def _controls(centre: ContactCentre) -> list[Route]:
    async def journal(request: Request) -> Response:
        after = int(request.query_params.get("after", 0))
        return _json({"entries": centre.journal[max(0, after) :]})

    async def status(_: Request) -> Response:
        return _json(centre.status())

    async def chats(_: Request) -> Response:
        centre.active_chats()  # ends those whose time is over
        return _json({"chats": [chat.describe() for chat in centre.chats]})

    async def add_fault(request: Request) -> Response:
        centre.faults.add(Fault.model_validate_json(await request.body()))
        return _json(centre.status())

    async def clear_faults(_: Request) -> Response:
        centre.faults.clear()
        return _json(centre.status())

    async def settings(request: Request) -> Response:
        changes = json.loads(await request.body())
        centre.set(Settings.model_validate(centre.settings.model_dump() | changes))
        return _json(centre.status())

    async def reset(_: Request) -> Response:
        centre.reset()
        return _json(centre.status())

    def guarded(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)  # type: ignore[no-any-return]
            except ValidationError as exc:
                problems = [".".join(map(str, e["loc"])) + ": " + e["msg"] for e in exc.errors()]
                return _json({"error": "; ".join(problems)}, status=400)
            except (ValueError, TypeError) as exc:
                return _json({"error": str(exc)}, status=400)

        return answer

    return [
        Route("/_double/journal", guarded(journal)),
        Route("/_double/status", guarded(status)),
        Route("/_double/chats", guarded(chats)),
        Route("/_double/faults", guarded(add_fault), methods=["POST"]),
        Route("/_double/faults", guarded(clear_faults), methods=["DELETE"]),
        Route("/_double/settings", guarded(settings), methods=["POST"]),
        Route("/_double/reset", guarded(reset), methods=["POST"]),
    ]


def _json(value: Any, *, status: int = 200) -> Response:
    # ASCII, since a customer's text may hold half a surrogate pair, which UTF-8 cannot.
    return Response(json.dumps(value), status_code=status, media_type="application/json")


def _response(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))
