"""A first deployment that fails, what remains of it, and the deployment after it, with the local CloudFormation."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.doctor.stack import of_status
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import until

TABLES = {"Chats", "Ledger"}
"""The tables have deletion protection."""
REFUSED = {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True, "QueueName": "without-its-suffix"}}
"""SQS refuses a FIFO queue with this name."""


class Deployment:
    """The sandbox's template in a stack with another name."""

    def __init__(self, sandbox: Sandbox) -> None:
        (path,) = (sandbox.folder / "cdk.out").glob("*.template.json")
        self.template = json.loads(path.read_text(encoding="utf-8"))
        self.name = f"First{uuid.uuid4().hex[:8]}"
        self._sandbox = sandbox
        self.cloudformation = sandbox.client("cloudformation")

    def create(self, template: dict[str, Any]) -> str:
        """Creates the stack, with termination protection as the CDK has it. Returns its final status."""
        bucket, key = f"cdk-hnb659fds-assets-{self._sandbox.account}-{self._sandbox.region}", f"{self.name}.json"
        with closing(self._sandbox.client("s3")) as s3:  # the limit of CreateStack itself is 51,200 bytes
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(template).encode())
        self.cloudformation.create_stack(
            StackName=self.name,
            TemplateURL=f"https://s3.{self._sandbox.region}.amazonaws.com/{bucket}/{key}",
            Capabilities=["CAPABILITY_IAM"],
            EnableTerminationProtection=True,
        )
        until(lambda: not self.status.endswith("_IN_PROGRESS"), seconds=120, what="the stack is made or rolled back")
        return self.status

    def delete(self) -> None:
        self.cloudformation.delete_stack(StackName=self.name)
        until(lambda: not self.status or self.status.endswith("_COMPLETE"), seconds=60, what="the stack is deleted")

    @property
    def status(self) -> str:
        try:
            (found,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError:
            return ""
        return str(found["StackStatus"])

    def skipped(self) -> set[str]:
        """Logical ids of the resources that the rollback kept."""
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return {event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "DELETE_SKIPPED"}

    def left(self) -> dict[str, list[str]]:
        """Names of the account's resources that begin with the stack's name, by service."""
        with (
            closing(self._sandbox.client("sqs")) as sqs,
            closing(self._sandbox.client("sns")) as sns,
            closing(self._sandbox.client("dynamodb")) as dynamodb,
            closing(self._sandbox.client("iam")) as iam,
            closing(self._sandbox.client("lambda")) as lambda_,
        ):
            all_names = {
                "sqs": [url.rpartition("/")[2] for url in sqs.list_queues().get("QueueUrls", ())],
                "sns": [topic["TopicArn"].rpartition(":")[2] for topic in sns.list_topics()["Topics"]],
                "dynamodb": dynamodb.list_tables()["TableNames"],
                "iam": [role["RoleName"] for role in iam.list_roles(MaxItems=1000)["Roles"]],
                "lambda": [function["FunctionName"] for function in lambda_.list_functions()["Functions"]],
            }
        return {
            service: found
            for service, names in all_names.items()
            if (found := sorted(name for name in names if name.startswith(f"{self.name}-")))
        }

    def clear(self) -> None:
        """Deletes the stack and the resources that it retains, except the key."""
        if self.status:
            self.unprotect()
            self.delete()
        left = self.left()
        with closing(self._sandbox.client("sqs")) as sqs:
            for name in left.get("sqs", ()):
                sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])
        with closing(self._sandbox.client("sns")) as sns:
            for name in left.get("sns", ()):
                sns.delete_topic(TopicArn=f"arn:aws:sns:{self._sandbox.region}:{self._sandbox.account}:{name}")
        with closing(self._sandbox.client("dynamodb")) as dynamodb:
            for name in left.get("dynamodb", ()):
                dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
                dynamodb.delete_table(TableName=name)
        with closing(self._sandbox.client("iam")) as iam, suppress(ClientError):
            for name in left.get("iam", ()):
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                    iam.delete_role_policy(RoleName=name, PolicyName=policy)
                iam.delete_role(RoleName=name)

    def unprotect(self) -> None:
        self.cloudformation.update_termination_protection(StackName=self.name, EnableTerminationProtection=False)


@pytest.fixture
def first(sandbox: Sandbox) -> Iterator[Deployment]:
    deployment = Deployment(sandbox)
    yield deployment
    deployment.clear()
    deployment.cloudformation.close()


def test_a_first_deployment_that_fails_leaves_its_tables_and_can_be_repeated(first: Deployment) -> None:
    resources = first.template["Resources"]
    failing = first.template | {"Resources": resources | {"Refused": REFUSED | {"DependsOn": sorted(resources)}}}
    assert first.create(failing) == "ROLLBACK_COMPLETE"
    assert (first.skipped(), {*first.left()}) == (TABLES, {"dynamodb"})
    assert len(first.left()["dynamodb"]) == len(TABLES)

    with pytest.raises(ClientError, match="TerminationProtection"):
        first.cloudformation.delete_stack(StackName=first.name)
    command = of_status(first.name, first.status, deploy="npx cdk deploy").command
    assert command.startswith("aws cloudformation update-termination-protection --no-enable-termination-protection ")
    first.unprotect()
    first.delete()
    assert first.create(first.template) == "CREATE_COMPLETE"
