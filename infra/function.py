"""What both functions have in common."""

from __future__ import annotations

from collections.abc import Mapping
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
from infra.key import BridgeKey
from infra.pinned import FUNCTIONS, fix

MEMORY = 512
"""MB. Lambda gives processor time by memory; at a start, most of the time goes into loading the SDK."""


class BridgeFunction(Construct):
    """A function with its role and its log group; the role may do exactly what `may` says."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        code: lambda_.Code,
        config: BridgeConfig,
        key: BridgeKey,
        timeout: Duration,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.name, self._namespace = name, config.stack
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            encryption_key=key.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        # The L2 has a name for each number that CloudWatch knows; bridge.toml has the number.
        group = cast(logs.CfnLogGroup, self.log_group.node.default_child)
        group.retention_in_days = config.operation.log_retention_days
        self.role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=description
        )
        self.policy = iam.Policy(self, "Policy", roles=[self.role])
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            code=code,
            handler=f"bridge.{name}.handler",
            runtime=lambda_.Runtime(config.runtime, lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.ARM_64,
            memory_size=MEMORY,
            timeout=timeout,
            tracing=lambda_.Tracing.ACTIVE,
            # CDK would add more than is needed, and less visibly
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
        ids = FUNCTIONS[name]
        fix(self.function, ids.function)
        fix(self.role, ids.role)
        fix(self.log_group, ids.log_group)
        # Lambda refuses to connect a queue that the role may not read yet.
        self.function.node.add_dependency(self.policy)
        self.may("logs:CreateLogStream", "logs:PutLogEvents", on=self.log_group.log_group_arn)
        self.may_anywhere(
            "xray:PutTraceSegments", "xray:PutTelemetryRecords", reason="X-Ray knows no resources for writing traces."
        )

    @property
    def sid(self) -> str:
        """Its name as statement ids spell it."""
        return self.name.title().replace("_", "")

    def measured(self, name: str, *, statistic: str, period: Duration) -> cloudwatch.Metric:
        """A metric that the function writes itself, by one of its names in bridge.metrics."""
        if name not in METRICS_BY_FUNCTION[self.name]:
            raise ValueError(f"{self.name} writes no metric {name}")
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map={"service": self.name},
            statistic=statistic,
            period=period,
        )

    def may(self, *actions: str, on: str) -> None:
        """Let the function call these, on this resource only."""
        self.policy.add_statements(iam.PolicyStatement(actions=[*actions], resources=[on]))

    def may_anywhere(self, *actions: str, reason: str) -> None:
        """Let the function make calls for which IAM takes no resource.

        Each in a policy of its own: what is acknowledged there excuses no other `*`.
        """
        statement = iam.PolicyStatement(actions=[*actions], resources=["*"])
        service = actions[0].partition(":")[0].title()
        policy = iam.Policy(self, f"{service}Policy", roles=[self.role], statements=[statement])
        checks.acknowledge(policy, "AwsSolutions-IAM5[Resource::*]", reason)
        # Lambda refuses active tracing to a role that may not write traces yet.
        self.function.node.add_dependency(policy)
