"""A stack whose policies have all references resolved, from a template or from a deployed stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra.config import BridgeConfig
from ops.doctor.template import resolve

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
PARTITION, REGION = "aws", "us-east-1"


class UnknownPolicyError(Exception):
    """The template has a policy document in a place that this module does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A resource with its physical id, real or made up."""

    kind: str
    physical_id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """`policies`: the documents by name, which is that of the resource that has them. `identity`: names of a role's
    policies, by the role's ARN. `on`: name of the policy of a queue, topic, key, function or role (its trust), by ARN.
    """

    config: BridgeConfig
    stack: str
    resources: Mapping[str, Placed]
    policies: Mapping[str, Any]
    identity: Mapping[str, tuple[str, ...]]
    on: Mapping[str, str]

    @classmethod
    def of(
        cls, template: Mapping[str, Any], config: BridgeConfig, physical: Mapping[str, str] | None = None
    ) -> Deployment:
        """`physical`: ids by logical id; missing ones are made up. Raises UnknownPolicyError."""
        resources = {
            name: Placed(
                kind=one["Type"].removeprefix("AWS::"),
                physical_id=(physical or {}).get(name) or _made_up(config.stack, name, one),
                properties=one.get("Properties", {}),
            )
            for name, one in template["Resources"].items()
        }
        standing = _Standing(resources, config.stack)
        policies: dict[str, Any] = {}
        identity: dict[str, tuple[str, ...]] = {}
        on: dict[str, str] = {}
        seen = 0
        for name, one in resources.items():
            for document, places in _documents(name, one, standing):
                seen += 1
                policies[name] = resolve(document, standing)
                for place in places:
                    if one.kind == "IAM::Policy":
                        identity[place] = (*identity.get(place, ()), name)
                    elif place in on:
                        raise UnknownPolicyError(f"{place} has two policies, {on[place]} and {name}")
                    else:
                        on[place] = name
        if managed := [name for name, one in resources.items() if one.properties.get("ManagedPolicyArns")]:
            raise UnknownPolicyError(f"{', '.join(managed)} have policies that are not in the template")
        if (all_of_them := sum(_count(one.properties) for one in resources.values())) != seen:
            raise UnknownPolicyError(f"the template has {all_of_them} policy documents, {seen} are looked at")
        for name, statements in _of_functions(resources, standing):
            arn = standing.arn(name)
            policies[name] = {"Version": "2012-10-17", "Statement": statements}
            on[arn] = name
        return cls(config=config, stack=config.stack, resources=resources, policies=policies, identity=identity, on=on)

    @cached_property
    def _standing(self) -> _Standing:
        return _Standing(self.resources, self.stack)

    def has(self, logical_id: str) -> bool:
        return logical_id in self.resources

    def arn(self, logical_id: str) -> str:
        return self._standing.arn(logical_id)

    def all(self, kind: str) -> dict[str, Placed]:
        """The resources of a type, by logical id."""
        return {name: one for name, one in self.resources.items() if one.kind == kind}

    def resolved(self, value: Any) -> Any:
        """A value of the template with its references resolved."""
        return resolve(value, self._standing)

    @property
    def functions(self) -> Mapping[str, str]:
        """Logical ids by function name: intake, forward, ..."""
        found = self.all("Lambda::Function").items()
        return {one.properties["Handler"].split(".")[1]: name for name, one in found}

    def role(self, function: str) -> str:
        """The ARN of a function's role."""
        return str(self.resolved(self.resources[self.functions[function]].properties["Role"]))

    def logical_id(self, physical_id: str) -> str:
        """Raises KeyError."""
        found = {one.physical_id: name for name, one in self.resources.items()}
        return found[physical_id]


@dataclass(frozen=True, slots=True)
class _Standing:
    """Values of references."""

    resources: Mapping[str, Placed]
    stack: str

    @property
    def pseudo(self) -> Mapping[str, str]:
        return {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": PARTITION,
            "AWS::Region": REGION,
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": "amazonaws.com",
        }

    def arn(self, logical_id: str) -> str:
        if self.resources[logical_id].kind == "SNS::Topic":
            return self.resources[logical_id].physical_id
        return str(resolve({"Fn::GetAtt": [logical_id, "Arn"]}, self))


def _documents(name: str, one: Placed, standing: _Standing) -> Iterator[tuple[Any, Sequence[str]]]:
    """The policy documents of a resource, each with the ARNs that it belongs to."""
    properties = one.properties
    match one.kind:
        case "SNS::TopicPolicy":
            yield properties["PolicyDocument"], resolve(properties["Topics"], standing)
        case "SQS::QueuePolicy":
            arns = [standing.arn(queue["Ref"]) for queue in properties["Queues"]]
            yield properties["PolicyDocument"], arns
        case "KMS::Key":
            yield properties["KeyPolicy"], [standing.arn(name)]
        case "IAM::Role":
            yield properties["AssumeRolePolicyDocument"], [standing.arn(name)]
        case "IAM::Policy":
            yield properties["PolicyDocument"], [standing.arn(role["Ref"]) for role in properties["Roles"]]


def _of_functions(resources: Mapping[str, Placed], standing: _Standing) -> Iterator[tuple[str, list[Any]]]:
    """The resource policies of functions, which CloudFormation has as single permissions."""
    pieces: dict[str, list[Any]] = {}
    for one in resources.values():
        if one.kind == "Lambda::Permission":
            said = resolve(one.properties, standing)
            known = {"Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"}
            if more := said.keys() - known:
                raise UnknownPolicyError(f"a Lambda permission has {', '.join(more)}")
            condition: dict[str, Any] = {}
            if "SourceArn" in said:
                condition["ArnLike"] = {"AWS:SourceArn": said["SourceArn"]}
            if "SourceAccount" in said:
                condition["StringEquals"] = {"AWS:SourceAccount": said["SourceAccount"]}
            (name,) = (name for name in resources if resources[name].kind == "Lambda::Function"
                       and standing.arn(name) == said["FunctionName"])  # fmt: skip
            statement = {
                "Effect": "Allow",
                "Principal": {"Service": said["Principal"]},
                "Action": said["Action"],
                "Resource": said["FunctionName"],
                "Condition": condition,
            }
            pieces.setdefault(name, []).append({key: value for key, value in statement.items() if value})
    yield from pieces.items()


def _count(value: Any) -> int:
    """How many policy documents there are in a property."""
    if isinstance(value, Mapping):
        return ("Statement" in value) + sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list) else 0


def _made_up(stack: str, logical_id: str, resource: Mapping[str, Any]) -> str:
    """A name that begins with the stack's, as CloudFormation makes it."""
    name = f"{stack}-{logical_id}-A1B2C3D4E5F6"
    match resource["Type"].removeprefix("AWS::"):
        case "KMS::Key":
            return "01234567-89ab-cdef-0123-456789abcdef"
        case "SNS::Topic":
            return f"arn:{PARTITION}:sns:{REGION}:{ACCOUNT}:{name}"
        case "SQS::Queue":
            fifo = ".fifo" if resource["Properties"].get("FifoQueue") else ""
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}{fifo}"
    return name
