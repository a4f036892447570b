"""Alarms, a dashboard and saved log queries."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.encryption import alarms_of_this_stack
from infra.function import Shared
from infra.logical_ids import ALARM_EMAIL, set_logical_id
from infra.monitoring.alarms import Alarms
from infra.monitoring.dashboard import Dashboard
from infra.monitoring.queries import Queries
from infra.pipeline import Pipeline
from infra.storage import Topic


def add_monitoring(scope: Construct, shared: Shared, pipelines: Sequence[Pipeline]) -> sns.Topic:
    """Returns the topic that the alarms publish to."""
    config, storage = shared.config, shared.storage
    alarm_topic = Topic(scope, "AlarmTopic", key=shared.key, logical_id="AlarmTopic")
    conditions = {"ArnLike": {"aws:SourceArn": alarms_of_this_stack()}}
    alarm_topic.allow_service("CloudWatchAlarms", "cloudwatch.amazonaws.com", conditions)
    topic, email = alarm_topic.topic, config.operation.alarm_email
    if email:  # a child of the construct, not of the topic: the subscription is not retained
        protocol = sns.SubscriptionProtocol.EMAIL
        subscription = sns.Subscription(alarm_topic, "Email", topic=topic, protocol=protocol, endpoint=email)
        set_logical_id(subscription, ALARM_EMAIL)
    alarms = Alarms(scope, "Alarms", topic=topic, config=config, pipelines=pipelines, storage=storage)
    Dashboard(scope, "Dashboard", alarms=alarms, pipelines=pipelines, storage=storage)
    log_groups = [function.log_group for pipeline in pipelines for function in pipeline.functions]
    Queries(scope, "Queries", log_groups=log_groups)
    return topic
