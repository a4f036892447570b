"""Of botocore's data, what the functions' calls need: at a cold start every byte of it is read and held.

A service's model is cut down to the operations that are called and the shapes that these reach, its prose left out;
the list of all services' endpoints to those of ours. What is left is as botocore has it, so requests and answers are.
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
"""What the functions call. A test compares it with their source."""

_AS_IT_IS = re.compile(r"botocore/data/(partitions|sdk-default-configuration)\.json")
_OF_A_SERVICE = re.compile(r"botocore/data/([^/]+)/([^/]+)/service-2\.json\.gz")
_ENDPOINTS = "botocore/data/endpoints.json"


def files(found: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """botocore's data by its place in the archive, from its files by the same."""
    current: dict[str, str] = {}
    for match in filter(None, map(_OF_A_SERVICE.fullmatch, found)):
        current[match[1]] = max(match[2], current.get(match[1], ""))
    prefixes = set()
    for service, operations in OPERATIONS.items():
        folder = f"botocore/data/{service}/{current[service]}"
        model = cut(read(found[f"{folder}/service-2.json.gz"]), operations)
        prefixes.add(model["metadata"]["endpointPrefix"])
        yield f"{folder}/service-2.json", _written(model)
        yield f"{folder}/endpoint-rule-set-1.json", _written(read(found[f"{folder}/endpoint-rule-set-1.json.gz"]))
    endpoints = json.loads(found[_ENDPOINTS].read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in prefixes}
    yield _ENDPOINTS, _written(endpoints)
    yield from ((path, source.read_bytes()) for path, source in found.items() if _AS_IT_IS.fullmatch(path))


def read(path: Path) -> Any:
    """A model as botocore packs it."""
    return json.loads(gzip.decompress(path.read_bytes()))


def cut(model: Mapping[str, Any], operations: Iterable[str]) -> dict[str, Any]:
    """A service's model with these operations and no others."""
    kept = {name: model["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    reached = list(_shapes(kept))
    while reached:
        name = reached.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            reached += _shapes(shapes[name])
    return {**model, "operations": _without_prose(kept), "shapes": _without_prose(shapes)}


def _shapes(value: Any) -> Iterator[str]:
    """Names of the shapes that a piece of a model refers to. (A member can be called "shape" as well.)"""
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _shapes(each)


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_prose(each)
            for name, each in value.items()
            if name != "documentation" or not isinstance(each, str)
        }
    return [_without_prose(each) for each in value] if isinstance(value, list) else value


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
