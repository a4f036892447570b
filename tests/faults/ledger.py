"""A proxy in front of DynamoDB that fails calls, loses answers, and notes what was written of parts."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Self

from tests.faults.http import Answer, Request, Server, Upstream
from tests.faults.record import Record, Write
from tests.faults.trouble import Trouble

_JSON = {"Content-Type": "application/x-amz-json-1.0"}
_THROTTLED = Answer(
    400,
    b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"fault"}',
    _JSON,
)
_FAILED = Answer(500, b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"fault"}', _JSON)


class LedgerProxy:
    """DynamoDB as the functions reach it."""

    def __init__(self, port: int, *, trouble: Trouble, record: Record) -> None:
        self._upstream = Upstream(port)
        self._trouble, self._record = trouble, record
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
        fault = self._trouble.draw()
        part = _part(request)
        if fault:
            self._record.faults[f"DynamoDB {fault}"] += 1
        if fault in ("error", "reset before"):
            self._note(part, "refused", answered=False)
            if fault == "reset before":
                return None
            self._throttled = not self._throttled
            return _THROTTLED if self._throttled else _FAILED
        try:
            answer = await self._upstream.ask(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._note(part, "unknown", answered=False)
            return None
        self._note(part, _fate(answer), answered=fault is None)
        return None if fault else answer

    def _note(self, part: tuple[str, int] | None, fate: str, *, answered: bool) -> None:
        if part:
            text_key, parts_done = part
            self._record.writes.append(
                Write(at=time.time(), text_key=text_key, parts_done=parts_done, fate=fate, answered=answered)
            )


def _part(request: Request) -> tuple[str, int] | None:
    if not request.headers.get("x-amz-target", "").endswith(".UpdateItem"):
        return None
    parameters: dict[str, Any] = json.loads(request.body)
    done = parameters.get("ExpressionAttributeValues", {}).get(":parts_done")
    return (parameters["Key"]["text_key"]["S"], int(done["N"])) if done else None


def _fate(answer: Answer) -> str:
    if answer.status == 200:
        return "applied"
    return "condition failed" if b"ConditionalCheckFailed" in answer.body else "refused"
