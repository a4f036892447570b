"""Requests that SQS and SNS refuse and MiniStack accepts, with AWS's error codes, as far as they matter to the bridge.

It imports the standard library only, because MiniStack's environment runs it.
Sources: the API references of SQS and SNS; "Amazon SQS message quotas" and "Amazon SQS message metadata" in the SQS
developer guide; "Filter policy constraints" in the SNS developer guide; public reports for the wording of errors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

LARGEST_MESSAGE = 1_048_576
"""Bytes of an SQS message with its attributes, and of a whole batch."""
LARGEST_NOTIFICATION = 262_144
"""Bytes of an SNS message with its attributes."""
LONGEST_HIDDEN = 43_200
"""Maximum visibility timeout in seconds."""
LONGEST_POLL = 20
MOST_ATTRIBUTES = 10
MOST_KEYS = 5
MOST_COMBINATIONS = 150
LARGEST_FILTER = 262_144
"""Bytes of a filter policy."""

_ID = re.compile(r"[0-9A-Za-z!-/:-@\[-`{-~]{1,128}")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_REFUSED_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OPERATORS = frozenset(
    {"exists", "prefix", "suffix", "anything-but", "numeric", "equals-ignore-case", "cidr", "wildcard"}
)
_QUOTED = 40
"""Maximum number of characters of a value in an error message."""


class RefusedError(Exception):
    """AWS refuses the request. code: AWS's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Request = Mapping[str, Any]
Rule = Callable[[Request], Iterator[RefusedError]]


def check_sqs(action: str, request: Request) -> None:
    """Raises RefusedError when SQS refuses the whole request. request: its parameters, by their names in the API."""
    _check(SQS.get(action, ()), request)


def check_message(message: Request, *, fifo: bool, largest: int = LARGEST_MESSAGE) -> None:
    """Raises RefusedError when SQS refuses a message, alone or in a batch. largest: the queue's limit in bytes."""
    _check(MESSAGE, {**message, "_fifo": fifo, "_largest": largest})


def check_filter_policy(policy: str, *, scope: str = "MessageAttributes") -> None:
    """Raises RefusedError when SNS refuses the filter policy of a subscription. policy: JSON, "" for none."""
    if policy:
        _check(FILTER_POLICY, {"policy": policy, "scope": scope or "MessageAttributes"})


def check_publish(request: Request) -> None:
    """Raises RefusedError when SNS refuses a Publish."""
    _check(PUBLISH, request)


def size_of(message: Request) -> int:
    """A message's size in bytes as SQS counts it: the body, and name, type and value of each attribute."""
    return _bytes(message.get("MessageBody")) + _size_of_attributes(message)


def _size_of_attributes(message: Request) -> int:
    parts = ("DataType", "StringValue", "BinaryValue")
    return sum(_bytes(name) + sum(_bytes(value.get(part)) for part in parts) for name, value in _attributes(message))


def occurrences(policy: Any) -> Iterator[Sequence[Any]]:
    """The values of each key of a filter policy, once for each branch of `$or` with that key.

    AWS documents a limit of five keys. That each branch counts comes from public reports of refused policies.
    """
    for name, value in policy.items() if isinstance(policy, dict) else ():
        if name == "$or" and isinstance(value, list):
            for branch in value:
                yield from occurrences(branch)
        elif isinstance(value, dict):
            yield from occurrences(value)
        else:
            yield value if isinstance(value, list) else [value]


def _check(rules: Sequence[Rule], request: Request) -> None:
    for rule in rules:
        for refused in rule(request):
            raise refused


# --- a message ------------------------------------------------------------------------------------------------


def _body(message: Request) -> Iterator[RefusedError]:
    if not message.get("MessageBody"):
        yield RefusedError("MissingParameter", "The request must contain the parameter MessageBody.")
    elif found := _refused_character(message["MessageBody"]):
        yield RefusedError(
            "InvalidMessageContents", f"Invalid binary character '{found}' was found in the message body."
        )


def _size(message: Request) -> Iterator[RefusedError]:
    if size_of(message) > message["_largest"]:
        yield _invalid(
            f"One or more parameters are invalid. Reason: Message must be shorter than {message['_largest']} bytes."
        )


def _count(message: Request) -> Iterator[RefusedError]:
    count = len(_attributes(message))
    if count > MOST_ATTRIBUTES:
        yield _invalid(f"Number of message attributes [{count}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].")


def _names(message: Request) -> Iterator[RefusedError]:
    for name, _ in _attributes(message):
        odd = name.startswith(".") or name.endswith(".") or ".." in name
        if odd or not _ATTRIBUTE_NAME.fullmatch(name) or name.lower().startswith(("aws.", "amazon.")):
            yield _invalid(f"Message (user) attribute name '{name[:_QUOTED]}' is invalid.")


