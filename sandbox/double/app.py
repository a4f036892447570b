"""The double over HTTP: AWS operations at their own URIs, its controls under /_double/."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationModel
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.double import connect, instances, numbers, participants, quotas, sms
from sandbox.double.agent import Action, act
from sandbox.double.connect import ContactCentre
from sandbox.double.faults import Fault, Kind
from sandbox.double.instances import Instance
from sandbox.double.model import Answer, RefusedError, rest_json, target_json
from sandbox.double.numbers import Number, Pool

Cut = Callable[[Scope], None]
"""Resets the TCP connection that a request came in on."""


def create_app(centre: ContactCentre, *, cut: Cut) -> Starlette:
    return Starlette(routes=[*_controls(centre), Route("/{path:path}", _Operations(centre, cut), methods=None)])


Handlers = Mapping[str, Callable[[ContactCentre, dict[str, Any]], dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call as its service's protocol reads, answers and refuses it; `name` says what it was where none is found."""

    service: str
    name: str
    operation: OperationModel | None
    signed: bool
    handlers: Handlers
    read: Callable[[], dict[str, Any]]
    write: Callable[[Mapping[str, Any]], Answer]
    refuse: Callable[[RefusedError], Answer]


_TARGETS: Mapping[str, Handlers] = {
    "pinpoint-sms-voice-v2": sms.HANDLERS | numbers.HANDLERS,
    "service-quotas": quotas.HANDLERS,
}
_REST: Mapping[str, Handlers] = {
    "connect": connect.HANDLERS | participants.CONNECT_HANDLERS | instances.HANDLERS,
    "connectparticipant": participants.PARTICIPANT_HANDLERS,
}


def _call(request: Request, path: str, body: bytes) -> _Call:
    signed = request.headers.get("authorization", "").startswith("AWS4-")
    target, name = request.headers.get("x-amz-target", ""), f"{request.method} {request.url.path}"
    spoken = next((service for service in _TARGETS if target and target_json(service).speaks(target)), None)
    if spoken:
        rpc = target_json(spoken)
        operation = rpc.find(target)
        return _Call(
            service=spoken,
            name=target,
            operation=operation,
            signed=signed,
            handlers=_TARGETS[spoken],
            read=lambda: rpc.read(operation, body=body) if operation else {},
            write=lambda values: rpc.write(operation, values) if operation else Answer(500, b""),
            refuse=lambda refused: rpc.refuse(operation, refused),
        )
    found = [(service, hit) for service in _REST if (hit := rest_json(service).find(request.method, path))]
    service, (operation, labels) = found[0] if found else ("connect", (None, {}))
    api = rest_json(service)

    def read() -> dict[str, Any]:
        if operation is None:
            return {}
        return api.read(operation, labels=labels, query=request.query_params, headers=request.headers, body=body)

    return _Call(
        service=service,
        name=name,
        operation=operation,
        signed=signed or service == "connectparticipant",  # "do not use Signature Version 4", says their reference
        handlers=_REST[service],
        read=read,
        write=lambda values: api.write(operation, values) if operation else Answer(500, b""),
        refuse=lambda refused: api.refuse(operation, refused),
    )


def _read(call: _Call) -> tuple[RefusedError | None, dict[str, Any]]:
    if not call.signed:
        return RefusedError("AccessDeniedException", "the request is not signed"), {}
    try:
        return None, call.read()
    except RefusedError as exc:
        return exc, {}


