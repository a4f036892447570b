"""The wire protocols of AWS services, by botocore's models of them. A request that its model forbids is refused."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

import botocore.session
import regex
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

INVALID = ("InvalidRequestException", "InvalidParameterException", "ValidationException")
"""Error codes of a request that its model forbids. The first of them that an operation declares is used."""


class RefusedError(Exception):
    """An operation's error.

    code: an error code of the service, in its API model or not. members: further members, such as Reason.
    """

    def __init__(self, code: str, message: str, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.members = members


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class RestJson:
    """A service with the protocol rest-json: finds operations, reads requests, writes responses."""

    def __init__(self, service: str) -> None:
        self.service = service
        model = botocore.session.get_session().get_service_model(service)
        if model.metadata["protocol"] != "rest-json":
            raise ValueError(f"{service} does not use rest-json")
        self._errors = model.error_shapes
        self._routes: dict[str, list[tuple[regex.Pattern[str], OperationModel]]] = {}
        for name in model.operation_names:
            operation = model.operation_model(name)
            uri = operation.http["requestUri"].partition("?")[0]
            self._routes.setdefault(operation.http["method"], []).append((_uri_pattern(uri), operation))

    def find(self, method: str, path: str) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation and its URI labels. When several match, the one with the fewest labels."""
        fits = [
            (operation, found.groupdict())
            for pattern, operation in self._routes.get(method, ())
            if (found := pattern.fullmatch(path))
        ]
        if not fits:
            return None
        operation, labels = min(fits, key=lambda fit: len(fit[1]))
        return operation, {name: unquote(value) for name, value in labels.items()}

    def read(
        self,
        operation: OperationModel,
        *,
        labels: Mapping[str, str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        """The request by member names. Raises RefusedError, which names all that the model forbids."""
        raw = _json(body, _invalid(operation))
        if not isinstance(raw, dict):
            raise RefusedError(_invalid(operation), "the body is not a JSON object")
        places = {"uri": labels, "querystring": query, "header": headers}
        for name, member in operation.input_shape.members.items() if operation.input_shape else ():
            location = member.serialization.get("location")
            wire = member.serialization.get("name", name)
            if location in places:
                key = name if location == "uri" else wire.lower() if location == "header" else wire
                value = places[location].get(key)
                if value is not None:
                    raw[wire] = value
        return _validated(operation, raw)

    def write(self, operation: OperationModel, answer: Mapping[str, Any]) -> Answer:
        """The response. Raises ValueError when the API model forbids it: a defect of the simulator."""
        status = operation.http.get("responseCode", 200)
        return Answer(status, _answer(operation, answer), {"content-type": "application/json"})

    def refuse(self, operation: OperationModel | None, refused: RefusedError) -> Answer:
        """The error response, with status and member names of the error in the operation's or the service's model."""
        key, status = "message", 400
        declared = [*operation.error_shapes, *self._errors] if operation else []
        shape = next((shape for shape in declared if refused.code in _names(shape)), None)
        if shape is not None:
            status = shape.metadata.get("error", {}).get("httpStatusCode", status)
            members = shape.members if isinstance(shape, StructureShape) else ()
            key = next((name for name in members if name.lower() == "message"), key)
        return Answer(
            status,
            json.dumps({key: refused.message, **refused.members}).encode(),
            {"content-type": "application/json", "x-amzn-errortype": f"{refused.code}:http://internal.amazon.com/"},
        )


class TargetJson:
    """A service with the protocol json: every operation is at /, the header X-Amz-Target names it."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._model = botocore.session.get_session().get_service_model(service)
        if self._model.metadata["protocol"] != "json":
            raise ValueError(f"{service} does not use json")
        self._prefix = f"{self._model.metadata['targetPrefix']}."
        self._content_type = f"application/x-amz-json-{self._model.metadata['jsonVersion']}"

    def matches(self, target: str) -> bool:
        return target.startswith(self._prefix)

    def find(self, target: str) -> OperationModel | None:
        name = target.removeprefix(self._prefix)
        return self._model.operation_model(name) if name in self._model.operation_names else None

    def read(self, operation: OperationModel, *, body: bytes, **_: object) -> dict[str, Any]:
        """The request by member names. Raises RefusedError, which names all that the model forbids."""
        return _validated(operation, _json(body, "SerializationException"), Reason="FIELD_VALIDATION_FAILED")

    def write(self, operation: OperationModel, answer: Mapping[str, Any]) -> Answer:
        """The response. Raises ValueError when the API model forbids it: a defect of the simulator."""
        return Answer(200, _answer(operation, answer), {"content-type": self._content_type})

    def refuse(self, operation: OperationModel | None, refused: RefusedError) -> Answer:  # noqa: ARG002
        """The error response: status 500 for an internal error, else 400."""
        body = {"__type": f"com.amazonaws.{self.service}#{refused.code}", "Message": refused.message}
        status = 500 if refused.code.startswith("Internal") else 400
        return Answer(status, json.dumps(body | refused.members).encode(), {"content-type": self._content_type})


@functools.cache
def rest_json(service: str) -> RestJson:
    """Loads the service's model once: the model of `connect` takes long."""
    return RestJson(service)


@functools.cache
def target_json(service: str) -> TargetJson:
    return TargetJson(service)


def _json(body: bytes, code: str) -> Any:
    try:
        return json.loads(body) if body.strip() else {}
    except ValueError as exc:
        raise RefusedError(code, "the body is not JSON") from exc


def _validated(operation: OperationModel, raw: Any, **members: str) -> dict[str, Any]:
    problems: list[str] = []
    request: dict[str, Any] = _read(operation.input_shape, raw, "", problems) if operation.input_shape else {}
    if problems:
        raise RefusedError(_invalid(operation), "; ".join(problems), **members)
    return request


def _answer(operation: OperationModel, answer: Mapping[str, Any]) -> bytes:
    shape = operation.output_shape
    if shape and (problems := problems_of(shape, answer)):
        raise ValueError(f"{operation.name} would return what its model forbids: {'; '.join(problems)}")
    return json.dumps(_write(shape, answer) if shape else {}).encode()


def problems_of(shape: Shape, value: Any) -> list[str]:
    """What the model forbids in a value with member names, such as the parameters of a boto3 client."""
    problems: list[str] = []
    _read(shape, _write(shape, value), "", problems)
    return problems


def _names(shape: Shape) -> set[str]:
    return {shape.name, shape.metadata.get("error", {}).get("code", shape.name)}


def _invalid(operation: OperationModel) -> str:
    declared = {name for shape in operation.error_shapes for name in _names(shape)}
    return next((name for name in INVALID if name in declared), INVALID[-1])


def _uri_pattern(uri: str) -> regex.Pattern[str]:
    parts = regex.split(r"\{(\w+\+?)\}", uri)
    literal = (regex.escape(quote(part, safe="/-_.~")) for part in parts[::2])
    labels = (f"(?P<{p.rstrip('+')}>{'.+' if p.endswith('+') else '[^/]+'})" for p in parts[1::2])
    pattern = [next(literal)]
    for label, text in zip(labels, literal, strict=True):
        pattern += [label, text]
    return regex.compile("".join(pattern) + "/?")


def _read(shape: Shape, value: Any, place: str, problems: list[str]) -> Any:
    """`value` with member names instead of wire names. Adds to `problems` what the model forbids."""
    where = place or "the request"
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return value
        if not isinstance(value, dict):
            problems.append(f"{where} must be an object")
            return {}
        members = {m.serialization.get("name", name): (name, m) for name, m in shape.members.items()}
        result: dict[str, Any] = {}
        for wire, item in value.items():
            inner = f"{place}.{wire}".lstrip(".")
            if wire not in members:
                problems.append(f"{inner} is not a member")
            elif item is not None:  # null is absent
                name, member = members[wire]
                result[name] = _read(member, item, inner, problems)
        problems += [f"{place}.{n}".lstrip(".") + " is missing" for n in shape.required_members if n not in result]
        if shape.is_tagged_union and len(result) != 1:
            problems.append(f"{where} must have exactly one member")
        return result
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            problems.append(f"{where} must be a list")
            return []
        _size(shape, len(value), where, "items", problems)
        return [_read(shape.member, item, f"{place}[{n}]", problems) for n, item in enumerate(value)]
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            problems.append(f"{where} must be an object")
            return {}
        _size(shape, len(value), where, "entries", problems)
        for key in value:
            _read(shape.key, key, f"a key of {where}", problems)
        return {key: _read(shape.value, item, f"{place}.{key}", problems) for key, item in value.items()}
    _scalar(shape, value, where, problems)
    return value


_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("string", "character"), (str,)),
    "blob": (str, bytes),
    **dict.fromkeys(("integer", "long"), (int,)),
    **dict.fromkeys(("float", "double"), (int, float)),
    "boolean": (bool,),
    "timestamp": (int, float, str, datetime),
}


