"""The simulator's verdicts on many cases, and the statements that decided them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.permissions.deployment import Deployment
from tests.permissions.requests import ADMINISTRATOR, Case, strangers
from tests.permissions.simulator import Grant, Verdict, evaluate

_OF_THE_ACCOUNT = {
    ADMINISTRATOR: {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
}

_TLS = "aws:securetransport"
"""The condition key of the statements that deny."""


@dataclass(frozen=True, slots=True)
class Judged:
    case: Case
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """`wanted`: cases that must be allowed; `refused`: those that must not."""

    policies: Mapping[str, Any]
    wanted: tuple[Judged, ...]
    refused: tuple[Judged, ...]

    @classmethod
    def of(cls, deployment: Deployment, cases: Iterable[Case], more: Mapping[str, Any] | None = None) -> Verdicts:
        """`more`: policies by name that are not in the stack; `unused` then looks at these only."""
        wanted = tuple(cases)
        refused = (*(guarded for case in wanted for guarded in case.refused()), *strangers(wanted))
        verdicts = evaluate(
            {**deployment.policies, **_OF_THE_ACCOUNT, **(more or {})}, [case.request for case in (*wanted, *refused)]
        )
        judged = [Judged(case, verdict) for case, verdict in zip((*wanted, *refused), verdicts, strict=True)]
        return cls(
            policies=more or deployment.policies,
            wanted=tuple(judged[: len(wanted)]),
            refused=tuple(judged[len(wanted) :]),
        )

    def wrong(self) -> Iterator[str]:
        """A line for each case with the wrong verdict."""
        for one in self.wanted:
            statements = sorted(
                {(grant.policy, grant.statement) for grant in one.verdict.allows - one.verdict.by_account}
            )
            names = tuple(self.sid(*statement) for statement in statements)
            if not one.verdict.allowed:
                yield f"{one.case.name}: not allowed"
            elif len(statements) != 1:
                yield f"{one.case.name}: allowed by {len(statements)} statements: {statements}"
            elif one.case.by not in ("", names[0]):
                yield f"{one.case.name}: allowed by {names[0] or statements[0]}, not by {one.case.by}"
        for one in self.refused:
            if one.verdict.allowed:
                yield f"{one.case.name}: allowed, though it must not be"

    def unused(self) -> set[Grant]:
        """Grants that allowed or denied no case."""
        used = {grant for one in self.wanted for grant in one.verdict.allows}
        used |= {grant for one in self.refused for grant in one.verdict.denies}
        return set(grants(self.policies)) - used

    def unguarded(self) -> set[tuple[str, int, str]]:
        """Conditions that decided no case: policy, statement, key."""
        met = {
            (grant.policy, grant.statement, key.lower())
            for one in self.wanted
            for grant in one.verdict.allows
            for key in one.case.guards
        }
        met |= {(grant.policy, grant.statement, _TLS) for one in self.refused for grant in one.verdict.denies}
        return {
            (policy, number, key)
            for policy, document in self.policies.items()
            for number, statement in enumerate(document["Statement"])
            for keys in statement.get("Condition", {}).values()
            for key in map(str.lower, keys)
        } - met

    def sid(self, policy: str, statement: int) -> str:
        known = {**self.policies, **_OF_THE_ACCOUNT}
        return str(known[policy]["Statement"][statement].get("Sid", "")) if policy in known else ""


def grants(policies: Mapping[str, Any]) -> Iterator[Grant]:
    """Each action with each resource of each statement; a trust policy has no resource."""
    for name, document in policies.items():
        for number, statement in enumerate(document["Statement"]):
            for action in listed(statement["Action"]):
                for resource in listed(statement.get("Resource", "*")):
                    yield Grant(name, number, action, resource)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
