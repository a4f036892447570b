"""The controls of the simulator over HTTP, under /_simulator/: what client.py calls."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.simulator.agent import Action, act
from sandbox.simulator.chats import Entry
from sandbox.simulator.contact_centre import ContactCentre
from sandbox.simulator.faults import Fault
from sandbox.simulator.resources import Instance, Number, Pool

Query = Mapping[str, str]


class _PublishAgain(BaseModel):
    model_config = ConfigDict(extra="forbid")

    n: int
    copies: int = Field(default=1, ge=1)
    delay: float = Field(default=0, ge=0)


def controls(centre: ContactCentre) -> list[Route]:
    """Controls with GET read the query, the others read the body."""

    def publish_again(body: bytes) -> Any:
        wanted = _PublishAgain.model_validate_json(body)
        return centre.notifications.publish_again(wanted.n, copies=wanted.copies, delay=wanted.delay)

    def get_numbers(_: object) -> Any:
        return {"numbers": [number.model_dump() for number in centre.numbers.values()]}

    def set_numbers(body: bytes) -> Any:
        centre.set_numbers(TypeAdapter(list[Number]).validate_json(body))
        return get_numbers(body)

    def set_pools(body: bytes) -> Any:
        centre.pools = {pool.id: pool for pool in TypeAdapter(list[Pool]).validate_json(body)}
        return {"pools": [pool.model_dump() for pool in centre.pools.values()]}

    def get_instances(_: object) -> Any:
        return {"instances": [instance.model_dump() for instance in centre.instances.values()]}

    def set_instances(body: bytes) -> Any:
        centre.instances = {instance.id: instance for instance in TypeAdapter(list[Instance]).validate_json(body)}
        return get_instances(body)

    def then_status(change: Callable[[bytes], object]) -> Callable[[bytes], Any]:
        return lambda body: (change(body), centre.status())[1]

    reads: dict[str, Callable[[Query], Any]] = {
        "journal": lambda query: {"entries": _after(query, centre.journal)},
        "status": lambda _: centre.status(),
        "chats": lambda _: _chats(centre),
        "phone": lambda query: {"texts": _texts(centre, query)},
        "notifications": lambda query: {"notifications": _after(query, centre.notifications.sent)},
        "numbers": get_numbers,
        "instances": get_instances,
    }
    changes: dict[str, Callable[[bytes], Any]] = {
        "faults": then_status(lambda body: centre.faults.add(Fault.model_validate_json(body))),
        "settings": then_status(lambda body: centre.apply(centre.settings.changed(json.loads(body)))),
        "reset": then_status(lambda _: centre.reset()),
        "agent": lambda body: act(centre, Action.model_validate_json(body)),
        "notifications": publish_again,
        "numbers": set_numbers,
        "pools": set_pools,
        "instances": set_instances,
    }
    clear_faults = then_status(lambda _: centre.faults.clear())
    return [
        *(Route(f"/_simulator/{name}", _endpoint(read)) for name, read in reads.items()),
        *(Route(f"/_simulator/{name}", _endpoint(change), methods=["POST"]) for name, change in changes.items()),
        Route("/_simulator/faults", _endpoint(clear_faults), methods=["DELETE"]),
    ]


def _chats(centre: ContactCentre) -> Any:
    centre.active_chats()  # ends the chats whose time is over
    return {"chats": [chat.describe() for chat in centre.chats]}


def _texts(centre: ContactCentre, query: Query) -> list[Entry]:
    number = query.get("number")
    # In a query string an unescaped + means a space.
    wanted = number and f"+{number.strip().removeprefix('+')}"
    return [text for text in _after(query, centre.texts) if wanted in (None, text["to"])]


def _after(query: Query, entries: list[Entry]) -> list[Entry]:
    return entries[max(0, int(query.get("after", 0))) :]


def _endpoint(control: Callable[[Any], Any]) -> Callable[[Request], Awaitable[Response]]:
    """The response of a control; status 400 and the reason when it raises ValueError or TypeError."""

    async def respond(request: Request) -> Response:
        try:
            value, status = control(request.query_params if request.method == "GET" else await request.body()), 200
        except ValidationError as exc:
            problems = [".".join(map(str, e["loc"])) + ": " + e["msg"] for e in exc.errors()]
            value, status = {"error": "; ".join(problems)}, 400
        except (ValueError, TypeError) as exc:
            value, status = {"error": str(exc)}, 400
        # ASCII, because a text may contain half a surrogate pair, which UTF-8 cannot encode.
        return Response(json.dumps(value), status_code=status, media_type="application/json")

    return respond
