"""What the checks look at: the file, the account, and what the earlier ones found in it. Each thing is asked once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from infra.config import BridgeConfig, Number
from ops.target import Target

_PATIENCE = ClientConfig(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=2
)
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
"""As services spell it."""
_NOT_THERE = {
    *("ResourceNotFoundException", "NotFoundException", "NotFound", "NoSuchEntity"),
    *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
}
_PREFIXES = {"monitoring": "cloudwatch"}
"""IAM's name of a service where it is not the one that requests are signed for."""


_T = TypeVar("_T")


class UnmetError(Exception):
    """A check needs what an earlier one did not find, and said so."""


class DeniedError(Exception):
    """A call that whoever runs this may not make."""

    def __init__(self, permission: str) -> None:
        super().__init__(permission)
        self.permission = permission


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose credentials these are."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One of the stack: `properties` as the template has them, with its references in them."""

    logical_id: str
    kind: str
    physical_id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A number in Amazon Connect; without `flow_id` no chat of it can start."""

    instance_id: str
    instance_arn: str
    status: str
    message: str
    flow_id: str | None


class Preflight:
    """Of one run. `probe` says whether SendChatIntegrationEvent may be tried; `phone` is the one that texted."""

    def __init__(self, *, target: Target, config_path: Path, probe: bool = True, phone: str | None = None) -> None:
        self.target = target
        self.config_path = config_path
        self.probe = probe
        self.phone = phone
        self._config: BridgeConfig | None = None
        self._identity: Identity | None = None
        self._outputs: Mapping[str, str] | None = None
        self._clients: dict[str, Any] = {}

    @property
    def config(self) -> BridgeConfig:
        """Once the file was found sound."""
        return _met(self._config)

    @config.setter
    def config(self, config: BridgeConfig) -> None:
        self._config = config

    @property
    def identity(self) -> Identity:
        """Once the credentials were found to be good."""
        return _met(self._identity)

    @identity.setter
    def identity(self, identity: Identity) -> None:
        self._identity = identity

    @property
    def outputs(self) -> Mapping[str, str]:
        """Once the stack was found."""
        return _met(self._outputs)

    @outputs.setter
    def outputs(self, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs

    def output(self, name: str) -> str:
        """One of them. A stack of another configuration may lack it: `configuration` says so."""
        return _met(self.outputs.get(name))

    @property
    def deploy(self) -> str:
        """The command that deploys this file."""
        if self.target.sandbox:
            return f"bridge sandbox up --name {self.target.sandbox.name} --config {self.config_path}"
        return "npx cdk deploy" + ("" if self.config_path == Path("bridge.toml") else f" -c config={self.config_path}")

    @property
    def restore(self) -> str:
        """What puts back what was deployed."""
        if self.target.sandbox:
            name = self.target.sandbox.name
            return f"bridge sandbox down --name {name}, then: {self.deploy}"
        return f"{self.deploy} --revert-drift"

    def ask(self, service: str, operation: str, **request: Any) -> Mapping[str, Any]:
        """The answer. Raises DeniedError, ClientError, BotoCoreError; UnmetError before the credentials are good."""
        if service != "sts":
            _met(self._identity)
        if service not in self._clients:
            self._clients[service] = self.target.client(service, _PATIENCE)
        client = self._clients[service]
        try:
            return getattr(client, operation)(**request)  # type: ignore[no-any-return]
        except ClientError as exc:
            if exc.response["Error"]["Code"] in _DENIED:
                prefix = client.meta.service_model.signing_name
                raise DeniedError(f"{_PREFIXES.get(prefix, prefix)}:{exc.operation_name}") from exc
            raise

    def find(self, service: str, operation: str, **request: Any) -> Mapping[str, Any] | None:
        """The answer, or None where there is no such thing."""
        try:
            return self.ask(service, operation, **request)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in _NOT_THERE:
                return None
            raise

    def every(self, service: str, operation: str, key: str, **request: Any) -> Iterator[Any]:
        """The items of all pages."""
        more: dict[str, Any] = {}
        while True:
            answer = self.ask(service, operation, **request, **more)
            yield from answer.get(key, ())
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """Those of the stack by logical id."""
        _met(self._outputs)
        stack = self.target.stack
        body = self.ask("cloudformation", "get_template", StackName=stack)["TemplateBody"]
        physical = {
            one["LogicalResourceId"]: one.get("PhysicalResourceId", "")
            for one in self.every("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack)
        }
        return {
            name: Resource(
                logical_id=name,
                kind=resource["Type"].removeprefix("AWS::"),
                physical_id=physical.get(name, ""),
                properties=resource.get("Properties", {}),
            )
            for name, resource in body["Resources"].items()
        }

    @cached_property
    def pseudo(self) -> Mapping[str, str]:
        """What the template's references to AWS::... mean."""
        return {
            "AWS::AccountId": self.identity.account,
            "AWS::Partition": self.identity.arn.split(":")[1],
            "AWS::Region": self.target.region or "",
            "AWS::StackName": self.target.stack,
            "AWS::URLSuffix": "amazonaws.com",  # of every partition in infra.config.values.PARTITIONS
        }

    def all(self, kind: str) -> list[Resource]:
        """The stack's resources of a type, such as Lambda::Function."""
        return [resource for resource in self.resources.values() if resource.kind == kind]

    @cached_property
    def phone_numbers(self) -> list[Mapping[str, Any]]:
        """All of the account in this Region: End User Messaging answers this once a second."""
        return list(self.every("pinpoint-sms-voice-v2", "describe_phone_numbers", "PhoneNumbers", MaxResults=100))

    @property
    def by_events(self) -> list[Number]:
        """Our numbers with integration-event delivery."""
        return [number for number in self.config.numbers if not self.config.starts_chats(number)]

    @cached_property
    def imported(self) -> Mapping[str, Imported]:
        """Those of them that are in an instance, by their ARN in End User Messaging."""
        wanted = {number.arn for number in self.by_events}
        key = "ListPhoneNumbersSummaryList"
        listed = self.every("connect", "list_phone_numbers_v2", key, MaxResults=1000) if wanted else ()
        return {
            one["SourcePhoneNumberArn"]: self._imported(one)
            for one in listed
            if one.get("SourcePhoneNumberArn") in wanted
        }

    def _imported(self, listed: Mapping[str, Any]) -> Imported:
        source, instance_id = listed["SourcePhoneNumberArn"], listed["InstanceId"]
        answer = self.ask("connect", "describe_phone_number", PhoneNumberId=listed["PhoneNumberId"])
        status = answer["ClaimedPhoneNumberSummary"].get("PhoneNumberStatus", {})
        association = self.find(
            "connect",
            "get_flow_association",
            InstanceId=instance_id,
            ResourceId=source,
            ResourceType="SMS_PHONE_NUMBER",
        )
        return Imported(
            instance_id=instance_id,
            instance_arn=listed["TargetArn"],
            status=status.get("Status", "CLAIMED"),
            message=status.get("Message", ""),
            flow_id=association["FlowId"].rpartition("/")[2] if association else None,
        )

    @cached_property
    def flows(self) -> Mapping[str, set[str]]:
        """Ids of the flows that chats start with, by the id of their instance."""
        found: dict[str, set[str]] = {}
        for instance, arns in self.config.contact_flows().items():
            found.setdefault(_last(instance), set()).update(map(_last, arns))
        for imported in self.imported.values():
            found.setdefault(imported.instance_id, set()).update({imported.flow_id} if imported.flow_id else ())
        return found


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]


def _met(found: _T | None) -> _T:
    if found is None:
        raise UnmetError
    return found
