"""The key that encrypts everything at rest, and its policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import STREAMING_TOPIC
from infra.logical_ids import retain

MESSAGES = ("kms:Decrypt", "kms:GenerateDataKey*")
"""What SNS and SQS require of senders and receivers. Senders need Decrypt too, since data keys are reused."""
STORE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
"""What DynamoDB requires of the users of an encrypted table, and CloudWatch Logs of its own service principal."""

_Conditions = Mapping[str, Mapping[str, str | list[str]]]


class BridgeKey(Construct):
    """All key permissions are in the key's policy; no role of this stack has any in its own policies.

    The conditions name no topic and no queue of the stack: these refer to the key, and CloudFormation allows no
    circular reference. Where one is needed it is a pattern of the name that CloudFormation gives the resource.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            description="SMS to Connect: topics, queues, ledger and logs",
            enable_key_rotation=True,
            policy=iam.PolicyDocument(),
            removal_policy=RemovalPolicy.RETAIN,
        )
        retain(self.key, "BridgeKey")
        # Without it nobody could change the key any more. It also lets IAM allow operators (replay, redrive).
        self._grant("AccountAdministers", iam.AccountRootPrincipal(), ("kms:*",))

    def grant_sns(self, *, to: str) -> None:
        """Allow SNS to send to the dead-letter queue `to` what it cannot deliver."""
        sns = iam.ServicePrincipal("sns.amazonaws.com")
        self._grant(f"SnsTo{to}", sns, MESSAGES, {"ArnLike": {"aws:SourceArn": _arn("sns", "*")}})

    def grant_connect(self) -> None:
        """Allow Connect to publish to the stack's streaming topic.

        SNS passes the topic's ARN to KMS as encryption context. No document says that KMS also gets the instance
        (aws:SourceArn) or the account (aws:SourceAccount); a condition on a key that the request lacks would refuse
        every message. The topic's policy has both conditions, and so excludes instances of other accounts.
        """
        topic = _arn("sns", f"{Aws.STACK_NAME}-{STREAMING_TOPIC}-*")
        connect = iam.ServicePrincipal("connect.amazonaws.com")
        conditions = {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topic}}
        self._grant("ConnectToStreaming", connect, MESSAGES, conditions)

    def grant_cloudwatch(self) -> None:
        """Allow the alarms of this stack to publish to the alarm topic."""
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        conditions: _Conditions = {
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": alarms_of_this_stack()},
        }
        self._grant("CloudWatchToAlarms", cloudwatch, MESSAGES, conditions)

    def grant_logs(self) -> None:
        """Allow CloudWatch Logs to encrypt the log groups of this stack."""
        logs = iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")
        groups = _arn("logs", f"log-group:{Aws.STACK_NAME}-*")
        self._grant("LogsToLogGroups", logs, STORE, {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}})

    def grant_topic(self, role: iam.IRole, *, name: str) -> None:
        """Allow a role to publish; its own policy names the topic. `name` is the beginning of the statement id."""
        self._grant(f"{name}ToTopic", role, MESSAGES, _via("sns"))

    def grant_queues(self, role: iam.IRole, *, name: str) -> None:
        """Allow a role to send and receive; its own policy names the queues. `name` as above."""
        self._grant(f"{name}ToQueues", role, MESSAGES, _via("sqs"))

    def grant_tables(self, role: iam.IRole, *, name: str) -> None:
        """Allow a role to read and write tables; its own policy names them. `name` as above."""
        # DynamoDB's documentation asks for any Region: DynamoDB may call KMS from another one.
        tables = {"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"}}
        self._grant(f"{name}ToLedger", role, STORE, tables)

    def _grant(
        self, sid: str, principal: iam.IPrincipal, actions: Sequence[str], conditions: _Conditions | None = None
    ) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid, principals=[principal], actions=[*actions], resources=["*"], conditions=conditions
            )
        )


def alarms_of_this_stack() -> str:
    """A pattern for the ARNs of the alarms, by the names that CloudFormation gives them.

    The alarms refer to a topic that refers to the key, and CloudFormation allows no circular reference.
    """
    return _arn("cloudwatch", f"alarm:{Aws.STACK_NAME}-*")


def _arn(service: str, resource: str) -> str:
    return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"


def _via(service: str) -> _Conditions:
    return {"StringEquals": {"kms:ViaService": f"{service}.{Aws.REGION}.amazonaws.com"}}