def _values(message: Request) -> Iterator[RefusedError]:
    for name, value in _attributes(message):
        kind = value.get("DataType") or ""
        given = value.get("BinaryValue") if kind.startswith("Binary") else value.get("StringValue")
        if not kind.startswith(("String", "Number", "Binary")) or len(kind) > 256:
            yield _invalid(f"The type of message (user) attribute '{name}' is invalid.")
        elif not given:
            yield _invalid(f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")
        elif isinstance(given, str) and (found := _refused_character(given)):
            yield _invalid(f"Invalid binary character '{found}' was found in the message attribute '{name}'.")
        elif kind.startswith("Number") and not _is_number(str(given)):
            yield _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def _ids(message: Request) -> Iterator[RefusedError]:
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        value = message.get(name)
        if value is not None and not _ID.fullmatch(value):
            yield _invalid(
                f"Value {value[:_QUOTED]} for parameter {name} is invalid. Reason: {name} can only include "
                "alphanumeric and punctuation characters. 1 to 128 in length."
            )
    if not message["_fifo"] and message.get("MessageDeduplicationId") is not None:
        yield _invalid("The request include parameter that is not valid for this queue type.")


def _delay(message: Request) -> Iterator[RefusedError]:
    yield from _within("DelaySeconds", 900)(message)


# --- the other requests of SQS --------------------------------------------------------------------------------


def _within(name: str, most: int, least: int = 0) -> Rule:
    def rule(request: Request) -> Iterator[RefusedError]:
        value = request.get(name)
        if value is not None and not least <= int(value) <= most:
            yield _invalid(
                f"Value {value} for parameter {name} is invalid. Reason: Must be >= {least} and <= {most}, if provided."
            )

    return rule


def _each_hidden(request: Request) -> Iterator[RefusedError]:
    """SQS refuses single entries of the batch. Here the whole request fails: no caller needs to know the entry."""
    for entry in request.get("Entries") or ():
        yield from _within("VisibilityTimeout", LONGEST_HIDDEN)(entry)


def _batch_size(request: Request) -> Iterator[RefusedError]:
    size = sum(size_of(entry) for entry in request.get("Entries") or ())
    if size > LARGEST_MESSAGE:
        yield RefusedError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {LARGEST_MESSAGE} bytes. You have sent {size} bytes.",
        )


# --- SNS ------------------------------------------------------------------------------------------------------


def _is_policy(request: Request) -> Iterator[RefusedError]:
    if len(request["policy"].encode()) > LARGEST_FILTER:
        yield _filter("Filter policy is too large")
    try:
        policy = json.loads(request["policy"])
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        yield _filter("failed to parse JSON.")


def _keys(request: Request) -> Iterator[RefusedError]:
    if len([*occurrences(json.loads(request["policy"]))]) > MOST_KEYS:
        yield _filter(f"Filter policy can not have more than {MOST_KEYS} keys")


def _combinations(request: Request) -> Iterator[RefusedError]:
    if math.prod(len(values) for values in occurrences(json.loads(request["policy"]))) > MOST_COMBINATIONS:
        yield _filter("Filter policy is too complex")


def _shape(request: Request) -> Iterator[RefusedError]:
    def wrong(policy: Mapping[str, Any]) -> Iterator[RefusedError]:
        for name, value in policy.items():
            if name == "$or" and isinstance(value, list) and all(isinstance(branch, dict) for branch in value):
                for branch in value:
                    yield from wrong(branch)
            elif isinstance(value, dict) and request["scope"] == "MessageBody":
                yield from wrong(value)
            elif isinstance(value, dict):
                yield _filter("Filter policy scope MessageAttributes does not support nested filter policy")
            elif not isinstance(value, list) or not value:
                yield _filter(f'"{name}" must be an object or an array')
            elif any(not isinstance(one, str | int | float | dict | None) for one in value):
                yield _filter("Match value must be String, number, true, false, or null")
            elif unknown := {key for one in value if isinstance(one, dict) for key in one} - _OPERATORS:
                yield _filter(f"Unrecognized match type {sorted(unknown)[0]}")

    yield from wrong(json.loads(request["policy"]))


def _published(request: Request) -> Iterator[RefusedError]:
    message = request.get("Message") or ""
    if not message:
        yield RefusedError("InvalidParameter", "Invalid parameter: Empty message")
    if _bytes(message) + _size_of_attributes(request) > LARGEST_NOTIFICATION:
        yield RefusedError("InvalidParameter", "Invalid parameter: Message too long")
    for name, value in _attributes(request):
        if not (value.get("StringValue") or value.get("BinaryValue")):
            yield RefusedError(
                "ParameterValueInvalid",
                f"The message attribute '{name}' must contain non-empty message attribute value.",
            )


MESSAGE: tuple[Rule, ...] = (_body, _size, _count, _names, _values, _ids, _delay)
"""For SendMessage and each message of a SendMessageBatch."""
SQS: Mapping[str, tuple[Rule, ...]] = {
    "SendMessageBatch": (_batch_size,),
    "ReceiveMessage": (
        _within("VisibilityTimeout", LONGEST_HIDDEN),
        _within("WaitTimeSeconds", LONGEST_POLL),
        _within("MaxNumberOfMessages", 10, least=1),
    ),
    "ChangeMessageVisibility": (_within("VisibilityTimeout", LONGEST_HIDDEN),),
    "ChangeMessageVisibilityBatch": (_each_hidden,),
}
FILTER_POLICY: tuple[Rule, ...] = (_is_policy, _keys, _combinations, _shape)
PUBLISH: tuple[Rule, ...] = (_published,)


def _invalid(message: str) -> RefusedError:
    return RefusedError("InvalidParameterValue", message)


def _filter(message: str) -> RefusedError:
    return RefusedError("InvalidParameter", f"Invalid parameter: FilterPolicy: {message}")


def _attributes(message: Request) -> Sequence[tuple[str, Mapping[str, Any]]]:
    return [*(message.get("MessageAttributes") or {}).items()]


def _refused_character(text: str) -> str | None:
    found = _REFUSED_CHARACTER.search(text)
    return f"#x{ord(found[0]):X}" if found else None


def _bytes(value: Any) -> int:
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else len(value or b"")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
