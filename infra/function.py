"""A Lambda function with its role and its log group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from bridge.metrics import METRICS_BY_FUNCTION
from infra import checks
from infra.config import BridgeConfig
from infra.encryption import BridgeKey
from infra.logical_ids import FUNCTIONS, set_logical_id
from infra.storage import Storage

MEMORY = 512
"""MB. Lambda allots processor time by memory; most of a cold start is loading the SDK."""
DESCRIPTIONS: Mapping[str, str] = {
    "intake": "Puts each inbound text on its conversation",
    "forward": "Delivers each conversation's texts in order as chat messages",
    "reply_intake": "Puts each reply of an agent on its chat",
    "reply": "Texts agents' replies to phones, each chat's in order",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the pipelines and functions of a stack share; `code` is the archive of the functions."""

    config: BridgeConfig
    code: lambda_.Code
    key: BridgeKey
    storage: Storage


class BridgeFunction(Construct):
    """The function `name` of lambda/bridge. Its role has only the permissions given by `allow`."""

    def __init__(
        self, scope: Construct, *, name: str, timeout: Duration, environment: Mapping[str, str], shared: Shared
    ) -> None:
        self.name, self.camel_name = name, name.title().replace("_", "")
        super().__init__(scope, self.camel_name)
        config, ids = shared.config, FUNCTIONS[name]
        self._namespace = config.stack
        self.log_group = logs.LogGroup(
            self, "Logs", encryption_key=shared.key.key, removal_policy=RemovalPolicy.DESTROY
        )
        # The L2 construct takes an enum member for each number of days; bridge.toml has the number.
        group = cast(logs.CfnLogGroup, self.log_group.node.default_child)
        group.retention_in_days = config.operation.log_retention_days
        self.role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=DESCRIPTIONS[name]
        )
        self.policy = iam.Policy(self, "Policy", roles=[self.role])
        self.function = lambda_.Function(
            self,
            "Function",
            description=DESCRIPTIONS[name],
            code=shared.code,
            handler=f"bridge.{name}.handler",
            runtime=lambda_.Runtime(config.runtime, lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.ARM_64,
            memory_size=MEMORY,
            timeout=timeout,
            tracing=lambda_.Tracing.ACTIVE,
            # else the CDK adds permissions that are not needed
            role=self.role.without_policy_updates(),
            log_group=self.log_group,
            environment={
                **environment,
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": self._namespace,  # two bridges of an account do not add up
                "POWERTOOLS_LOG_LEVEL": config.operation.log_level,
            },
        )
        checks.acknowledge(
            self.function,
            "AwsSolutions-L1",
            "The deployer pins the runtime in bridge.toml, so that no new version of the CDK changes it unasked.",
        )
        set_logical_id(self.function, ids["function"])
        set_logical_id(self.role, ids["role"])
        set_logical_id(self.log_group, ids["log_group"])
        # Lambda refuses an event source mapping while the role cannot read the queue.
        self.function.node.add_dependency(self.policy)
        self.allow("logs:CreateLogStream", "logs:PutLogEvents", on=self.log_group.log_group_arn)
        self.allow_without_resource(
            "xray:PutTraceSegments", "xray:PutTelemetryRecords", reason="X-Ray knows no resources for writing traces."
        )

    def metric(self, name: str, *, statistic: str, period: Duration | None = None) -> cloudwatch.Metric:
        """A metric that the function writes, by default of each five minutes.

        Raises ValueError for a name that bridge.metrics does not list for it.
        """
        if name not in METRICS_BY_FUNCTION[self.name]:
            raise ValueError(f"{self.name} writes no metric {name}")
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map={"service": self.name},
            statistic=statistic,
            period=period,
        )

    def allow(self, *actions: str, on: str) -> None:
        """Allow these actions on one resource, given by its ARN."""
        self.policy.add_statements(iam.PolicyStatement(actions=[*actions], resources=[on]))

    def allow_without_resource(self, *actions: str, reason: str) -> None:
        """Allow actions of one service for which IAM has no resource types.

        They get a policy of their own, so that the acknowledged `*` covers no other statement.
        """
        statement = iam.PolicyStatement(actions=[*actions], resources=["*"])
        service = actions[0].partition(":")[0].title()
        policy = iam.Policy(self, f"{service}Policy", roles=[self.role], statements=[statement])
        checks.acknowledge(policy, "AwsSolutions-IAM5[Resource::*]", reason)
        # Lambda refuses active tracing while the role cannot write traces.
        self.function.node.add_dependency(policy)
