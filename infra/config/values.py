"""Validators of single values of bridge.toml; each error has a problem and a remedy."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

ARN = "arn:aws[a-z-]*"
REGION = "[a-z]{2,4}(?:-[a-z]+)+-[0-9]+"
PARTITIONS = {"aws": "(?!cn-)[a-z]{2}-[a-z]+-[0-9]+", "aws-us-gov": "us-gov-[a-z]+-[0-9]+"}
"""Partitions that a bridge can be deployed to, with a pattern of their Regions. Connect has endpoints in no other."""
EXAMPLE_ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-..."
EXAMPLE_TOPIC = "arn:aws:sns:us-east-1:111122223333:agent-messages"
EXAMPLE_INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/..."

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _wrong(problem: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("mistake", "{problem}", {"problem": problem, "remedy": remedy})


def shown(value: object) -> str:
    """A value as TOML writes it, at most 60 characters."""
    written = json.dumps(value, ensure_ascii=False, default=str)
    return written if len(written) <= 60 else written[:57] + "..."


def text(value: Any, remedy: str = "put it in double quotes") -> str:
    if not isinstance(value, str):
        raise _wrong(f"{shown(value)} is not text", f"{remedy}: {shown(str(value))}")
    return value


def matches(pattern: str, what: str, remedy: str) -> BeforeValidator:
    def check(value: Any) -> str:
        if not re.fullmatch(pattern, text(value)):
            raise _wrong(f"{shown(value)} is not {what}", remedy)
        return str(value)

    return BeforeValidator(check)


def length(most: int, *, placeholder: str | None = None) -> BeforeValidator:
    def check(value: Any) -> str:
        given = text(value)
        if not given.strip():
            raise _wrong("is empty", f"1 to {most} characters")
        if len(given) > most:
            raise _wrong(f"is {len(given)} characters long", f"at most {most}")
        known = f"{{{placeholder}}}" if placeholder else ""
        if placeholder and (stray := re.search(r"\{[^{}]*\}|[{}]", given.replace(known, ""))):
            raise _wrong(f"{shown(stray[0])} is no placeholder here", f"{known} is the only one")
        return given

    return BeforeValidator(check)


def _valid(is_valid: Callable[[Any], bool], problem: str, remedy: str) -> BeforeValidator:
    """`problem` follows the value, as in `5 is not possible`."""

    def check(value: Any) -> Any:
        if not is_valid(value):
            raise _wrong(f"{shown(value)} {problem}", remedy)
        return value

    return BeforeValidator(check)


def one_of(*allowed: str | int) -> BeforeValidator:
    remedy = "one of " + ", ".join(map(shown, allowed))
    return _valid(lambda value: not isinstance(value, bool) and value in allowed, "is not possible", remedy)


def whole_number(low: int, high: int) -> BeforeValidator:
    return _valid(
        lambda value: type(value) is int and low <= value <= high,
        "is not possible",
        f"a whole number from {low} to {high}",
    )


def duration(low: str, high: str, *, whole: bool = False) -> BeforeValidator:
    least, most = seconds(low) or 0.0, seconds(high) or 0.0

    def check(value: Any) -> float:
        found = seconds(value)
        if found is None:
            raise _wrong(f"{shown(value)} is not a duration", _with_unit(value))
        if not least <= found <= most:
            raise _wrong(f"{shown(value)} is not possible", f'from "{low}" to "{high}"')
        if whole and found != int(found):
            raise _wrong(f"{shown(value)} is not possible", "whole seconds")
        return found

    return BeforeValidator(check)


def seconds(value: object) -> float | None:
    """Seconds of a duration such as "90s", "6h" or "2d"; None for anything else."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*", value) if isinstance(value, str) else None
    return float(found[1]) * _UNITS[found[2]] if found else None


def _with_unit(value: object) -> str:
    digits = str(value).strip()
    digits = digits if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", digits) else "30"
    return f'a number with its unit, in quotes: "{digits}s", "{digits}m" or "{digits}h"'


