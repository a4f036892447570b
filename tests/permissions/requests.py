"""The requests to IAM for a call: the call itself, and what the service asks of KMS on the caller's behalf."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tests.permissions.deployment import ACCOUNT, OTHER_ACCOUNT, PARTITION, REGION, Deployment
from tests.permissions.simulator import Request

KEY = "BridgeKey"
_DECRYPT, _DATA_KEY = "kms:Decrypt", "kms:GenerateDataKey"
_TABLE = (_DECRYPT, _DATA_KEY, "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey")
"""The least that a customer managed key must let a user of the table do, says DynamoDB ("Encryption at rest: usage
notes", without CreateGrant, which only making a table needs). CloudTrail shows Decrypt alone when a table is used."""
_ASKS_KMS: Mapping[str, tuple[str, ...]] = {
    "sns:Publish": (_DATA_KEY, _DECRYPT),
    "sqs:SendMessage": (_DATA_KEY, _DECRYPT),
    "sqs:ReceiveMessage": (_DECRYPT,),
    **dict.fromkeys(
        (f"dynamodb:{action}" for action in ("BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem")), _TABLE
    ),
}
"""Source: "Key management" of SNS and of SQS. Who sends needs both, since a data key is used again; who receives,
Decrypt."""
_WITHOUT_ENCRYPTION_CONTEXT = "kms:DescribeKey"

Guards = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request that exactly one statement must allow, not counting one that delegates to the account's IAM policies.

    `by`: the Sid of that statement; empty where it has none. `guards`: context keys, each with the values with which
    the same request must be refused.
    """

    name: str
    request: Request
    by: str = ""
    guards: Guards = field(default_factory=dict)

    def refused(self) -> Iterator[Case]:
        """The request with each of its guards violated, one at a time."""
        for key, values in self.guards.items():
            for value in values:
                context = {**self.request.context, key: value}
                yield Case(name=f"{self.name}, {key} {value}", request=replace(self.request, context=context))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A principal. `context`: condition keys of all its requests; `identity`: names of its own policies."""

    name: str
    principal: str
    context: Mapping[str, str]
    identity: tuple[str, ...] = ()

    @classmethod
    def role(cls, deployment: Deployment, arn: str, name: str, *, session: str = "session") -> Caller:
        account, role = arn.split(":")[4], arn.rpartition("/")[2]
        return cls(
            name=name,
            principal=f"arn:{PARTITION}:sts::{account}:assumed-role/{role}/{session}",
            context={"aws:PrincipalArn": arn, "aws:PrincipalAccount": account, "aws:PrincipalType": "AssumedRole"},
            identity=deployment.identity.get(arn, ()),
        )

    @classmethod
    def function(cls, deployment: Deployment, function: str) -> Caller:
        return cls.role(deployment, deployment.role(function), function)

    @classmethod
    def service(cls, name: str, **source: str) -> Caller:
        """A service principal that acts for a resource. `source`: SourceArn, SourceAccount."""
        context = {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": name}
        return cls(name=name, principal=name, context=context | {f"aws:{key}": value for key, value in source.items()})


def cases(
    deployment: Deployment,
    caller: Caller,
    action: str,
    resource: str,
    *,
    by: str = "",
    key_by: str = "",
    guards: Guards | None = None,
    key_guards: Guards | None = None,
    context: Mapping[str, str] | None = None,
    account: str = ACCOUNT,
) -> Iterator[Case]:
    """Of one call: `resource` is an ARN or `*`; `context`: what the call itself adds. `by`, `guards`: as in Case, of
    the call; `key_by`, `key_guards`: of what KMS is asked."""
    service = action.partition(":")[0]
    own = {"aws:SecureTransport": "true", **caller.context, **(context or {})}
    secure = {"aws:SecureTransport": ("false",)} if service in ("sns", "sqs") and resource in deployment.on else {}
    request = Request(
        principal=caller.principal,
        action=action,
        resource=resource,
        account=account,
        context=own,
        identity=caller.identity,
        resource_policy=deployment.on.get(resource),
    )
    name = f"{caller.name}: {action} on {short(resource)}"
    yield Case(name=name, request=request, by=by, guards={**secure, **(guards or {})})
    for asked in _ASKS_KMS.get(action, ()):
        bound = _encryption_context(resource)
        yield key_case(deployment, caller, asked, bound, via=service, by=key_by, guards=key_guards, name=name)


def key_case(
    deployment: Deployment,
    caller: Caller,
    action: str,
    encryption_context: Mapping[str, str],
    *,
    via: str = "",
    by: str = "",
    guards: Guards | None = None,
    name: str = "",
) -> Case:
    """What KMS is asked. A service that acts in its caller's name says so with kms:ViaService; where it acts in its own
    name it does not."""
    said = {f"kms:EncryptionContext:{key}": value for key, value in encryption_context.items()}
    said = {} if action == _WITHOUT_ENCRYPTION_CONTEXT else said
    wrong = dict(guards or {})
    if via and "aws:PrincipalServiceName" not in caller.context:
        said["kms:CallerAccount"] = ACCOUNT
        said["kms:ViaService"] = f"{via}.{REGION}.amazonaws.com"
        wrong["kms:ViaService"] = (f"ec2.{REGION}.amazonaws.com",)
    return Case(
        name=f"{name or caller.name}, {action}",
        request=Request(
            principal=caller.principal,
            action=action,
            resource=deployment.arn(KEY),
            account=ACCOUNT,
            context={"aws:SecureTransport": "true", **caller.context, **said},
            identity=caller.identity,
            resource_policy=deployment.on[deployment.arn(KEY)],
        ),
        by=by,
        guards=wrong,
    )


def _encryption_context(resource: str) -> Mapping[str, str]:
    """The encryption context of SNS, SQS and DynamoDB."""
    service, table = resource.split(":")[2], resource.partition("/")[2].partition("/")[0]
    return {
        "sns": {"aws:sns:topicArn": resource},
        "sqs": {"aws:sqs:arn": resource},
        "dynamodb": {"aws:dynamodb:tableName": table, "aws:dynamodb:subscriberId": ACCOUNT},
    }[service]


def strangers(cases: Iterable[Case]) -> Iterator[Case]:
    """The same requests by principals that must be refused: a role of the account without policies, a role of another
    account whose own policies allow everything, and another service if the principal is a service."""
    for case in cases:
        for name, who, context, identity in (*_ROLES, *([_SERVICE] if "/" not in case.request.principal else ())):
            known = {key: value for key, value in case.request.context.items() if not key.startswith("aws:Principal")}
            asked = replace(case.request, principal=who, context={**known, **context}, identity=identity)
            yield Case(name=f"{name}: {case.name}", request=asked)


ADMINISTRATOR = "AdministratorAccess"
"""A policy that allows everything in an account; it is not one of the stack."""
_ROLES: tuple[tuple[str, str, Mapping[str, str], tuple[str, ...]], ...] = (
    ("stranger", f"arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/stranger/s", {"aws:PrincipalAccount": ACCOUNT}, ()),
    (
        "stranger of another account",
        f"arn:{PARTITION}:sts::{OTHER_ACCOUNT}:assumed-role/stranger/s",
        {"aws:PrincipalAccount": OTHER_ACCOUNT},
        (ADMINISTRATOR,),
    ),
)
_SERVICE = (
    "another service",
    "events.amazonaws.com",
    {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": "events.amazonaws.com"},
    (),
)


def other_account(arn: str) -> str:
    """The same in another account."""
    return arn.replace(f":{ACCOUNT}:", f":{OTHER_ACCOUNT}:")


def short(resource: str) -> str:
    return resource.rpartition(":")[2]