class _Operations:
    """Everything that is not a control is a call to AWS."""

    def __init__(self, centre: ContactCentre, cut: Cut) -> None:
        self._centre, self._cut = centre, cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = _call(request, scope["raw_path"].decode().partition("?")[0], await request.body())
        if call.operation is None or call.operation.name not in call.handlers:
            name = call.operation.name if call.operation else call.name
            refused = RefusedError("UnknownOperationException", f"the double does not play {name}")
            await _response(call.refuse(refused))(scope, receive, send)
            return
        operation = call.operation.name
        fault: Fault | None = None
        try:
            problem, values = _read(call)
            fault = self._centre.faults.draw(operation=operation, source=self._centre.customer_of(values))
            if fault and fault.fault in (Kind.HANG, Kind.RESET_BEFORE):
                self._centre.refused[fault.fault] += 1
                if fault.fault == Kind.HANG:
                    await _hang(fault.seconds, receive)
                await self._drop(scope, receive)
                return
            if self._centre.settings.latency:
                await asyncio.sleep(self._centre.settings.latency)
            if fault and fault.fault != Kind.RESET_AFTER:
                raise self._fault_error(fault.fault, call.service, operation)
            self._centre.admit(operation)  # AWS throttles before it reads
            if problem:
                raise problem
            before = len(self._centre.journal)
            answer = call.write(call.handlers[operation](self._centre, values))
            if fault and len(self._centre.journal) > before:  # a repeated call leaves no line
                self._centre.journal[before]["answered"] = False
        except RefusedError as refused:
            self._centre.refused[refused.code] += 1
            answer = call.refuse(refused)
        if fault and fault.fault == Kind.RESET_AFTER:
            await self._drop(scope, receive)
            return
        await _response(answer)(scope, receive, send)

    def _fault_error(self, kind: Kind, service: str, operation: str) -> RefusedError:
        if kind == Kind.THROTTLE:
            return self._centre.throttled(operation, "Rate exceeded (fault)")
        if kind == Kind.CHAT_LIMIT:
            return self._centre.chat_limit_reached(operation)
        if kind == Kind.REFUSE:
            return RefusedError("AccessDeniedException", "Access to this API is restricted (fault)")
        if kind == Kind.NOT_FOUND:
            return RefusedError("ResourceNotFoundException", "Phone number not found (fault)")
        code = "InternalServiceException" if service == "connect" else "InternalServerException"
        return RefusedError(code, "Internal error (fault)")

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


class _Again(BaseModel):
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
        centre.active_chats()  # ends those whose time is over
        return _json({"chats": [chat.describe() for chat in centre.chats]})

    async def add_fault(request: Request) -> Response:
        centre.faults.add(Fault.model_validate_json(await request.body()))
        return _json(centre.status())

    async def clear_faults(_: Request) -> Response:
        centre.faults.clear()
        return _json(centre.status())

    async def settings(request: Request) -> Response:
        centre.set(centre.settings.changed(json.loads(await request.body())))
        return _json(centre.status())

    async def agent(request: Request) -> Response:
        return _json(act(centre, Action.model_validate_json(await request.body())))

    async def phone(request: Request) -> Response:
        after, number = int(request.query_params.get("after", 0)), request.query_params.get("number")
        # In a query a + is a space, unless it is escaped.
        wanted = number and f"+{number.strip().removeprefix('+')}"
        return _json({"texts": [text for text in centre.texts[max(0, after) :] if wanted in (None, text["to"])]})

    async def notifications(request: Request) -> Response:
        return _json({"notifications": centre.notifications.sent[max(0, int(request.query_params.get("after", 0))) :]})

    async def again(request: Request) -> Response:
        wanted = _Again.model_validate_json(await request.body())
        return _json(centre.notifications.again(wanted.n, copies=wanted.copies, delay=wanted.delay))

    async def ours(_: Request) -> Response:
        return _json({"numbers": [number.model_dump() for number in centre.numbers.values()]})

    async def know(request: Request) -> Response:
        centre.know(TypeAdapter(list[Number]).validate_json(await request.body()))
        return await ours(request)

    async def pools(request: Request) -> Response:
        found = TypeAdapter(list[Pool]).validate_json(await request.body())
        centre.pools = {pool.id: pool for pool in found}
        return _json({"pools": [pool.model_dump() for pool in found]})

    async def found_instances(_: Request) -> Response:
        return _json({"instances": [instance.model_dump() for instance in centre.instances.values()]})

    async def found(request: Request) -> Response:
        given = TypeAdapter(list[Instance]).validate_json(await request.body())
        centre.instances = {instance.id: instance for instance in given}
        return await found_instances(request)

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
        Route("/_double/agent", guarded(agent), methods=["POST"]),
        Route("/_double/phone", guarded(phone)),
        Route("/_double/notifications", guarded(notifications)),
        Route("/_double/notifications", guarded(again), methods=["POST"]),
        Route("/_double/numbers", guarded(ours)),
        Route("/_double/numbers", guarded(know), methods=["POST"]),
        Route("/_double/pools", guarded(pools), methods=["POST"]),
        Route("/_double/instances", guarded(found_instances)),
        Route("/_double/instances", guarded(found), methods=["POST"]),
        Route("/_double/reset", guarded(reset), methods=["POST"]),
    ]


def _json(value: Any, *, status: int = 200) -> Response:
    # ASCII, since a customer's text may hold half a surrogate pair, which UTF-8 cannot.
    return Response(json.dumps(value), status_code=status, media_type="application/json")


def _response(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))
