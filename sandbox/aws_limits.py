"""Requests that SQS and SNS refuse and MiniStack accepts, with AWS's error codes, as far as they matter to the bridge.

It imports the standard library only, because MiniStack's environment runs it.
Sources: the API references of SQS and SNS; "Amazon SQS message quotas" and "Amazon SQS message metadata" in the SQS
developer guide; "Filter policy constraints" in the SNS developer guide; public reports for the wording of errors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
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


def check_sqs(action: str, request: Request) -> None:
    """Raises RefusedError when SQS refuses the whole request. request: its parameters, by their names in the API."""
    entries = request.get("Entries") or ()
    if action == "SendMessageBatch" and (size := sum(size_of(entry) for entry in entries)) > LARGEST_MESSAGE:
        message = f"Batch requests cannot be longer than {LARGEST_MESSAGE} bytes. You have sent {size} bytes."
        raise RefusedError("BatchRequestTooLong", message)
    if action in ("ReceiveMessage", "ChangeMessageVisibility"):
        _check_range(request, "VisibilityTimeout", LONGEST_HIDDEN)
    if action == "ReceiveMessage":
        _check_range(request, "WaitTimeSeconds", LONGEST_POLL)
        _check_range(request, "MaxNumberOfMessages", 10, least=1)
    if action == "ChangeMessageVisibilityBatch":
        for entry in entries:  # SQS refuses this entry only; no caller needs to know which one
            _check_range(entry, "VisibilityTimeout", LONGEST_HIDDEN)


def check_message(message: Request, *, fifo: bool, largest: int = LARGEST_MESSAGE) -> None:
    """Raises RefusedError when SQS refuses a message, alone or in a batch. largest: the queue's limit in bytes."""
    body, attributes = message.get("MessageBody"), _attributes(message)
    if not body:
        raise RefusedError("MissingParameter", "The request must contain the parameter MessageBody.")
    if found := _refused_character(body):
        error = f"Invalid binary character '{found}' was found in the message body."
        raise RefusedError("InvalidMessageContents", error)
    if size_of(message) > largest:
        raise _invalid(f"One or more parameters are invalid. Reason: Message must be shorter than {largest} bytes.")
    if len(attributes) > MOST_ATTRIBUTES:
        count = len(attributes)
        raise _invalid(f"Number of message attributes [{count}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].")
    for name, value in attributes:
        _check_attribute(name, value)
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        given = message.get(name)
        if given is not None and not _ID.fullmatch(given):
            raise _invalid(
                f"Value {given[:_QUOTED]} for parameter {name} is invalid. Reason: {name} can only include "
                "alphanumeric and punctuation characters. 1 to 128 in length."
            )
    if not fifo and message.get("MessageDeduplicationId") is not None:
        raise _invalid("The request include parameter that is not valid for this queue type.")
    _check_range(message, "DelaySeconds", 900)


def _check_attribute(name: str, value: Request) -> None:
    odd = name.startswith(".") or name.endswith(".") or ".." in name
    if odd or not _ATTRIBUTE_NAME.fullmatch(name) or name.lower().startswith(("aws.", "amazon.")):
        raise _invalid(f"Message (user) attribute name '{name[:_QUOTED]}' is invalid.")
    kind = value.get("DataType") or ""
    given = value.get("BinaryValue") if kind.startswith("Binary") else value.get("StringValue")
    if not kind.startswith(("String", "Number", "Binary")) or len(kind) > 256:
        raise _invalid(f"The type of message (user) attribute '{name}' is invalid.")
    if not given:
        raise _invalid(f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")
    if isinstance(given, str) and (found := _refused_character(given)):
        raise _invalid(f"Invalid binary character '{found}' was found in the message attribute '{name}'.")
    if kind.startswith("Number") and not _is_number(str(given)):
        raise _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def _check_range(request: Request, name: str, most: int, *, least: int = 0) -> None:
    value = request.get(name)
    if value is not None and not least <= int(value) <= most:
        reason = f"Must be >= {least} and <= {most}, if provided."
        raise _invalid(f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def check_publish(request: Request) -> None:
    """Raises RefusedError when SNS refuses a Publish."""
    message = request.get("Message") or ""
    if not message:
        raise RefusedError("InvalidParameter", "Invalid parameter: Empty message")
    if _bytes(message) + _size_of_attributes(request) > LARGEST_NOTIFICATION:
        raise RefusedError("InvalidParameter", "Invalid parameter: Message too long")
    for name, value in _attributes(request):
        if not (value.get("StringValue") or value.get("BinaryValue")):
            error = f"The message attribute '{name}' must contain non-empty message attribute value."
            raise RefusedError("ParameterValueInvalid", error)


def check_filter_policy(policy: str, *, scope: str = "") -> None:
    """Raises RefusedError when SNS refuses the filter policy of a subscription.

    policy: JSON, "" for none. scope: FilterPolicyScope, by default MessageAttributes.
    """
    if not policy:
        return
    if len(policy.encode()) > LARGEST_FILTER:
        raise _filter("Filter policy is too large")
    try:
        parsed = json.loads(policy)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise _filter("failed to parse JSON.")
    values = [*occurrences(parsed)]
    if len(values) > MOST_KEYS:
        raise _filter(f"Filter policy can not have more than {MOST_KEYS} keys")
    if math.prod(map(len, values)) > MOST_COMBINATIONS:
        raise _filter("Filter policy is too complex")
    _check_filter(parsed, nested=scope == "MessageBody")


def _check_filter(policy: Mapping[str, Any], *, nested: bool) -> None:
    for name, value in policy.items():
        if name == "$or" and isinstance(value, list) and all(isinstance(branch, dict) for branch in value):
            for branch in value:
                _check_filter(branch, nested=nested)
        elif isinstance(value, dict) and nested:
            _check_filter(value, nested=nested)
        elif isinstance(value, dict):
            raise _filter("Filter policy scope MessageAttributes does not support nested filter policy")
        elif not isinstance(value, list) or not value:
            raise _filter(f'"{name}" must be an object or an array')
        elif any(not isinstance(one, str | int | float | dict | None) for one in value):
            raise _filter("Match value must be String, number, true, false, or null")
        elif unknown := {key for one in value if isinstance(one, dict) for key in one} - _OPERATORS:
            raise _filter(f"Unrecognized match type {sorted(unknown)[0]}")


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
