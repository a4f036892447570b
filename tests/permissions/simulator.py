"""Whether IAM allows a request, and by which statements: npm's `@cloud-copilot/iam-simulate`, run by Node.js.

It plays the policy evaluation of one account: identity policies, resource policies, role trust and key policies, with
conditions. It checks actions, resource types and context keys against AWS's service reference, which it brings along:
nothing is asked of the network.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("evaluate.mjs")
_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to IAM.

    `principal`: ARN of a user, of a role's session or of an account's root, or the name of a service. `account`: the
    one that the resource is in. `identity`: names of the policies that the principal has; `resource_policy`: name of
    the policy that the resource has, if any.
    """

    principal: str
    action: str
    resource: str
    account: str
    context: Mapping[str, str]
    identity: tuple[str, ...] = ()
    resource_policy: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """An action and a resource of a statement; `statement` is its index in the policy."""

    policy: str
    statement: int
    action: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`allows` and `denies` are all that matched the request. `by_account`: those of `allows` that delegate to the IAM
    policies of an account."""

    allowed: bool
    denied_explicitly: bool
    allows: frozenset[Grant]
    denies: frozenset[Grant]
    by_account: frozenset[Grant]


class SimulatorError(Exception):
    """A request or a policy is invalid in AWS; the message says why."""


def evaluate(policies: Mapping[str, Any], requests: Sequence[Request]) -> list[Verdict]:
    """The verdicts in the order of `requests`; `policies` are documents by name. Raises SimulatorError."""
    done = subprocess.run(
        ["node", str(_SCRIPT)],
        input=json.dumps({"policies": policies, "requests": [_written(request) for request in requests]}),
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise SimulatorError(done.stderr)
    answers = json.loads(done.stdout)
    wrong = [
        f"{request}: {answer['error']}" for request, answer in zip(requests, answers, strict=True) if "error" in answer
    ]
    if wrong:
        raise SimulatorError("\n".join(dict.fromkeys(wrong)))
    return [_verdict(answer) for answer in answers]


def _written(request: Request) -> dict[str, Any]:
    return {
        "principal": request.principal,
        "action": request.action,
        "resource": request.resource,
        "account": request.account,
        "context": dict(request.context),
        "identity": list(request.identity),
        "resourcePolicy": request.resource_policy,
    }


def _verdict(answer: Mapping[str, Any]) -> Verdict:
    return Verdict(
        allowed=answer["result"] == "Allowed",
        denied_explicitly=answer["result"] == "ExplicitlyDenied",
        allows=_grants(answer["allows"]),
        denies=_grants(answer["denies"]),
        by_account=_grants([one for one in answer["allows"] if one["wholeAccount"]]),
    )


def _grants(statements: Sequence[Mapping[str, Any]]) -> frozenset[Grant]:
    return frozenset(
        Grant(one["policy"], one["statement"], action, resource)
        for one in statements
        for action in one["actions"]
        for resource in one["resources"]
    )
