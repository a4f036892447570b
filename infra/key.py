"""The one key under which everything at rest is encrypted, and who may use it for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import STREAMING_TOPIC
from infra.pinned import pin

MESSAGES = ("kms:Decrypt", "kms:GenerateDataKey*")
"""What SNS and SQS ask of whoever sends or receives; senders need Decrypt too, since data keys are reused."""
STORE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
"""What DynamoDB asks of whoever uses an encrypted table, and what CloudWatch Logs asks for itself."""


class BridgeKey(Construct):
    """Its policy is the whole list: no role of this stack is given key permissions anywhere else.

    Its conditions name no topic and no queue: those refer to the key, and CloudFormation allows no circle.
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
        pin(self.key, "BridgeKey")
        # Without this nobody could ever change the key again. It also lets IAM admit operators (replay, redrive).
        self._admit("AccountAdministers", iam.AccountRootPrincipal(), ("kms:*",))

    def admit_sns(self, *, to: str) -> None:
        """SNS itself, for what it could not hand over."""
        sns = iam.ServicePrincipal("sns.amazonaws.com")
        topics = f"arn:{Aws.PARTITION}:sns:{Aws.REGION}:{Aws.ACCOUNT_ID}:*"
        self._admit(f"SnsTo{to}", sns, MESSAGES, {"ArnLike": {"aws:SourceArn": topics}})

    def admit_connect(self) -> None:
        """Connect itself, for what it streams to the topic of this stack.

        SNS passes the topic's ARN to KMS as the encryption context. Nothing documents that KMS learns more of such a
        call, neither the instance (aws:SourceArn) nor the account (aws:SourceAccount), and a condition on a key that
        the request lacks refuses every message. The topic's own policy has both, and so keeps out other accounts'
        instances: without it they cannot publish, whatever the key allows.

        The topic goes by the name that CloudFormation gives it: it refers to the key, and CloudFormation allows no
        circle.
        """
        topic = f"arn:{Aws.PARTITION}:sns:{Aws.REGION}:{Aws.ACCOUNT_ID}:{Aws.STACK_NAME}-{STREAMING_TOPIC}-*"
        connect = iam.ServicePrincipal("connect.amazonaws.com")
        conditions = {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topic}}
        self._admit("ConnectToStreaming", connect, MESSAGES, conditions)

    def admit_cloudwatch(self) -> None:
        """CloudWatch, for what the alarms of this stack say on their topic."""
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        conditions: Mapping[str, Mapping[str, str | list[str]]] = {
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": alarms_of_this_stack()},
        }
        self._admit("CloudWatchToAlarms", cloudwatch, MESSAGES, conditions)

    def admit_logs(self) -> None:
        """CloudWatch Logs, for the log groups that CloudFormation names after this stack."""
        logs = iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")
        groups = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{Aws.STACK_NAME}-*"
        self._admit("LogsToLogGroups", logs, STORE, {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}})

    def admit_to_topic(self, role: iam.IRole, *, name: str) -> None:
        """A role that publishes; its own policy says to which topic."""
        self._admit(f"{name}ToTopic", role, MESSAGES, _through("sns"))

    def admit_to_queues(self, role: iam.IRole, *, name: str) -> None:
        """A role that sends or receives; its own policy says on which queues."""
        self._admit(f"{name}ToQueues", role, MESSAGES, _through("sqs"))

    def admit_to_ledger(self, role: iam.IRole, *, name: str) -> None:
        """A role that reads or writes the ledger."""
        # DynamoDB wants its permission for any Region: it may call from another one.
        ledger = {"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"}}
        self._admit(f"{name}ToLedger", role, STORE, ledger)

    def _admit(
        self,
        sid: str,
        principal: iam.IPrincipal,
        actions: Sequence[str],
        conditions: Mapping[str, Mapping[str, str | list[str]]] | None = None,
    ) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid, principals=[principal], actions=[*actions], resources=["*"], conditions=conditions
            )
        )


def alarms_of_this_stack() -> str:
    """The ARNs of its alarms, which CloudFormation names after it. Not the alarms themselves: they refer to a topic
    that refers to the key, and CloudFormation allows no circle."""
    return f"arn:{Aws.PARTITION}:cloudwatch:{Aws.REGION}:{Aws.ACCOUNT_ID}:alarm:{Aws.STACK_NAME}-*"


def _through(service: str) -> Mapping[str, Mapping[str, str]]:
    return {"StringEquals": {"kms:ViaService": f"{service}.{Aws.REGION}.amazonaws.com"}}
