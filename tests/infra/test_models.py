"""The reduced service models: each operation that the functions call works as with botocore's complete models."""

from __future__ import annotations

import ast
import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from infra.packaging import models
from tests.infra.conftest import ROOT

EACH = [(service, operation) for service, operations in models.OPERATIONS.items() for operation in operations]


@cache
def data() -> Mapping[str, Path]:
    return {file.as_posix(): Path(str(file.locate())) for file in distribution("botocore").files or ()}


@cache
def whole(service: str) -> Mapping[str, Any]:
    newest = max(path for path in data() if path.startswith(f"botocore/data/{service}/") and "/service-2." in path)
    model: Mapping[str, Any] = models.read(data()[newest])
    return model


@cache
def packaged(service: str) -> Mapping[str, Any]:
    (content,) = (
        content
        for path, content in models.files(data())
        if path.startswith(f"botocore/data/{service}/") and path.endswith("/service-2.json")
    )
    model: Mapping[str, Any] = json.loads(content)
    return model


def both(service: str, operation: str) -> tuple[OperationModel, OperationModel]:
    of_whole, of_packaged = (
        ServiceModel(model, service_name=service).operation_model(operation)
        for model in (whole(service), packaged(service))
    )
    return of_whole, of_packaged


def sample(shape: Any, depth: int = 0) -> Any:
    """A value with all members of the shape, down to a limited depth."""
    match shape.type_name:
        case "structure":
            members = shape.members.items() if depth < 8 else ()
            if getattr(shape, "is_tagged_union", False):
                members = list(members)[:1]
            return {name: sample(member, depth + 1) for name, member in members}
        case "list":
            return [sample(shape.member, depth + 1)] * 2
        case "map":
            return {str(sample(shape.key)): sample(shape.value, depth + 1)}
        case "string":
            return shape.enum[0] if shape.enum else "text"
        case "blob":
            return b"bytes"
        case "boolean":
            return True
        case "timestamp":
            return 1795348800
        case _:
            return shape.metadata.get("min", 7)


def on_the_wire(shape: Any, depth: int = 0) -> Any:
    """The JSON of a response: a sample value with the names of the protocol."""
    match shape.type_name:
        case "structure":
            return {
                member.serialization.get("name", name): on_the_wire(member, depth + 1)
                for name, member in (shape.members.items() if depth < 8 else ())
            }
        case "list":
            return [on_the_wire(shape.member, depth + 1)]
        case "map":
            return {"key": on_the_wire(shape.value, depth + 1)}
        case "blob":
            return base64.b64encode(b"bytes").decode()
        case _:
            return sample(shape)


def parsed(model: OperationModel, *, status: int, body: object, headers: Mapping[str, str]) -> Any:
    response = {"status_code": status, "headers": headers, "body": json.dumps(body).encode()}
    parser: Any = create_parser(model.service_model.resolved_protocol)
    return parser.parse(response, model.output_shape)


