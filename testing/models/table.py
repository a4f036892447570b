"""A fake of boto3's DynamoDB client with one table. It knows the expressions that the bridge uses, and no others.

A read that is not consistent misses the last write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]
_CLAUSES = re.compile(r"(?:^| )(SET|ADD|REMOVE) ")


class Table:
    """Items in the API's format by their key, the attribute `by`."""

    def __init__(self, *, by: str) -> None:
        self.items: dict[str, Item] = {}
        self._by = by
        self._before: dict[str, Item] = {}

    def get_item(
        self,
        *,
        TableName: str,  # noqa: N803 (the API's own names, here and below)
        Key: Item,  # noqa: N803
        ConsistentRead: bool = False,  # noqa: N803
    ) -> dict[str, Any]:
        item = (self.items if ConsistentRead else self._before).get(self._key(Key))
        return {} if item is None else {"Item": item}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        """At most a hundred keys."""
        ((table, request),) = RequestItems.items()
        keys = [self._key(key) for key in request["Keys"]]
        assert request["ConsistentRead"] and 1 <= len(keys) == len({*keys}) <= 100
        return {"Responses": {table: [self.items[key] for key in keys if key in self.items]}}

    def get_paginator(self, operation: str) -> Table:
        assert operation == "query"
        return self

    def paginate(self, *, KeyConditionExpression: str, **request: Any) -> list[dict[str, Any]]:  # noqa: N803
        """Query an index on the attributes of the condition; it has no items that lack one. A page has two items."""
        terms, values = KeyConditionExpression.split(" AND "), request["ExpressionAttributeValues"]
        found = [item for item in self.items.values() if all(_holds(term, item, values) for term in terms)]
        number = {"ByConversation": "first_seen_at", "Failed": "failed_at"}.get(request["IndexName"])
        if number:
            found = sorted((item for item in found if number in item), key=lambda item: int(item[number]["N"]))
        if projected := request.get("ProjectionExpression"):
            found = [{name: item[name] for name in projected.split(", ") if name in item} for item in found]
        return [{"Items": found[start : start + 2]} for start in range(0, len(found) + 1, 2)]

    def put_item(self, **request: Any) -> None:
        self._check(request, self._key(request["Item"]), "PutItem")
        self._write(self._key(request["Item"]), dict(request["Item"]))

    def update_item(self, **request: Any) -> dict[str, Any]:
        key = self._key(request["Key"])
        self._check(request, key, "UpdateItem")
        item = _updated(self.items.get(key) or dict(request["Key"]), request)
        self._write(key, item)
        return {"Attributes": item}

    def values(self, key: str) -> dict[str, Any]:
        """Attributes of an item without their types."""
        return {name: next(iter(value.values())) for name, value in self.items[key].items()}

    def _key(self, of: Item) -> str:
        return str(of[self._by]["S"])

    def _write(self, key: str, item: Item) -> None:
        self._before = dict(self.items)
        self.items[key] = item

    def _check(self, request: Mapping[str, Any], key: str, operation: str) -> None:
        """DynamoDB refuses a name or value that no expression has, and one of an expression that is not given."""
        expressions = f"{request.get('UpdateExpression', '')} {request.get('ConditionExpression', '')}"
        for kind, given in (("#", "ExpressionAttributeNames"), (":", "ExpressionAttributeValues")):
            assert {*re.findall(rf"{kind}\w+", expressions)} == request.get(given, {}).keys(), given
        condition = request.get("ConditionExpression")
        values = request.get("ExpressionAttributeValues", {})
        item = self.items.get(key, {})
        if condition and not any(
            all(_holds(term, item, values) for term in terms.split(" AND ")) for terms in condition.split(" OR ")
        ):
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, operation)


def _holds(term: str, item: Item, values: Mapping[str, Any]) -> bool:
    """A missing attribute equals nothing, is not less than anything, and is in no list."""
    if match := re.fullmatch(r"attribute_(not_)?exists\(#?(\w+)\)", term):
        return (match[2] in item) is not bool(match[1])
    if match := re.fullmatch(r"(NOT )?(\w+) = (:\w+)", term):
        return (item.get(match[2]) == values[match[3]]) is not bool(match[1])
    if match := re.fullmatch(r"(\w+) >= (:\w+)", term):
        return match[1] in item and float(item[match[1]]["N"]) >= float(values[match[2]]["N"])
    if match := re.fullmatch(r"(\w+) < (:\w+)", term):
        return match[1] in item and float(item[match[1]]["N"]) < float(values[match[2]]["N"])
    if match := re.fullmatch(r"NOT (\w+) > (:\w+)", term):
        return not (match[1] in item and float(item[match[1]]["N"]) > float(values[match[2]]["N"]))
    if match := re.fullmatch(r"NOT (\w+) IN \((.*)\)", term):
        return item.get(match[1]) not in [values[name] for name in match[2].split(", ")]
    raise AssertionError(f"this table does not know the condition {term}")


def _updated(before: Item, request: Mapping[str, Any]) -> Item:
    values = request["ExpressionAttributeValues"]
    item = dict(before)
    _, *parts = _CLAUSES.split(request["UpdateExpression"])
    for clause, text in zip(parts[::2], parts[1::2], strict=True):
        for change in re.split(r", (?![^(]*\))", text):
            if clause == "REMOVE":
                item.pop(change.removeprefix("#"), None)
            elif clause == "ADD":
                name, placeholder = change.split(" ")
                item[name] = {"N": str(int(item.get(name, {}).get("N", 0)) + int(values[placeholder]["N"]))}
            elif match := re.fullmatch(r"#?(\w+) = if_not_exists\(#?\1, (:\w+)\)", change):
                item.setdefault(match[1], values[match[2]])
            elif match := re.fullmatch(r"#?(\w+) = (:\w+)", change):
                item[match[1]] = values[match[2]]
            else:
                raise AssertionError(f"this table does not know the change {change}")
    return item
