"""What SNS counts of a subscription's filter policy before it takes it.

Source: "Filter policy constraints" and "AND/OR logic" in the Amazon SNS developer guide. They do not say how `$or`
counts; what people report as refused had few names that occurred many times. Where two readings are possible, these
functions take the one that counts more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

KEYS = 5
"""A filter policy has at most so many keys."""
COMBINATIONS = 150
"""A filter policy has at most so many combinations of values."""
OR = "$or"


def keys(policy: Mapping[str, Any]) -> int:
    """Keys with values: each occurrence in each branch of `$or`, and of nested keys the innermost."""
    return sum(
        sum(map(keys, value)) if is_or(name, value) else keys(value) if isinstance(value, Mapping) else 1
        for name, value in policy.items()
    )


def combinations(policy: Mapping[str, Any], *, depth: int = 1) -> int:
    """The number of values of each key multiplied, of a nested key times the level on which it stands.

    A message fits one branch of `$or`, so that their combinations add up; the constraints say to multiply each list in
    the policy. The larger of the two counts.
    """
    total = 1
    for name, value in policy.items():
        if is_or(name, value):
            branches = [combinations(branch, depth=depth) for branch in value]
            total *= max(sum(branches), math.prod(branches))
        elif isinstance(value, Mapping):
            total *= combinations(value, depth=depth + 1)
        else:
            total *= depth * sum(map(_values, value if isinstance(value, Sequence) and value else [value]))
    return total


def is_or(name: str, value: Any) -> bool:
    """Whether SNS takes it for alternatives: two objects or more. Else `$or` is the name of an attribute."""
    return (
        name == OR and isinstance(value, Sequence) and len(value) > 1 and all(isinstance(one, Mapping) for one in value)
    )


def _values(rule: Any) -> int:
    """One, but for a list that a value may not be in."""
    refused = rule.get("anything-but") if isinstance(rule, Mapping) else None
    return len(refused) if isinstance(refused, list) and refused else 1
