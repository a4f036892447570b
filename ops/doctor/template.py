"""Values of the deployed template, with its references resolved to the resources in the account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

_ARNS: Mapping[str, str] = {
    "DynamoDB::Table": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
    "IAM::Role": "arn:{partition}:iam::{account}:role/{name}",
    "KMS::Key": "arn:{partition}:kms:{region}:{account}:key/{name}",
    "Lambda::Function": "arn:{partition}:lambda:{region}:{account}:function:{name}",
    "Logs::LogGroup": "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",
    "SNS::Topic": "{name}",
    "SQS::Queue": "arn:{partition}:sqs:{region}:{account}:{last}",
}
"""The ARN of a resource from its physical id, which is the URL of a queue and the ARN of a topic."""


class UnresolvedError(Exception):
    """The template has an intrinsic function or a reference that is not supported here."""


class Resource(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def physical_id(self) -> str: ...


class Deployed(Protocol):
    """What references can refer to."""

    @property
    def resources(self) -> Mapping[str, Resource]: ...
    @property
    def pseudo(self) -> Mapping[str, str]:
        """CloudFormation's pseudo parameters, such as AWS::Region."""


def resolve(value: Any, deployed: Deployed) -> Any:
    """A value of the template with its references resolved. Raises UnresolvedError."""
    if isinstance(value, list):
        return [resolve(item, deployed) for item in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((function, argument),) = value.items()
        match function:
            case "Ref":
                return _ref(argument, deployed)
            case "Fn::GetAtt":
                return _arn(argument[0], argument[1], deployed)
            case "Fn::Join":
                return str(argument[0]).join(resolve(argument[1], deployed))
            case "Fn::Sub" if isinstance(argument, str):
                return re.sub(r"\$\{([A-Za-z0-9:]+)\}", lambda found: _ref(found[1], deployed), argument)
        if function.startswith("Fn::"):
            raise UnresolvedError(f"the template uses {function}, which is not understood here")
    return {key: resolve(inner, deployed) for key, inner in value.items()}


def _ref(name: str, deployed: Deployed) -> str:
    if name in deployed.pseudo:
        return deployed.pseudo[name]
    if name not in deployed.resources:
        raise UnresolvedError(f"the template refers to {name}, which the stack does not have")
    return deployed.resources[name].physical_id


def _arn(name: str, attribute: str, deployed: Deployed) -> str:
    kind = deployed.resources[name].kind if name in deployed.resources else ""
    if attribute != "Arn" or kind not in _ARNS:
        raise UnresolvedError(f"the template refers to {name}.{attribute}, which is not understood here")
    physical_id, pseudo = deployed.resources[name].physical_id, deployed.pseudo
    return _ARNS[kind].format(
        name=physical_id,
        last=physical_id.rpartition("/")[2],
        partition=pseudo["AWS::Partition"],
        region=pseudo["AWS::Region"],
        account=pseudo["AWS::AccountId"],
    )
