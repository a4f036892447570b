"""The part of botocore's data that the functions' calls need: a cold start reads all of it.

A service's model keeps the operations that are called and the shapes that they refer to, without documentation; the
list of endpoints keeps the services that are called. What is kept is unchanged, and so are requests and responses.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "connect": ("SendChatIntegrationEvent", "StartChatContact"),
    "connectparticipant": ("CreateParticipantConnection", "DisconnectParticipant", "GetAttachment", "SendMessage"),
    "dynamodb": ("GetItem", "PutItem", "UpdateItem"),
    "pinpoint-sms-voice-v2": ("SendTextMessage",),
    "sqs": ("ChangeMessageVisibilityBatch", "SendMessage"),
}
"""The operations that the functions call, by service. A test compares it with their source."""

_UNCHANGED = re.compile(r"botocore/data/(partitions|sdk-default-configuration)\.json")
_SERVICE_MODEL = re.compile(r"botocore/data/([^/]+)/([^/]+)/service-2\.json\.gz")
_ENDPOINTS = "botocore/data/endpoints.json"


def files(found: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Content by path in the archive; `found` are botocore's files by the same path."""
    current: dict[str, str] = {}
    for match in filter(None, map(_SERVICE_MODEL.fullmatch, found)):
        current[match[1]] = max(match[2], current.get(match[1], ""))
    prefixes = set()
    for service, operations in OPERATIONS.items():
        folder = f"botocore/data/{service}/{current[service]}"
        model = cut(read(found[f"{folder}/service-2.json.gz"]), operations)
        prefixes.add(model["metadata"]["endpointPrefix"])
        yield f"{folder}/service-2.json", _json(model)
        yield f"{folder}/endpoint-rule-set-1.json", _json(read(found[f"{folder}/endpoint-rule-set-1.json.gz"]))
    endpoints = json.loads(found[_ENDPOINTS].read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in prefixes}
    yield _ENDPOINTS, _json(endpoints)
    yield from ((path, source.read_bytes()) for path, source in found.items() if _UNCHANGED.fullmatch(path))


def read(path: Path) -> Any:
    """A model, which botocore has compressed."""
    return json.loads(gzip.decompress(path.read_bytes()))


def cut(model: Mapping[str, Any], operations: Iterable[str]) -> dict[str, Any]:
    """A service's model with these operations only."""
    kept = {name: model["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    reached = list(_shapes(kept))
    while reached:
        name = reached.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            reached += _shapes(shapes[name])
    return {**model, "operations": _without_documentation(kept), "shapes": _without_documentation(shapes)}


def _shapes(value: Any) -> Iterator[str]:
    """Names of the shapes that a part of a model refers to. (A member can be called "shape" too.)"""
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _shapes(each)


def _without_documentation(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_documentation(each)
            for name, each in value.items()
            if name != "documentation" or not isinstance(each, str)
        }
    return [_without_documentation(each) for each in value] if isinstance(value, list) else value


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
