"""What the checks of one run share: the file, the account, the stack, and calls to AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from infra.config import BridgeConfig, Number
from ops.target import Target

_CLIENT_CONFIG = ClientConfig(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=2
)
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
"""Error codes of services."""
_NOT_FOUND = {
    *("ResourceNotFoundException", "NotFoundException", "NotFound", "NoSuchEntity"),
    *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
}
_PREFIXES = {"monitoring": "cloudwatch"}
"""IAM's prefix of a service, if it is not the name that requests are signed for."""


_T = TypeVar("_T")


class UnmetError(Exception):
    """A check needs what an earlier one did not find and has reported."""


class DeniedError(Exception):
    """The caller has no permission for a call."""

    def __init__(self, permission: str) -> None:
        super().__init__(permission)
        self.permission = permission


@dataclass(frozen=True, slots=True)
class Identity:
    """Of the credentials."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the stack; the references in its `properties` are not resolved."""

    logical_id: str
    kind: str
    physical_id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A number that was imported into Amazon Connect. Without `flow_id` no chat of it can start."""

    instance_id: str
    instance_arn: str
    status: str
    message: str
    flow_id: str | None


class _Known(Generic[_T]):
    """An attribute that a check sets. Raises UnmetError when it is read before."""

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, preflight: Preflight, _: type) -> _T:
        found: _T | None = preflight.__dict__.get(self._name)
        return _met(found)

    def __set__(self, preflight: Preflight, value: _T) -> None:
        preflight.__dict__[self._name] = value


class Preflight:
    """What one run knows, and the calls that it makes; what is cached is requested once.

    Parameters:
        probe: whether SendChatIntegrationEvent may be tried.
        phone: the customer phone that texted.
    """

    config = _Known[BridgeConfig]()
    identity = _Known[Identity]()
    outputs = _Known[Mapping[str, str]]()

    def __init__(self, *, target: Target, config_path: Path, probe: bool = True, phone: str | None = None) -> None:
        self.target, self.config_path, self.probe, self.phone = target, config_path, probe, phone
        self._clients: dict[str, Any] = {}

    def output(self, name: str) -> str:
        """One output. A stack of another configuration may lack it, which the check `configuration` reports."""
        return _met(self.outputs.get(name))

    @property
    def deploy(self) -> str:
        """The command that deploys this file."""
        if self.target.sandbox:
            return f"bridge sandbox up --name {self.target.sandbox.name} --config {self.config_path}"
        return "npx cdk deploy" + ("" if self.config_path == Path("bridge.toml") else f" -c config={self.config_path}")

    @property
    def restore(self) -> str:
        """The command that restores what was deployed."""
        if self.target.sandbox:
            name = self.target.sandbox.name
            return f"bridge sandbox down --name {name}, then: {self.deploy}"
        return f"{self.deploy} --revert-drift"

    def ask(self, service: str, operation: str, **request: Any) -> Mapping[str, Any]:
        """The response. Raises DeniedError, ClientError, BotoCoreError; UnmetError before the credentials are known."""
        client = self._client(service)
        with _denials(client):
            return getattr(client, operation)(**request)  # type: ignore[no-any-return]

    def find(self, service: str, operation: str, **request: Any) -> Mapping[str, Any] | None:
        """The response, or None if there is no such resource."""
        try:
            return self.ask(service, operation, **request)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in _NOT_FOUND:
                return None
            raise

    def pages(self, service: str, operation: str, **request: Any) -> Iterator[Mapping[str, Any]]:
        """Raises as `ask` does."""
        client = self._client(service)
        with _denials(client):
            yield from client.get_paginator(operation).paginate(**request)

    def every(self, service: str, operation: str, key: str, **request: Any) -> Iterator[Any]:
        """The items of all pages."""
        for page in self.pages(service, operation, **request):
            yield from page.get(key, ())

    def metric(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        statistic: str,
        *,
        start: datetime,
        end: datetime,
        period: int,
    ) -> list[float]:
        """CloudWatch's values of a metric, the oldest first; `period` in seconds. It returns at most 1440 of them."""
        answer = self.ask(
            "cloudwatch",
            "get_metric_statistics",
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=start,
            EndTime=end,
            Period=period,
            Statistics=[statistic],
        )
        return [float(point[statistic]) for point in sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])]

    def _client(self, service: str) -> Any:
        if service != "sts":
            _ = self.identity
        if service not in self._clients:
            self._clients[service] = self.target.client(service, _CLIENT_CONFIG)
        return self._clients[service]

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """The resources of the stack, by logical id."""
        _ = self.outputs
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
        """The values of CloudFormation's pseudo parameters."""
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
        """All of the account in this Region. End User Messaging answers this call once a second."""
        return list(self.every("pinpoint-sms-voice-v2", "describe_phone_numbers", "PhoneNumbers", MaxResults=100))

    @property
    def by_events(self) -> list[Number]:
        """The numbers with integration-event delivery."""
        return [number for number in self.config.numbers if not self.config.starts_chats(number)]

    @cached_property
    def imported(self) -> Mapping[str, Imported]:
        """Those of `by_events` that are in an instance, by their ARN in End User Messaging."""
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
        """Ids of the flows that chats start with, by instance id."""
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


@contextmanager
def _denials(client: Any) -> Iterator[None]:
    """A denied call as a DeniedError."""
    try:
        yield
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in _DENIED:
            raise
        prefix = client.meta.service_model.signing_name
        raise DeniedError(f"{_PREFIXES.get(prefix, prefix)}:{exc.operation_name}") from exc
