"""The topic that the alarms publish to."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.encryption import BridgeKey, alarms_of_this_stack
from infra.logical_ids import ALARM_EMAIL, retain, set_logical_id


class AlarmTopic(Construct):
    """Encrypted; only CloudWatch may publish, for the alarms of this stack.

    Retained when the stack is deleted: people and tools subscribe to it by hand, and confirm it by e-mail.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key.key, enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudWatchAlarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": alarms_of_this_stack()},
                },
            )
        )
        retain(self.topic, "AlarmTopic")
        if email:  # a child of this construct, not of the topic: it is not retained with the topic
            subscription = sns.Subscription(
                self, "Email", topic=self.topic, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=email
            )
            set_logical_id(subscription, ALARM_EMAIL)
