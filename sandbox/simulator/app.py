"""The simulator over HTTP: the operations of AWS at their own URIs, beside its controls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.simulator import instances, integration_events, numbers, sms, start_chat
from sandbox.simulator.contact_centre import ContactCentre
from sandbox.simulator.controls import controls
from sandbox.simulator.faults import FaultKind
from sandbox.simulator.protocols import Answer, RefusedError, RestJson, TargetJson, rest_json, target_json

Cut = Callable[[Scope], None]
"""Resets the TCP connection of a request."""

_OPERATIONS: Mapping[str, tuple[ModuleType, ...]] = {
    "connect": (integration_events, start_chat, instances),
    "connectparticipant": (start_chat,),
    "pinpoint-sms-voice-v2": (sms, numbers),
    "service-quotas": (instances,),
}
"""Where the operations of a service are. A function has the name that the operation has in boto3."""
_UNSIGNED = "connectparticipant"
"""Its API reference says: "do not use Signature Version 4"."""


def create_app(centre: ContactCentre, *, cut: Cut) -> Starlette:
    return Starlette(routes=[*controls(centre), Route("/{path:path}", _Operations(centre, cut), methods=None)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A request to AWS. operation: None when it is unknown. name: of the operation, or what was requested."""

    api: RestJson | TargetJson
    operation: OperationModel | None
    name: str
    labels: Mapping[str, str]
    request: Request
    body: bytes

    @property
    def handler(self) -> Callable[[ContactCentre, dict[str, Any]], dict[str, Any]] | None:
        found = (vars(module).get(xform_name(self.name)) for module in _OPERATIONS[self.api.service])
        return next(filter(None, found), None) if self.operation else None

    def read(self, operation: OperationModel) -> dict[str, Any]:
        """The request's parameters. Raises RefusedError when it is unsigned or not valid."""
        signed = self.request.headers.get("authorization", "").startswith("AWS4-")
        if not signed and self.api.service != _UNSIGNED:
            raise RefusedError("AccessDeniedException", "the request is not signed")
        query, headers = self.request.query_params, self.request.headers
        return self.api.read(operation, labels=self.labels, query=query, headers=headers, body=self.body)


async def _parse(request: Request) -> _Call:
    target, path = request.headers.get("x-amz-target", ""), request.scope["raw_path"].decode().partition("?")[0]
    api: RestJson | TargetJson
    name, operation, labels = f"{request.method} {request.url.path}", None, dict[str, str]()
    for service in ("pinpoint-sms-voice-v2", "service-quotas"):
        api = target_json(service)
        if api.matches(target):
            name, operation = target, api.find(target)
            break
    else:
        for service in ("connectparticipant", "connect"):
            api = rest_json(service)
            operation, labels = api.find(request.method, path) or (None, labels)
            if operation:
                break
    name = operation.name if operation else name
    return _Call(api=api, operation=operation, name=name, labels=labels, request=request, body=await request.body())


class _Operations:
    """Answers the requests to AWS."""

    def __init__(self, centre: ContactCentre, cut: Cut) -> None:
        self._centre, self._cut = centre, cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await _parse(Request(scope, receive))
        try:
            answer = await self._answer(call, receive)
        except RefusedError as refused:
            answer = call.api.refuse(call.operation, refused)
        if answer is None:
            await self._reset_connection(scope, receive)
        else:
            await _response(answer)(scope, receive, send)

    async def _answer(self, call: _Call, receive: Receive) -> Answer | None:
        """None when the connection is to be reset. Raises RefusedError."""
        centre, operation, handler = self._centre, call.operation, call.handler
        if operation is None or handler is None:
            raise RefusedError("UnknownOperationException", f"the simulator has no operation {call.name}")
        problem, values = None, dict[str, Any]()
        try:
            values = call.read(operation)
        except RefusedError as exc:
            problem = exc
        fault = centre.faults.draw(operation=operation.name, source=centre.customer_of(values))
        if fault and fault.fault in (FaultKind.HANG, FaultKind.RESET_BEFORE):
            centre.refused[fault.fault] += 1
            if fault.fault == FaultKind.HANG:
                await _hang(fault.seconds, receive)
            return None
        if centre.settings.latency:
            await asyncio.sleep(centre.settings.latency)
        lost = fault is not None and fault.fault == FaultKind.RESET_AFTER
        try:
            if fault and not lost:
                raise self._error(fault.fault, call)
            centre.check_rate(operation.name)  # AWS throttles before it validates
            if problem:
                raise problem
            before = len(centre.journal)
            answer = call.api.write(operation, handler(centre, values))
        except RefusedError as refused:
            centre.refused[refused.code] += 1
            if lost:
                return None
            raise
        if lost and len(centre.journal) > before:  # a repeated call adds no entry
            centre.journal[before]["answered"] = False
        return None if lost else answer

    def _error(self, fault: FaultKind, call: _Call) -> RefusedError:
        if fault == FaultKind.THROTTLE:
            return self._centre.throttled(call.name, "Rate exceeded (fault)")
        if fault == FaultKind.CHAT_LIMIT:
            return self._centre.chat_limit_reached(call.name)
        if fault == FaultKind.REFUSE:
            return RefusedError("AccessDeniedException", "Access to this API is restricted (fault)")
        if fault == FaultKind.NOT_FOUND:
            return RefusedError("ResourceNotFoundException", "Phone number not found (fault)")
        code = "InternalServiceException" if call.api.service == "connect" else "InternalServerException"
        return RefusedError(code, "Internal error (fault)")

    async def _reset_connection(self, scope: Scope, receive: Receive) -> None:
        """Resets the connection and waits until it is closed, so that no response is sent."""
        self._cut(scope)
        await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hang(seconds: float, receive: Receive) -> None:
    """Returns after `seconds`, or when the caller has closed the connection."""
    waiting = asyncio.ensure_future(_disconnected(receive))
    await asyncio.wait([waiting], timeout=seconds)
    waiting.cancel()


def _response(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))