def _scalar(shape: Shape, value: Any, where: str, problems: list[str]) -> None:
    # type(), not isinstance(): in Python a bool is an int, in the API it is not.
    if type(value) not in _TYPES[shape.type_name]:
        problems.append(f"{where} must be of type {shape.type_name}")
    elif shape.type_name == "string":
        enum = getattr(shape, "enum", None)
        if enum and value not in enum:
            problems.append(f"{where} must be one of {', '.join(enum)}")
        _size(shape, len(value), where, "characters", problems)
        # Connect's model escapes its pattern of phone numbers twice.
        pattern = shape.metadata.get("pattern", "").replace("\\\\+[", "\\+[").replace("\\\\d", "\\d")
        if pattern and not regex.search(pattern, value):
            problems.append(f"{where} must match {pattern}")
    elif shape.type_name in ("integer", "long", "float", "double"):
        _size(shape, value, where, "", problems)


def _size(shape: Shape, size: float, where: str, unit: str, problems: list[str]) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        problems.append(f"{where} is below the least of {least} {unit}".rstrip())
    if most is not None and size > most:
        problems.append(f"{where} is over the most of {most} {unit}".rstrip())


def _write(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape) and not shape.is_document_type and isinstance(value, Mapping):
        return {
            member.serialization.get("name", name): _write(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        } | {name: item for name, item in value.items() if name not in shape.members}
    if isinstance(shape, ListShape) and isinstance(value, list | tuple):
        return [_write(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {key: _write(shape.value, item) for key, item in value.items()}
    return value
