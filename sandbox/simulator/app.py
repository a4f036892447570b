"""The simulator over HTTP: the operations of AWS at their own URIs, and its controls under /_simulator/."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.simulator import instances, integration_events, numbers, sms, start_chat
from sandbox.simulator.agent import Action, act
from sandbox.simulator.contact_centre import ContactCentre
from sandbox.simulator.faults import Fault, FaultKind
from sandbox.simulator.protocols import Answer, RefusedError, RestJson, TargetJson, rest_json, target_json
from sandbox.simulator.resources import Instance, Number, Pool

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
    return Starlette(routes=[*_controls(centre), Route("/{path:path}", _Operations(centre, cut), methods=None)])


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
        connect, participant = rest_json("connect"), rest_json("connectparticipant")
        api = (
            participant
            if participant.find(request.method, path) and not connect.find(request.method, path)
            else connect
        )
        operation, labels = api.find(request.method, path) or (None, labels)
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


class _PublishAgain(BaseModel):
    model_config = ConfigDict(extra="forbid")

    n: int
    copies: int = Field(default=1, ge=1)
    delay: float = Field(default=0, ge=0)


def _controls(centre: ContactCentre) -> list[Route]:
    async def journal(request: Request) -> Response:
        after = int(request.query_params.get("after", 0))
        return _json({"entries": centre.journal[max(0, after) :]})

    async def status(_: Request) -> Response:
        return _json(centre.status())

    async def chats(_: Request) -> Response:
        centre.active_chats()  # ends the chats whose time is over
        return _json({"chats": [chat.describe() for chat in centre.chats]})

    async def add_fault(request: Request) -> Response:
        centre.faults.add(Fault.model_validate_json(await request.body()))
        return _json(centre.status())

    async def clear_faults(_: Request) -> Response:
        centre.faults.clear()
        return _json(centre.status())

    async def settings(request: Request) -> Response:
        centre.apply(centre.settings.changed(json.loads(await request.body())))
        return _json(centre.status())

    async def agent(request: Request) -> Response:
        return _json(act(centre, Action.model_validate_json(await request.body())))

    async def phone(request: Request) -> Response:
        after, number = int(request.query_params.get("after", 0)), request.query_params.get("number")
        # In a query string an unescaped + means a space.
        wanted = number and f"+{number.strip().removeprefix('+')}"
        return _json({"texts": [text for text in centre.texts[max(0, after) :] if wanted in (None, text["to"])]})

    async def notifications(request: Request) -> Response:
        return _json({"notifications": centre.notifications.sent[max(0, int(request.query_params.get("after", 0))) :]})

    async def again(request: Request) -> Response:
        wanted = _PublishAgain.model_validate_json(await request.body())
        return _json(centre.notifications.publish_again(wanted.n, copies=wanted.copies, delay=wanted.delay))

    async def get_numbers(_: Request) -> Response:
        return _json({"numbers": [number.model_dump() for number in centre.numbers.values()]})

    async def set_numbers(request: Request) -> Response:
        centre.set_numbers(TypeAdapter(list[Number]).validate_json(await request.body()))
        return await get_numbers(request)

    async def set_pools(request: Request) -> Response:
        found = TypeAdapter(list[Pool]).validate_json(await request.body())
        centre.pools = {pool.id: pool for pool in found}
        return _json({"pools": [pool.model_dump() for pool in found]})

    async def get_instances(_: Request) -> Response:
        return _json({"instances": [instance.model_dump() for instance in centre.instances.values()]})

    async def set_instances(request: Request) -> Response:
        given = TypeAdapter(list[Instance]).validate_json(await request.body())
        centre.instances = {instance.id: instance for instance in given}
        return await get_instances(request)

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
        Route("/_simulator/journal", guarded(journal)),
        Route("/_simulator/status", guarded(status)),
        Route("/_simulator/chats", guarded(chats)),
        Route("/_simulator/faults", guarded(add_fault), methods=["POST"]),
        Route("/_simulator/faults", guarded(clear_faults), methods=["DELETE"]),
        Route("/_simulator/settings", guarded(settings), methods=["POST"]),
        Route("/_simulator/agent", guarded(agent), methods=["POST"]),
        Route("/_simulator/phone", guarded(phone)),
        Route("/_simulator/notifications", guarded(notifications)),
        Route("/_simulator/notifications", guarded(again), methods=["POST"]),
        Route("/_simulator/numbers", guarded(get_numbers)),
        Route("/_simulator/numbers", guarded(set_numbers), methods=["POST"]),
        Route("/_simulator/pools", guarded(set_pools), methods=["POST"]),
        Route("/_simulator/instances", guarded(get_instances)),
        Route("/_simulator/instances", guarded(set_instances), methods=["POST"]),
        Route("/_simulator/reset", guarded(reset), methods=["POST"]),
    ]


def _json(value: Any, *, status: int = 200) -> Response:
    # ASCII, because a text may contain half a surrogate pair, which UTF-8 cannot encode.
    return Response(json.dumps(value), status_code=status, media_type="application/json")


def _response(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))