def closure(model: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Every shape that an operation refers to, as the model has it but for the prose. Found another way than packaging
    does: by botocore's own reading of it."""
    seen: dict[str, Any] = {}
    service = ServiceModel(model)
    about = service.operation_model(operation)
    waiting: list[Any] = [shape for shape in (about.input_shape, about.output_shape, *about.error_shapes) if shape]
    while waiting:
        shape = waiting.pop()
        if shape.name in seen:
            continue
        definition = model["shapes"][shape.name]
        seen[shape.name] = without_documentation(definition)
        kind = shape.type_name
        waiting += shape.members.values() if kind == "structure" else ()
        waiting += [shape.member] if kind == "list" else [shape.key, shape.value] if kind == "map" else []
    return seen


def without_documentation(value: Any) -> Any:
    """On the JSON text, independent of how packaging does it."""
    return json.loads(
        json.dumps(value),
        object_pairs_hook=lambda pairs: dict(p for p in pairs if p[0] != "documentation" or isinstance(p[1], dict)),
    )


@pytest.mark.parametrize(("service", "operation"), EACH)
def test_all_shapes_of_an_operation_are_there_and_unchanged(service: str, operation: str) -> None:
    expected = closure(whole(service), operation)
    assert len(expected) > 3
    assert closure(packaged(service), operation) == expected
    assert packaged(service)["operations"][operation] == without_documentation(whole(service)["operations"][operation])


@pytest.mark.parametrize(("service", "operation"), EACH)
def test_requests_are_those_of_the_complete_model(service: str, operation: str) -> None:
    of_whole, of_packaged = both(service, operation)
    request = sample(of_whole.input_shape)
    for token in of_whole.idempotent_members:
        request[token] = "token"
    written = [
        create_serializer(model.service_model.resolved_protocol).serialize_to_request(request, model)
        for model in (of_whole, of_packaged)
    ]
    assert written[0]["body"]
    assert written[0] == written[1]


@pytest.mark.parametrize(("service", "operation"), EACH)
def test_responses_are_parsed_as_with_the_complete_model(service: str, operation: str) -> None:
    of_whole, of_packaged = both(service, operation)
    body = on_the_wire(of_whole.output_shape) if of_whole.output_shape else {}
    read = [parsed(model, status=200, body=body, headers={}) for model in (of_whole, of_packaged)]
    if body:
        assert read[0].keys() - {"ResponseMetadata"}
    assert read[0] == read[1]


@pytest.mark.parametrize(("service", "operation"), EACH)
def test_errors_are_parsed_as_with_the_complete_model(service: str, operation: str) -> None:
    of_whole, of_packaged = both(service, operation)
    assert [e.name for e in of_whole.error_shapes] == [e.name for e in of_packaged.error_shapes] != []
    for error in of_whole.error_shapes:
        code = error.metadata.get("error", {}).get("code", error.name)
        answer: dict[str, Any] = {
            "status": 400,
            "headers": {"x-amzn-errortype": code},
            "body": {**on_the_wire(error), "__type": code, "message": "no"},
        }
        read = [parsed(model, **answer) for model in (of_whole, of_packaged)]
        assert read[0]["Error"]["Code"] == code
        assert read[0] == read[1]


def test_a_model_is_otherwise_as_it_was() -> None:
    for service in models.OPERATIONS:
        about, left = dict(whole(service)), dict(packaged(service))
        for large in ("operations", "shapes"):
            del about[large], left[large]
        assert left == about


def test_the_operations_in_the_archive_are_those_that_are_called() -> None:
    """Every attribute in lambda/ that has the name of a client method of these services."""
    methods = {
        xform_name(operation): (service, operation)
        for service in models.OPERATIONS
        for operation in whole(service)["operations"]
    }
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "lambda").rglob("*.py"))
    called = {node.attr for node in chain.from_iterable(map(ast.walk, trees)) if isinstance(node, ast.Attribute)}
    assert {methods[name][1] for name in called & methods.keys()} == {operation for _, operation in EACH}


@pytest.mark.parametrize("model", [whole, packaged])
def test_a_chat_is_started_with_its_streaming_in_one_call(model: Callable[[str], Mapping[str, Any]]) -> None:
    """With older models StartContactStreaming is a call of its own, and a reply can arrive before it."""
    operation = ServiceModel(model("connect"), service_name="connect").operation_model("StartChatContact")
    start: Any = operation.input_shape
    streaming: Any = start.members["ChatStreamingConfiguration"]
    assert streaming.members["StreamingEndpointArn"].type_name == "string"
    assert "StartContactStreaming" not in models.OPERATIONS["connect"]


def test_service_models_are_small() -> None:
    """A cold start reads them completely. The complete model of connect alone has 1.6 MB."""
    size = {service: len(json.dumps(packaged(service))) for service in models.OPERATIONS}
    assert max(size.values()) < 15_000, size
    files = {path: len(content) for path, content in models.files(data())}
    assert files["botocore/data/endpoints.json"] < 30_000