def of_partition(arn: str) -> str:
    """A well-formed ARN, unless its partition is not one of PARTITIONS or does not have its Region."""
    _, partition, _, region, _ = arn.split(":", 4)
    known = " and ".join(PARTITIONS)
    if partition not in PARTITIONS:
        raise _wrong(f"{shown(arn)} is in partition {partition}", f"a bridge can be deployed to {known}")
    if not re.fullmatch(PARTITIONS[partition], region):
        raise _wrong(f"{shown(arn)} has a Region that partition {partition} does not have", "copy the ARN once more")
    return arn


def number_arn(value: Any) -> str:
    arn = text(value)
    parts = arn.split(":")
    resource = parts[5] if len(parts) == 6 else ""
    if re.fullmatch(f"{ARN}:sms-voice:{REGION}:[0-9]{{12}}:phone-number/[A-Za-z0-9_-]+", arn):
        return of_partition(arn)
    if arn.startswith("arn:") and ":connect:" in arn:
        raise _wrong(f"{shown(arn)} is Amazon Connect's ARN of a number", f"End User Messaging's: {EXAMPLE_ARN}")
    for kind, name in (("pool/", "a pool"), ("sender-id/", "a sender id"), ("rcs-agent/", "an RCS agent")):
        if resource.startswith(kind):
            raise _wrong(f"{shown(arn)} is the ARN of {name}", f"that of the phone number itself: {EXAMPLE_ARN}")
    raise _wrong(f"{shown(arn)} is not the ARN of a phone number", f"as End User Messaging shows it: {EXAMPLE_ARN}")


def instance_arn(value: Any) -> str:
    arn = text(value)
    if not re.fullmatch(f"{ARN}:connect:{REGION}:[0-9]{{12}}:instance/[A-Za-z0-9-]+", arn):
        raise _wrong(f"{shown(arn)} is not the ARN of a Connect instance", f"as Connect shows it: {EXAMPLE_INSTANCE}")
    return of_partition(arn)


def topic_arn(value: Any) -> str:
    arn = text(value)
    if arn.endswith(".fifo"):
        raise _wrong(f"{shown(arn)} is a FIFO topic", "Connect streams only to a standard topic")
    if not re.fullmatch(f"{ARN}:sns:{REGION}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}", arn):
        raise _wrong(f"{shown(arn)} is not the ARN of an SNS topic", EXAMPLE_TOPIC)
    return of_partition(arn)


def listed(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise _wrong(f"{shown(value)} is not a list", f"put it in square brackets: [{shown(value)}]")
    return tuple(value)


AttributeName = Annotated[
    str, matches(r"[A-Za-z0-9_-]+", "an attribute's name", "letters, digits, - and _ only (Connect takes no others)")
]
AttributeValue = Annotated[
    str, BeforeValidator(lambda value: text(value, "attributes are text; put it in double quotes"))
]
Attributes = Annotated[dict[AttributeName, AttributeValue], Field(default_factory=dict)]
DisplayName = Annotated[str, length(256, placeholder="customer")]
InstanceArn = Annotated[str, BeforeValidator(instance_arn)]
ContactFlowId = Annotated[
    str,
    matches(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "the id of a contact flow",
        "the last part of its ARN: 8-4-4-4-12 hexadecimal digits",
    ),
]
Flag = Annotated[
    bool, _valid(lambda value: isinstance(value, bool), "is not a yes or no", "true or false, without quotes")
]
Rate = Annotated[
    float,
    _valid(
        lambda value: type(value) in (int, float) and 0 < value < math.inf,
        "is no rate",
        "calls per second, more than 0, without quotes: 14",
    ),
]
Keyword = Annotated[str, length(160), AfterValidator(str.strip)]
ContentType = Annotated[
    str, matches(r"(?=.{1,100}$)[a-z]+/[A-Za-z0-9.+-]+", "a content type", 'such as "text/plain" or "text/markdown"')
]
